"""An export that somebody else made: names, paths and cells that want more than to be shown."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from report_study import ITEMS, rows, write_export, write_images

from analysis.report.build import write_report
from generators.foreign_text import inert, is_formula
from generators.manifest import open_run


@pytest.mark.slow
@pytest.mark.usefixtures("drawn")
def test_a_folder_named_without_a_digest_is_not_opened(tmp_path: Path) -> None:
    """Finding L5: 56 private pictures were embedded because study.json named their folder."""
    private = write_images(tmp_path / "Pictures", ITEMS, seed=4)
    reference = write_images(tmp_path / "real", ITEMS, seed=5)
    folder = write_export(
        tmp_path / "export",
        rows(ITEMS, rates={"sr3": 0.0}, raters=4, trials=8),
        conditions={"sr3": {"run": str(private)}},
        reference={"run": str(reference), "run_digest": open_run(reference).digest()},
    )
    page = write_report(folder, tmp_path / "report").read_text()
    assert "data:image/webp" not in page
    assert "--run sr3=FOLDER shows it" in page
    shown = write_report(folder, tmp_path / "again", runs={"sr3": private}).read_text()
    assert "data:image/webp" in shown


@pytest.mark.slow
@pytest.mark.usefixtures("drawn")
def test_a_named_folder_that_is_no_run_does_not_stop_the_report(tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "a.txt").write_text("private")
    folder = write_export(
        tmp_path / "export",
        rows(ITEMS, rates={"sr3": 0.0}, raters=4, trials=8),
        conditions={"sr3": {"run": str(tmp_path / "notes"), "run_digest": "0" * 64}},
    )
    assert "cannot be read" in write_report(folder, tmp_path / "report").read_text()


@pytest.mark.integration
@pytest.mark.parametrize(
    "names", [(r"a\input", r"\1", r"\g<0>", "%s"), ("<b>", "$x$", "=1+1", "a{b}")]
)
def test_any_name_of_a_condition_makes_a_report(tmp_path: Path, names: tuple[str, ...]) -> None:
    """Finding L4: a condition named a\\input ended in re.error."""
    rates = {name: -0.1 * place for place, name in enumerate(names)}
    folder = write_export(tmp_path / "export", rows(ITEMS, rates=rates, raters=4, trials=8))
    page = write_report(folder, tmp_path / "report").read_text()
    for name in names:
        assert name.replace("<", "&lt;").replace(">", "&gt;") in page


@pytest.mark.slow
@pytest.mark.usefixtures("drawn")
def test_no_cell_of_a_table_is_a_formula(tmp_path: Path) -> None:
    """Finding M2: an item named =cmd|... was one in item_rates.csv."""
    hostile = {
        item: f"{start}cmd|{item}" for item, start in zip(ITEMS, "=+-@\t=+-@=+-", strict=True)
    }
    made = rows(ITEMS, rates={"=HYPERLINK(1)": 0.0, "@SUM(1)": -1.0}, raters=4, trials=8)
    for row in made:
        row["item_id"] = hostile[str(row["item_id"])]
    write_report(write_export(tmp_path / "export", made), tmp_path / "report")
    tables = list((tmp_path / "report" / "tables").glob("*.csv"))
    assert {"item_rates.csv", "models.csv", "differences.csv"} <= {path.name for path in tables}
    for path in tables:
        with path.open(newline="") as stream:
            for line in csv.reader(stream):
                assert not [cell for cell in line if is_formula(cell)], path


def test_numbers_stay_numbers() -> None:
    assert [inert(each) for each in ("-2.5", -2.5, "+1e3", "a-b", None)] == [
        *("-2.5", -2.5, "+1e3", "a-b", None)
    ]
    assert inert("-2+3") == "'-2+3"
