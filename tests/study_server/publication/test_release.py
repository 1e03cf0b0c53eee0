"""A released data set: what is in it, what is not, and that others' programs read it."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from actors import Rater
from click.testing import CliRunner
from small_study import STUDY, app_of_its_own, text_with

import manage
from study_server.export.export import export_study

PROLIFIC = (
    "[practice]",
    '[provider]\nkind = "url"\nid_parameter = "who"\n[practice]',
)


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory, empty_sqlite: Path, images: Path) -> Path:
    """Return the export of a study that four raters took, one with a comment."""
    folder = tmp_path_factory.mktemp("exported")
    app = app_of_its_own(folder, empty_sqlite, text_with(STUDY, images, PROLIFIC))
    for number in range(4):
        rater = Rater(app, query=f"?who=panel-id-{number}").begin()
        rater.answer_all("left" if number % 2 else "right")
        rater.form(f"/r/{rater.token}/comment", comment="My name is Jane Doe.")
    database = app.extensions["foolrate"].database
    export_study(database, "small", folder / "export")
    database.dispose()
    return folder / "export"


@pytest.fixture
def export(once: Path, tmp_path: Path) -> Path:
    """Return an export of the test's own."""
    return Path(shutil.copytree(once, tmp_path / "export"))


def release(export: Path, *arguments: object) -> tuple[int, str]:
    """Run the command; return its status and what it printed."""
    done = CliRunner().invoke(manage.main, ["study", "release", str(export), *map(str, arguments)])
    return done.exit_code, done.output if done.exit_code == 0 else str(done.exception)


@pytest.mark.slow
def test_a_release_leads_back_to_nobody(export: Path, tmp_path: Path) -> None:
    code, text = release(export, "-o", tmp_path / "out")
    assert (code, text.count("28 judgments")) == (0, 1)
    everything = b"".join(p.read_bytes() for p in (tmp_path / "out").rglob("*") if p.is_file())
    for trace in (b"Jane Doe", b"panel-id", b"r0001", b"small-1-1", b"T1"):
        assert trace not in everything
    with (export / "judgments.csv").open() as lines:
        before = list(csv.DictReader(lines))
    with (tmp_path / "out/data/study-small_data.csv").open() as lines:
        after = list(csv.DictReader(lines))
    key = ("item_id", "condition", "position", "choice", "fooled", "rt_ms")
    assert sorted([row[k] for k in key] for row in before) == sorted(
        [row[k] for k in key] for row in after
    )
    by_rater = {frozenset((r["item_id"], r["position"]) for r in before if r["rater_id"] == who)
                for who in {r["rater_id"] for r in before}}  # fmt: skip
    assert by_rater == {
        frozenset((r["item_id"], r["position"]) for r in after if r["rater_id"] == who)
        for who in ("p001", "p002", "p003", "p004")
    }


@pytest.mark.slow
def test_pseudonyms_are_drawn_anew(export: Path, tmp_path: Path) -> None:
    orders = set()
    for number in range(4):
        release(export, "-o", tmp_path / f"out-{number}")
        with (tmp_path / f"out-{number}/data/study-small_data.csv").open() as lines:
            rows = [row for row in csv.DictReader(lines) if row["position"] == "0"]
        orders.add(tuple(row["item_id"] + row["choice"] for row in rows))
    assert len(orders) > 1  # all six alike: once in 24^3


