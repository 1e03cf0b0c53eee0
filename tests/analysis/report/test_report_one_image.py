"""The report of a study that showed one image a trial: never described as a choice between two."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from report_study import ITEMS, rows, write_csv, write_export

import manage
from analysis.errors import AnalysisError
from analysis.report.build import write_report
from analysis.report.page.html import _plate
from analysis.report.page.pictures import Picture
from analysis.report.results.schema import Results, read_results

MEANS = {"FFHQ": 0.6, "StyleGAN": 0.5, "PGGAN": -1.2}
TWO_IMAGES = (
    *("2AFC", "two-alternative", "beside a model", "over the real", "fool rate", "Fool rate"),
    *("picked", "the photo itself", "50 % line", "around 50", "Answers “left”"),
)


def single(raters: int = 14) -> list[dict[str, object]]:
    """Return every rater's "real" or not of every image of three conditions."""
    made = rows(ITEMS, rates=MEANS, raters=raters, trials=12, task="", simulated=False)
    for row in made:
        row["item_id"] = f"{row['condition']}-{row['item_id']}"
        row["rater_id"] = str(row["rater_id"]).split("-")[1]
        row |= {"model_side": "", "choice": ""}
    return made


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A written report."""
    root = tmp_path_factory.mktemp("single")
    source = write_csv(root / "judgments.csv", single())
    return write_report(source, root / "report", real="FFHQ").parent


@pytest.fixture(scope="module")
def found(folder: Path) -> Results:
    return read_results(folder / "results.json")


@pytest.mark.slow
def test_the_numbers_are_those_of_the_commands(found: Results, folder: Path, tmp_path) -> None:
    out = tmp_path / "compare.json"
    source = str(folder.parent / "judgments.csv")
    assert manage.run(["analysis", "compare", source, "--real", "FFHQ", "--json", str(out)]) == 0
    payload = json.loads(out.read_text())
    for each in payload["against_real"]:
        model = found.model(each["condition"])
        assert (model.verdict, model.p_adjusted) == (each["verdict"], each["p_adjusted"])
        assert model.d_prime.model_dump() == each["d_prime"]
        assert model.human_error.model_dump() == each["human_error"]
        assert model.above_real.model_dump() == each["difference"]
    assert [(d.a, d.b) for d in found.differences] == [("StyleGAN", "PGGAN")]
    assert found.model("FFHQ").is_reference
    assert found.model("FFHQ").label == "FFHQ (real photos)"
    assert {model.condition for model in found.judged} == {"StyleGAN", "PGGAN"}


@pytest.mark.slow
def test_no_word_of_the_report_speaks_of_two_images(folder: Path) -> None:
    page = (folder / "report.html").read_text()
    texts = {"report.html": re.sub(r"<(style|script)\b.*?</\1>", " ", page, flags=re.DOTALL)}
    for path in [
        folder / "methods.md",
        *folder.glob("tables/*.tex"),
        *folder.glob("figures/*.svg"),
    ]:
        texts[path.name] = path.read_text()
    for name, text in texts.items():
        assert [words for words in TWO_IMAGES if words in text] == [], name


@pytest.mark.slow
def test_the_methods_say_what_was_asked(folder: Path) -> None:
    methods = (folder / "methods.md").read_text()
    assert "each trial shows one image, and the rater says whether it is real" in methods
    assert "2 models and of real photos (FFHQ)" in methods
    assert "different from that of the real photos only where the adjusted p" in methods


@pytest.mark.slow
def test_verdicts_are_about_the_real_photos(folder: Path) -> None:
    page = (folder / "report.html").read_text()
    assert "People called PGGAN real less often than real photos: in " in page
    assert "Called real less often than real photos" in page
    assert "People called these real in " in page
    assert "\\label{tab:errors}" in (folder / "tables" / "errors.tex").read_text()


@pytest.mark.slow
def test_shares_called_real_stand_beside_no_published_fool_rate(folder: Path) -> None:
    assert "measured here" not in (folder / "report.html").read_text()
    published = read_results(folder / "results.json").published
    assert published  # FID and the like
    assert [row.quantity for row in published if "fool rate" in row.quantity] == []


@pytest.mark.slow
@pytest.mark.usefixtures("drawn")
def test_the_declared_real_condition_is_taken_and_two_studies_are_not(tmp_path: Path) -> None:
    for name in ("one", "two"):
        made = [{**row, "study_id": name} for row in single(6 if name == "one" else 7)]
        write_export(tmp_path / name, made, study_id=name, real_condition="FFHQ")
    page = write_report(tmp_path / "one", tmp_path / "report").read_text()
    assert "Real-or-fake report" in page
    with pytest.raises(AnalysisError, match="reported one study at a time"):
        write_report([tmp_path / "one", tmp_path / "two"], tmp_path / "both")


@pytest.mark.slow
@pytest.mark.usefixtures("drawn")
def test_real_photos_that_were_not_named_are_asked_about(tmp_path: Path) -> None:
    page = write_report(write_csv(tmp_path / "judgments.csv", single(5)), tmp_path / "report")
    verdicts = page.read_text().partition('id="rates"')[0]
    assert "name it with --real FFHQ" in verdicts


def test_a_wrong_real_condition_is_one_line(capsys, tmp_path: Path) -> None:
    source = str(write_csv(tmp_path / "judgments.csv", single(4)))
    assert manage.run(["report", source, "--real", "COCO", "-o", str(tmp_path / "out")]) == 1
    said = capsys.readouterr().err
    assert said == ("error: no condition 'COCO' of real photos, found FFHQ, PGGAN, StyleGAN\n")
    assert not (tmp_path / "out").exists()


def test_a_real_photo_stands_alone_in_the_gallery() -> None:
    photo, fake = Picture("data:a", 8, 8), Picture("data:b", 8, 8)
    assert str(_plate((photo, photo), "FFHQ", "i1")).count("<img") == 1
    assert str(_plate((fake, photo), "StyleGAN", "i1")).count("<img") == 2
