"""A report says everything in which it departs from the preregistration, and nothing else."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner
from report_study import ITEMS, SMALL, rows, write_export

import manage
from analysis.errors import AnalysisError
from analysis.report.build import write_report
from analysis.report.results.assemble import assemble
from analysis.report.results.inputs.album import open_album
from analysis.report.results.inputs.plan import declared_analysis
from analysis.report.results.inputs.preregistered import preregistered
from analysis.report.results.inputs.scores import Measured
from analysis.report.results.inputs.sources import merge, read_source
from analysis.report.text.methods import methods_markdown
from study_server.preregistration import content_sha256

STUDY = """
[study]
id = "made-up"
title = "A made-up study"
contact = "the laboratory"
[images]
reference = "real"
[conditions]
bicubic = "bicubic"
sr3 = "sr3"
[design]
raters = 12
trials = 12
[use]
max_skipped_share = 0.5
"""
BEFORE, AFTER = "2025-12-31T00:00:00Z", "2026-01-01T13:00:00Z"  # judgments are of noon


def registered(folder: Path, text: str = STUDY, written_at: str = BEFORE) -> Path:
    """Write the preregistration of a study file, as the command does, at another time."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "study.toml").write_text(text)
    out = folder / "registered"
    done = CliRunner().invoke(
        manage.main,
        ["study", "preregister", str(folder / "study.toml"), "-o", str(out),
         "--hypothesis", "SR3 fools more often."],
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    file = out / "preregistration.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"written_at": written_at}))
    return file


def export(folder: Path, text: str = STUDY, **fields: object) -> Path:
    """Write the export of the study that was run."""
    declared = {"exclusions": {"max_skipped_share": 0.5}, "correction": "holm"} | fields
    made = write_export(folder, rows(ITEMS, rates=SMALL, raters=12, trials=12), **declared)
    (made / "study.toml").write_text(text)
    return made


def departures(folder: Path, file: Path | None) -> dict[str, tuple[str, str]]:
    """Return what the report says: what -> (registered, found)."""
    merged = merge([read_source(folder)])
    found = preregistered(file, merged, declared_analysis(merged.sources))
    assert found is not None
    return {each.what: (each.registered, each.found) for each in found.departures}


@pytest.mark.slow
@pytest.mark.usefixtures("drawn")
def test_a_study_that_was_run_as_registered_departs_in_nothing(tmp_path: Path) -> None:
    file = registered(tmp_path)
    folder = export(tmp_path / "export")
    write_report(folder, folder / "report", preregistration=file)
    methods = (folder / "report/methods.md").read_text()
    assert "preregistered on 2025-12-31" in methods
    assert "does not depart from it" in methods
    assert "SR3 fools more often." in (folder / "report/report.html").read_text()


@pytest.mark.parametrize(
    ("change", "what", "words"),
    [
        (("trials = 12", "trials = 10"), "design.trials", ("12", "10")),
        (("[use]", "[analysis]\nalpha = 0.01\n[use]"), "analysis.alpha", ("0.05", "0.01")),
        pytest.param(
            ("[use]", "[catch]\ntrials = 5\n[use]"),
            "catch.trials",
            ("2", "5"),
            marks=pytest.mark.slow,
        ),
        pytest.param(
            ('title = "A', 'title = "Another'), "study.title", None, marks=pytest.mark.slow
        ),
        (("= 0.5", "= 0.5\nmin_main_trials = 3"), "use.min_main_trials", ("none", "3")),
    ],
)
def test_every_changed_key_is_said(
    tmp_path: Path, change: tuple[str, str], what: str, words: tuple[str, str] | None
) -> None:
    found = departures(export(tmp_path / "export", STUDY.replace(*change)), registered(tmp_path))
    assert set(found) == {what}
    assert words is None or found[what] == words


@pytest.mark.parametrize("public", ["never", "live"])
def test_a_key_that_a_later_foolrate_added_departs_only_where_it_is_set(
    tmp_path: Path, public: str
) -> None:
    file = registered(tmp_path)
    older = json.loads(file.read_text())
    del older["content"]["results"]
    older["content_sha256"] = content_sha256(older["content"])
    file.write_text(json.dumps(older))
    folder = export(tmp_path / "export", f'{STUDY}\n[results]\npublic = "{public}"\n')
    found = departures(folder, file)
    assert ("results.public" in found) == (public == "live")
    assert found == {} or public == "live"


def test_what_the_analysis_does_otherwise_is_said(tmp_path: Path) -> None:
    folder = export(
        tmp_path / "export", exclusions={}, alpha=0.01, correction="none", equivalence_margin=0.1
    )
    found = departures(folder, registered(tmp_path))
    assert found == {
        "alpha of this report": ("0.05", "0.01"),
        "correction of this report": ("holm", "none"),
        "equivalence_margin of this report": ("0.05", "0.1"),
        "rules applied in this report": ("max_skipped_share 0.5", "none"),
    }


def test_too_few_raters_and_judgments_before_the_registration_are_said(tmp_path: Path) -> None:
    text = STUDY.replace("raters = 12", "raters = 20")
    file = registered(tmp_path, text, written_at=AFTER)
    found = departures(export(tmp_path / "export", text), file)
    assert found == {
        "raters of bicubic, task2": ("20", "12"),
        "raters of sr3, task2": ("20", "12"),
        "time of the first judgment": (f"after {AFTER}", "2026-01-01T12:00:00Z"),
    }


def test_a_preregistration_in_the_export_counts_by_itself(tmp_path: Path) -> None:
    file = registered(tmp_path)
    folder = export(tmp_path / "export", STUDY.replace("trials = 12", "trials = 9"))
    shutil.copy(file, folder)
    assert set(departures(folder, None)) == {"design.trials"}


@pytest.mark.slow
def test_a_report_without_one_says_nothing_of_it(tmp_path: Path) -> None:
    merged = merge([read_source(export(tmp_path / "export"))])
    results = assemble(merged, open_album(merged, {}, None), Measured(), ())
    assert results.preregistration is None
    assert "reregist" not in methods_markdown(results).decode()


def test_a_preregistration_that_was_changed_afterwards_is_refused(tmp_path: Path) -> None:
    file = registered(tmp_path)
    fields = json.loads(file.read_text())
    fields["content"]["design"]["raters"] = 13
    file.write_text(json.dumps(fields))
    with pytest.raises(AnalysisError, match="is not the one that it was written with"):
        write_report(export(tmp_path / "export"), tmp_path / "report", preregistration=file)
    assert not (tmp_path / "report").exists()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("nowhere.json", "no such file, expected a preregistration.json"),
        ("study.toml", "Invalid JSON"),
        ("other/registered", "is of the study 'another', expected 'made-up'"),
    ],
)
def test_what_is_no_preregistration_of_the_study_is_one_line(
    tmp_path: Path, name: str, words: str
) -> None:
    registered(tmp_path)
    registered(tmp_path / "other", STUDY.replace('id = "made-up"', 'id = "another"'))
    with pytest.raises(AnalysisError, match=words) as refusal:
        write_report(
            export(tmp_path / "export"), tmp_path / "report", preregistration=tmp_path / name
        )
    assert "\n" not in str(refusal.value)