def test_images_go_only_under_a_licence_and_only_those_that_were_seen(
    export: Path, tmp_path: Path, images: Path
) -> None:
    out = tmp_path / "out"
    given = ["-o", out, "--images", f"blurred={images / 'blurred'}"]
    assert "needs --images-license blurred=LICENCE" in release(export, *given)[1]
    given += ["--images-license", "blurred=All-rights-reserved"]
    assert "expected one of CC0-1.0" in release(export, *given)[1]
    wrong = ["--images", f"blurred={images / 'noisy'}", "--images-license", "blurred=CC0-1.0"]
    assert "not the images that raters saw" in release(export, "-o", out, *wrong)[1]
    assert not out.exists()
    given[-1] = "blurred=CC-BY-4.0"
    given += ["--images", f"reference={images / 'real'}", "--images-license", "reference=CC0-1.0"]
    assert release(export, *given)[0] == 0
    shown = (out / "images/blurred/item-3.png").read_bytes()
    assert shown == (images / "blurred/item-3.png").read_bytes()
    assert sorted(p.name for p in (out / "images").iterdir()) == ["blurred", "reference"]
    assert "`images/blurred/`: CC-BY-4.0" in (out / "README.md").read_text()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--license", "Proprietary"], "--license 'Proprietary': expected one of CC0-1.0"),
        (["--images", "nobody=x"], "--images nobody: expected one of blurred, noisy, reference"),
    ],
)
def test_what_cannot_be_released_is_one_line(
    export: Path, tmp_path: Path, arguments: list[str], words: str
) -> None:
    code, text = release(export, "-o", tmp_path / "out", *arguments)
    assert code == 1
    assert words in text
    assert not (tmp_path / "out").exists()
    assert release(export, "-o", export)[0] == 1  # never over something


def test_a_changed_export_is_not_released(export: Path, tmp_path: Path) -> None:
    text = (export / "judgments.csv").read_text()
    (export / "judgments.csv").write_text(text.replace("left", "right", 1))
    code, text = release(export, "-o", tmp_path / "out")
    assert code == 1
    assert "expected an unchanged export" in text


def test_the_checksums_are_those_of_the_files(export: Path, tmp_path: Path) -> None:
    release(export, "-o", tmp_path / "out")
    done = subprocess.run(
        ["sha256sum", "--strict", "-c", "CHECKSUMS.sha256"], cwd=tmp_path / "out",
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    listed = done.stdout.count(": OK")
    files = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert listed == len(files) - 1


LOAD = """
import datasets, sys
found = datasets.load_dataset(sys.argv[1], split="train")
print(found.num_rows, found.features["rt_ms"].dtype, found.features["fooled"].dtype,
      sorted(set(found["condition"])))
"""
CROISSANT = """
import mlcroissant, sys
found = mlcroissant.Dataset(jsonld=sys.argv[1])
assert not found.metadata.ctx.issues.errors, found.metadata.ctx.issues.report()
rows = list(found.records("judgments"))
print(len(rows), sorted({row["judgments/condition"].decode() for row in rows}))
"""


def in_a_process(code: str, argument: Path, home: Path) -> str:
    """Return what a program prints that has no network and a home of its own."""
    offline = {"HF_HUB_OFFLINE": "1", "HF_HOME": str(home), "HOME": str(home)}
    done = subprocess.run(
        [sys.executable, "-c", code, str(argument)], env=os.environ | offline,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.strip().splitlines()[-1]


@pytest.mark.slow
def test_datasets_loads_the_folder(export: Path, tmp_path: Path, images: Path) -> None:
    pytest.importorskip("pyarrow")
    release(
        export, "-o", tmp_path / "out", "--images", f"blurred={images / 'blurred'}",
        "--images-license", "blurred=CC0-1.0",
    )  # fmt: skip
    shown = in_a_process(LOAD, tmp_path / "out", tmp_path / "home")
    assert shown == "28 float64 int64 ['blurred', 'catch', 'noisy']"


@pytest.mark.slow
def test_croissant_is_valid_and_reads_the_same_rows(export: Path, tmp_path: Path) -> None:
    release(export, "-o", tmp_path / "out", "--url", "https://data.example.org/small")
    shown = in_a_process(CROISSANT, tmp_path / "out/croissant.json", tmp_path / "home")
    assert shown == "28 ['blurred', 'catch', 'noisy']"


def test_psych_ds_names_every_column(export: Path, tmp_path: Path) -> None:
    release(export, "-o", tmp_path / "out")
    described = json.loads((tmp_path / "out/dataset_description.json").read_text())
    with (tmp_path / "out/data/study-small_data.csv").open() as lines:
        columns = csv.DictReader(lines).fieldnames
    assert [each["name"] for each in described["variableMeasured"]] == columns
