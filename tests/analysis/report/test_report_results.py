"""results.json: what is in it, where it comes from, and that it reads back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from report_study import ITEMS, SMALL, rows, write_csv, write_export

from analysis.errors import AnalysisError
from analysis.judgments.table import read_judgments
from analysis.rates.fool_rates import fool_rates
from analysis.report.results.assemble import assemble
from analysis.report.results.inputs.album import Album, open_album
from analysis.report.results.inputs.scores import Measured
from analysis.report.results.inputs.sources import merge, read_source
from analysis.report.results.schema import Results, read_results, to_json
from generators.manifest import Item, Manifest, Run


def _results(*paths: Path) -> Results:
    merged = merge([read_source(path) for path in paths])
    return assemble(merged, open_album(merged, {}, None), Measured(), ())


def test_rates_are_the_analysis_own_at_full_precision(export: Path, results: Results) -> None:
    expected = {r.condition: r for r in fool_rates(read_judgments(export / "judgments.csv"))}
    for model in results.models:
        record = expected[model.condition]
        assert (model.rate, model.low, model.high) == (record.rate, record.low, record.high)
    assert [model.rate for model in results.models] == sorted(
        (model.rate for model in results.models), key=lambda rate: -(rate or 0)
    )


@pytest.mark.slow
def test_searches_that_failed_are_a_caution(export: Path, tmp_path: Path) -> None:
    entry: dict[str, Any] = {"file": "a.png", "sha256": "0" * 64, "width": 8, "height": 8}
    short = Item(id="a", shortfall="search did not converge: mean squared error 0.02", **entry)
    whole = Item(id="b", **(entry | {"file": "b.png"}))
    made = Manifest(generator="pulse", items=(short, whole))
    run = Run(folder=tmp_path, name="x", files={}, manifest=made)
    merged = merge([read_source(export)])
    album = Album(runs={"pulse": run}, notes=())
    results = assemble(merged, album, Measured(), ())
    assert results.cautions[-1] == (
        "Condition pulse: 1 of 2 images fall short "
        "(a: search did not converge: mean squared error 0.02)."
    )


def test_it_reads_back_unchanged(results: Results, tmp_path: Path) -> None:
    (tmp_path / "results.json").write_bytes(to_json(results))
    assert read_results(tmp_path / "results.json") == results


def test_a_file_of_version_1_reads(results: Results) -> None:
    """data/results-1.json was written by the program of before; long lists were cut."""
    found = read_results(Path(__file__).parent / "data" / "results-1.json")
    assert [(m.condition, str(m.verdict), m.task) for m in found.models] == [
        *(("b", "undecided", "task2"), ("one", "undefined", "task2")),
        *(("sr3", "undecided", "task2"), ("n", "undecided", "task2")),
    ]
    assert found.models[1].flags == ("No interval over new raters: 1 rater, at least 2 are needed",)
    assert {model.alpha for model in found.models} == {0.1}
    assert json.loads(to_json(found))["schema_version"] == 2


def test_another_schema_version_is_refused(results: Results, tmp_path: Path) -> None:
    fields = {**json.loads(to_json(results)), "schema_version": 99}
    (tmp_path / "results.json").write_text(json.dumps(fields))
    with pytest.raises(AnalysisError, match="schema_version is 99, expected 2"):
        read_results(tmp_path / "results.json")


@pytest.mark.slow
def test_the_order_of_rows_and_the_time_of_export_change_no_digest(tmp_path: Path) -> None:
    made = rows(ITEMS, rates=SMALL, raters=6, trials=8)
    shuffled = [made[place] for place in np.random.default_rng(1).permutation(len(made))]
    first = _results(write_export(tmp_path / "a", made))
    second = _results(write_export(tmp_path / "b", shuffled, exported_at="2027-01-01T00:00:00Z"))
    assert first.data_digest == second.data_digest
    assert first.config_digest == second.config_digest
    assert first.models == second.models
    other = {"left": "right", "right": "left"}[made[0]["choice"]]
    made[0] = {**made[0], "fooled": 1 - (made[0]["fooled"] == 1), "choice": other}
    assert _results(write_export(tmp_path / "c", made)).data_digest != first.data_digest


@pytest.mark.slow
def test_declared_rules_are_applied_and_shown_beside_the_result_without(tmp_path: Path) -> None:
    made = rows(ITEMS, rates={"sr3": 0.0}, raters=8, trials=12)
    for row in made:  # one rater answers in no time
        row["rt_ms"] = 50 if row["rater_id"] == "sr3-000" else 900
    found = _results(write_export(tmp_path, made, exclusions={"min_median_rt_ms": 200}))
    assert [step.raters for step in found.flow] == [8, 7]
    assert found.flow[-1].removed_raters == 1
    assert found.reasons == (("Median response time below 200 ms", 1),)
    assert found.models[0].raters == 7
    change = found.sensitivity[0]
    assert change.with_exclusions.value == found.models[0].rate
    everyone = fool_rates(read_judgments(tmp_path / "judgments.csv"))[0]
    assert change.without_exclusions.value == everyone.rate


def test_differences_are_turned_so_that_they_read_as_gains(results: Results) -> None:
    (pair,) = results.differences
    assert pair.difference is not None
    assert pair.difference > 0
    assert results.model(pair.a).rate == max(model.rate or 0 for model in results.models)
    assert pair.low is not None
    assert pair.high is not None
    assert pair.low < pair.difference < pair.high


@pytest.mark.slow
def test_one_simulated_judgment_marks_the_whole_report(tmp_path: Path) -> None:
    made = rows(ITEMS, rates=SMALL, raters=4, trials=8, simulated=False)
    assert not _results(write_csv(tmp_path / "a.csv", made)).simulated
    made[5]["simulated"] = 1
    assert _results(write_csv(tmp_path / "b.csv", made)).simulated


@pytest.mark.slow
def test_several_studies_keep_their_raters_apart(tmp_path: Path) -> None:
    reference = {"run": "real", "run_digest": "f" * 64}
    for name, seed in (("first", 1), ("second", 2)):
        made = rows(ITEMS, rates={"sr3": 0.0}, raters=5, trials=8, seed=seed)
        write_export(tmp_path / name, made, study_id=name, title=name, reference=reference)
    found = _results(tmp_path / "first", tmp_path / "second")
    assert {model.condition for model in found.models} == {"sr3 (first)", "sr3 (second)"}
    assert found.raters == 10
    assert found.items == len(ITEMS)  # one reference: the same images
    assert len(found.differences) == 1
    assert found.differences[0].shared_raters == 0


def test_studies_that_declared_different_estimands_are_not_mixed(tmp_path: Path) -> None:
    for name, estimand in (("first", "population"), ("second", "fixed-images")):
        made = rows(ITEMS, rates={"sr3": 0.0}, raters=5, trials=8, seed=len(name))
        write_export(tmp_path / name, made, study_id=name, title=name, estimand=estimand)
    with pytest.raises(AnalysisError, match="estimand differs between the studies"):
        _results(tmp_path / "first", tmp_path / "second")


def test_the_same_judgments_twice_are_refused(export: Path) -> None:
    with pytest.raises(AnalysisError, match="the same judgments were given twice"):
        _results(export, export)


@pytest.mark.parametrize(
    ("field", "value"), [("alpha", 0.7), ("equivalence_margin", "wide"), ("estimand", "all")]
)
def test_a_study_file_out_of_range_is_one_line(tmp_path: Path, field: str, value: object) -> None:
    made = rows(ITEMS, rates={"sr3": 0.0}, raters=3, trials=4)
    write_export(tmp_path, made, **{field: value})
    with pytest.raises(AnalysisError, match=f"study.json: {field} is {value!r}"):
        _results(tmp_path)


def test_degenerate_designs_are_worded_not_raised(tmp_path: Path) -> None:
    made = rows(ITEMS, rates={"one": 0.0}, raters=1, trials=6)
    made += rows(ITEMS, rates={"never": -50.0}, raters=12, trials=6)
    skipped = rows(ITEMS, rates={"skipped": 0.0}, raters=3, trials=6)
    made += [{**row, "fooled": "", "choice": ""} for row in skipped]
    found = {m.condition: m for m in _results(write_csv(tmp_path / "j.csv", made)).models}
    assert found["one"].verdict == "undefined"
    assert "at least 2 are needed" in found["one"].flags[0]
    assert found["never"].rate == 0
    assert found["never"].verdict == "below"
    assert found["skipped"].trials == 0
    assert found["skipped"].verdict == "undefined"


def test_gallery_lists_do_not_share_an_image(results: Results) -> None:
    for model in results.models:
        entries = [entry for entry in results.gallery if entry.key == model.key]
        assert {entry.list for entry in entries} == {"most", "least", "divisive"}
        assert len({entry.item_id for entry in entries}) == len(entries)
        shrunk = {rate.item_id: rate.shrunk for rate in results.item_rates if rate.key == model.key}
        top = next(entry for entry in entries if entry.list == "most")
        assert top.shrunk == max(shrunk.values())
