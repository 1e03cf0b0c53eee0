"""The preregistration and the data-protection sheet say what the study file says."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

import manage
from study_server.config import Rules, parse_study_file
from study_server.preregistration import content_of, read_preregistration
from study_server.publication.ethics_sheet import GAP, ethics_sheet
from study_server.publication.preregistration_text import RULES


@pytest.fixture
def study_toml(tmp_path: Path, study_text: str) -> Path:
    path = tmp_path / "study.toml"
    path.write_text(
        study_text.replace("raters = 3", "raters = 40") + "[use]\nmin_main_trials = 2\n"
    )
    return path


def command(*arguments: object) -> tuple[int, str]:
    done = CliRunner().invoke(manage.main, ["study", *map(str, arguments)])
    return done.exit_code, done.output


def test_the_preregistration_holds_the_whole_study_file_and_the_reason_of_its_size(
    study_toml: Path, tmp_path: Path
) -> None:
    code, _ = command(
        "preregister", study_toml, "-o", tmp_path / "out", "--hypothesis", "It is so."
    )
    assert code == 0
    text = (tmp_path / "out/preregistration.md").read_text()
    for words in (
        "1. It is so.",
        "40 raters for each condition and task, 4 main trials each",
        "80 raters x 4 trials of 6 images",  # in all; 9 items less 2 practice and 1 catch
        "chance to tell it from 50 %",
        "fewer than 2 main trials answered",
        "Holm's method: blurred, noisy",
    ):
        assert words in text
    found = read_preregistration(tmp_path / "out")
    assert found.content == content_of(parse_study_file(study_toml.read_text(), "x"))
    assert found.items == 6


def test_both_say_how_large_images_are_shown(study_toml: Path, tmp_path: Path) -> None:
    zoom = study_toml.read_text().replace("[conditions]", 'view = "zoom"\n[conditions]')
    crop = zoom.replace('"zoom"', '"crop"\nwindow = [12, 8]')
    for text, words, stored in (
        (zoom, "raters enlarge and move together.", True),
        (crop, "a window of 12x8 pixels", False),
        (study_toml.read_text(), "What raters see: whole images.", False),
    ):
        path = tmp_path / f"{len(text)}.toml"
        path.write_text(text)
        command("preregister", path, "-o", tmp_path / path.stem)
        assert words in (tmp_path / path.stem / "preregistration.md").read_text()
        command("ethics-sheet", path, "-o", tmp_path / f"{path.stem}.md")
        assert ("a rater enlarged" in (tmp_path / f"{path.stem}.md").read_text()) == stored


def test_a_preregistration_is_never_written_over(study_toml: Path, tmp_path: Path) -> None:
    command("preregister", study_toml, "-o", tmp_path / "out")
    before = (tmp_path / "out/preregistration.json").read_bytes()
    code, _ = command("preregister", study_toml, "-o", tmp_path / "out")
    assert code == 1
    assert (tmp_path / "out/preregistration.json").read_bytes() == before


def test_without_the_images_the_reason_is_left_as_a_gap(tmp_path: Path) -> None:
    shipped = Path(__file__).parents[3] / "studies" / "demo.toml"
    (tmp_path / "study.toml").write_text(shipped.read_text().replace('"demo/', '"nowhere/'))
    code, output = command("preregister", tmp_path / "study.toml", "-o", tmp_path / "out")
    assert code == 0
    assert "no reason for the sample size" in output
    assert "To be filled in" in (tmp_path / "out/preregistration.md").read_text()


def test_every_rule_has_its_words() -> None:
    assert set(RULES) == set(Rules.model_fields)


def test_the_sheet_says_what_the_file_says_and_leaves_the_rest_open(study_text: str) -> None:
    lines = (
        '[provider]\nkind = "prolific"\nkeep_ids_for_payment = true\n'
        '[recruit]\nreward = 2.50\ndescription = "Images."\n'
    )
    sheet = ethics_sheet(parse_study_file(study_text + lines, "x"))
    assert "6 raters, through Prolific" in sheet
    assert "Pay: 2.50 for each who finishes, 10.00 an hour." in sheet  # 15 minutes
    assert "The panel's id itself, encrypted" in sheet
    assert f"Legal basis: {GAP}" in sheet
    open_link = ethics_sheet(parse_study_file(study_text, "x"))
    assert "encrypted" not in open_link
    assert "keyed hash" not in open_link
