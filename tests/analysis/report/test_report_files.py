"""The report's folder: one self-contained page, deterministic, made only from results.json."""

from __future__ import annotations

import csv
import dataclasses
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pytest
from matplotlib.figure import Figure
from report_study import ITEMS, SMALL, rows, write_csv, write_export

from analysis.errors import AnalysisError
from analysis.report.build import write_report
from analysis.report.figures.plates import Plates, draw_plates
from analysis.report.figures.style import FONT, OTHER_FONTS, Drawing, save_svg, style
from analysis.report.page.html import render
from analysis.report.page.pictures import page_size
from analysis.report.results.schema import MetricTable, MetricValue, Results
from analysis.report.text.metric_view import metric_number
from analysis.report.text.tables import csv_tables, tex_tables
from analysis.report.text.wording import percent
from generators.manifest import open_run
from metrics.scores import Score, ScoredRun, ScoreFile, write_scores


def _page(results: Results, plates: Plates | None = None) -> str:
    return render(results, plates or draw_plates(results), {}, {})


def _words(page: str) -> str:
    """Return what the page says, without tags, styles and scripts."""
    page = re.sub(r"<(style|script)\b.*?</\1>", " ", page, flags=re.DOTALL)
    return re.sub(r"<[^>]*>", " ", page)


def _scores(path: Path, run: Path, name: str | None = None, **fields: object) -> Path:
    digest = str(fields.pop("digest", "")) or open_run(run).digest()
    score = Score.model_validate(
        {"name": "psnr", "value": 27.5, "direction": "higher", "unit": "dB", "n": 12, **fields}
    )
    source = ScoredRun(name=name or run.name, folder=str(run), digest=digest)
    write_scores(path, ScoreFile(created_at="2026-01-01T00:00:00Z", run=source, scores=(score,)))
    return path


@pytest.fixture(scope="module")
def folder(export: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A written report."""
    out = tmp_path_factory.mktemp("report")
    for name in SMALL:
        _scores(out / f"{name}.json", export.parent / "runs" / name)
    return _timeless_report(export, out / "report", out)


def _timeless_report(export: Path, out: Path, scored: Path) -> Path:
    """Write a report, made at a fixed time, with the scores in a folder; return its own folder."""
    scores = [scored / f"{name}.json" for name in SMALL]
    with pytest.MonkeyPatch.context() as patch:
        clock = "analysis.report.results.assemble.utc_now"
        patch.setattr(clock, lambda: "2026-01-01T00:00:00Z")
        return write_report(export, out, scores=scores).parent


def test_the_page_is_one_file_that_loads_nothing(folder: Path) -> None:
    page = (folder / "report.html").read_text()
    assert not re.findall(r'(?:src|href)="(?!data:|#)', page)
    assert "http:" not in re.sub(r"http://www\.w3\.org/\S+", "", page)
    assert "url(http" not in page
    ids = re.findall(r'\sid="([^"]+)"', page)
    assert len(ids) == len(set(ids))


def test_the_folder_holds_what_the_documentation_names(folder: Path) -> None:
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    for figure in ("forest", "pairs", "items", "scatter", "checks"):
        assert {f"figures/{figure}.svg", f"figures/{figure}.png"} <= names
    assert {"results.json", "report.html", "methods.md", "tables/models.csv"} <= names
    assert {"tables/rates.tex", "tables/differences.tex", "tables/metrics.tex"} <= names


def test_simulated_judgments_are_marked_in_every_file(folder: Path) -> None:
    for path in folder.rglob("*"):
        data = path.read_bytes() if path.is_file() else b"simulated"
        assert b"simulated" in data.lower(), path
    for path in (folder / "tables").glob("*.csv"):
        assert {row["simulated"] for row in csv.DictReader(path.read_text().splitlines())} == {"1"}
    page = (folder / "report.html").read_text()
    assert not re.findall(r"[^.?!] <b>Simulated", page)  # after a whole sentence


@pytest.mark.slow
def test_judgments_of_people_are_not_marked(results: Results) -> None:
    real = results.model_copy(update={"simulated": False, "title": "A study"})
    page = re.sub(r"<style>.*?</style>", "", _page(real), flags=re.DOTALL)
    assert "imulated" not in page.replace("Simulated raters recover", "")
    assert b"SIMULATED" not in tex_tables(real)["rates.tex"]


@pytest.mark.integration
def test_the_same_inputs_give_the_same_bytes_apart_from_the_time(
    export: Path, folder: Path, tmp_path: Path
) -> None:
    again = _timeless_report(export, tmp_path / "b", folder.parent)
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        assert path.read_bytes() == (again / path.relative_to(folder)).read_bytes(), path.name


@pytest.mark.slow
def test_every_number_on_the_page_comes_from_the_results(results: Results) -> None:
    """Change one field after another: the page must change with it, and show the new value."""
    model = results.models[0]
    values: dict[str, Any] = {
        "rate": 0.98765,
        "low": 0.87654,
        "high": 0.99123,
        "trials": 98_765,
        "raters": 8_765,
    }
    values |= {"items": 7_654, "n_eff": 54_321.0, "deff": 77.7, "p_chance": 0.123}
    values |= {"p_adjusted": 0.234, "p_equivalence": 0.345}
    shown = {"rate": "98.8", "low": "87.7", "high": "99.1", "trials": "98,765"}
    shown |= {"raters": "8,765", "items": "7,654", "n_eff": "54,321"}
    shown |= {"deff": "77.7"}
    shown |= {"p_chance": "0.123", "p_adjusted": "0.234", "p_equivalence": "0.345"}
    changed = dataclasses.replace(model, **values)
    page = _page(results.model_copy(update={"models": (changed, *results.models[1:])}))
    before = _page(results)
    for field, words in shown.items():
        assert words in _words(page), field
        assert words not in _words(before), field
    old = f'data-value="{model.rate}">{percent(model.rate)}</td>'
    assert old in before
    assert old not in page


@pytest.mark.slow
def test_numbers_of_the_other_sections_come_from_the_results(results: Results) -> None:
    pair = results.differences[0].model_copy(update={"difference": 0.4321, "shared_items": 4_321})
    rate = results.item_rates[0].model_copy(update={"shrunk": 0.6789, "judgments": 54_322})
    bin_ = results.diagnostics[0].bins[0].model_copy(update={"rate": 0.2468, "trials": 13_579})
    check = results.diagnostics[0].model_copy(update={"bins": (bin_,)})
    agreement = results.agreement[0].model_copy(update={"split_half": 0.3579})
    value = MetricValue(key="sr3", name="psnr", value=12.34567, direction="higher")
    fields = {
        "differences": (pair,),
        "item_rates": (rate, *results.item_rates[1:]),
        "diagnostics": (check,),
        "agreement": (agreement,),
        "metrics": MetricTable(values=(value,)),
        "rows": 1,
        "main_trials": 24_680,
        "seed": 97_531,
    }
    page = _page(results.model_copy(update=fields))
    expected = ("+43.2", "4,321", "67.9", "54322", "24.7", "13579", "0.36", "97531")
    for words in (*expected, metric_number(12.34567), "24,680"):
        assert words in _words(page), words


@pytest.mark.slow
def test_hovering_points_have_words_and_items(results: Results, plates: Plates) -> None:
    page = _page(results, plates)
    for item in ITEMS:
        assert f'data-item="{item}"' in page
    assert page.count('class="mark"') > len(ITEMS)


@pytest.mark.slow
def test_names_are_escaped(results: Results) -> None:
    nasty = '<script>alert("x")</script> & "co"'
    models = tuple(dataclasses.replace(model, label=nasty) for model in results.models)
    page = _page(results.model_copy(update={"title": nasty, "models": models}))
    assert "<script>alert" not in page


@pytest.mark.parametrize(
    ("size", "shown", "scale"),
    [((64, 64), (256, 256), 4), ((256, 256), (256, 256), 1), ((100, 50), (200, 100), 2),
     ((512, 512), (256, 256), -2), ((1024, 768), (256, 192), -4), ((300, 300), (150, 150), -2)],
)  # fmt: skip
def test_pictures_are_shown_at_whole_scales(
    size: tuple[int, int], shown: tuple[int, int], scale: int
) -> None:
    assert page_size(*size, 256) == (*shown, scale)


@pytest.mark.integration
@pytest.mark.usefixtures("drawn")
def test_a_missing_folder_of_the_study_is_one_plain_line(export: Path, tmp_path: Path) -> None:
    shutil.copytree(export, tmp_path / "elsewhere")
    page = write_report(tmp_path / "elsewhere", tmp_path / "report").read_text()
    assert "No pictures: ../runs/bicubic, condition bicubic, is not there" in page


@pytest.mark.integration
@pytest.mark.usefixtures("drawn")
def test_a_bare_csv_is_enough(tmp_path: Path) -> None:
    made = rows(ITEMS, rates=SMALL, raters=4, trials=6)
    bare = [{k: row[k] for k in ("rater_id", "item_id", "condition", "fooled")} for row in made]
    path = write_csv(tmp_path / "judgments.csv", bare)
    page = write_report(path, tmp_path / "report").read_text()
    options = "--run bicubic=FOLDER, --run sr3=FOLDER, --reference FOLDER."
    assert f"No pictures: give their folders by {options}" in page
    assert "no folder is known" not in page  # nobody said that there are any


@pytest.mark.integration
@pytest.mark.usefixtures("drawn")
def test_only_what_raters_judged_lacks_pictures(export: Path, tmp_path: Path) -> None:
    """A catch trial's condition is none of a study's; a model without a folder is."""
    runs = {name: export.parent / "runs" / name for name in ("bicubic", "real")}
    made = rows(ITEMS, rates=SMALL, raters=4, trials=6)
    made = [*made, *({**row, "condition": "check", "kind": "catch"} for row in made[:4])]
    path = write_csv(tmp_path / "judgments.csv", made)
    given = {"bicubic": runs["bicubic"]}
    out = write_report(path, tmp_path / "report", runs=given, reference=runs["real"])
    page = out.read_text()
    assert "no folder is known for condition sr3; --run sr3=FOLDER names it" in page
    assert "condition check" not in page


def test_scores_of_other_images_are_refused(export: Path, tmp_path: Path) -> None:
    run = export.parent / "runs" / "sr3"
    scores = _scores(tmp_path / "scores.json", run, digest="ab" * 32)
    with pytest.raises(AnalysisError, match=r"run sr3 has digest abababababab…, condition sr3 was"):
        write_report(export, tmp_path / "report", scores=[scores])
    assert not (tmp_path / "report").exists()


def test_scores_of_an_unknown_condition_are_refused(export: Path, tmp_path: Path) -> None:
    run = export.parent / "runs" / "sr3"
    scores = _scores(tmp_path / "scores.json", run, name="pulse", digest="ab" * 32)
    with pytest.raises(AnalysisError, match="'pulse', which was not judged; the conditions are bi"):
        write_report(export, tmp_path / "report", scores=[scores])


def test_an_export_without_judgments_says_that_nobody_has_answered(
    export: Path, tmp_path: Path
) -> None:
    empty = shutil.copytree(export, tmp_path / "empty")
    table = empty / "judgments.csv"
    table.write_text(table.read_text().splitlines()[0] + "\n")
    with pytest.raises(AnalysisError, match=r"no judgment of a main trial .* nobody has answered"):
        write_report(empty, tmp_path / "report")
    scores = _scores(tmp_path / "scores.json", export.parent / "runs" / "sr3", name="pulse")
    with pytest.raises(AnalysisError, match="which was not judged; nothing was judged yet"):
        write_report(empty, tmp_path / "report", scores=[scores])


@pytest.mark.integration
@pytest.mark.usefixtures("drawn")
def test_incomparable_scores_are_left_out_and_said_so(export: Path, tmp_path: Path) -> None:
    runs = export.parent / "runs"
    first = _scores(tmp_path / "a.json", runs / "sr3", resize="bicubic")
    second = _scores(tmp_path / "b.json", runs / "bicubic", resize="area")
    page = write_report(export, tmp_path / "report", scores=[first, second]).read_text()
    assert "not comparable, resize is" in page
    assert 'id="table-metrics"' not in page


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ({"scores": ["nothing.json"]}, "nothing.json: no such file"),
        ({"runs": {"sr3": "nowhere"}}, "nowhere: no such folder"),
        ({"runs": {"pulse": "nowhere"}}, "--run pulse: no such condition in the judgments"),
        ({"reference": "nowhere"}, "nowhere: no such folder"),
    ],
)
def test_a_missing_file_is_one_line(
    export: Path, tmp_path: Path, argument: dict[str, object], message: str
) -> None:
    keyed = argument.get("runs")
    given = {
        "scores": [tmp_path / str(name) for name in argument.get("scores", [])],  # type: ignore
        "runs": {key: tmp_path / str(name) for key, name in keyed.items()} if keyed else {},  # type: ignore
        "reference": tmp_path / str(argument["reference"]) if "reference" in argument else None,
    }
    with pytest.raises(AnalysisError, match=message) as raised:
        write_report(export, tmp_path / "report", **given)  # type: ignore[arg-type]
    assert "\n" not in str(raised.value)
    assert not (tmp_path / "report").exists()


def test_the_wrong_images_for_a_condition_are_refused(export: Path, tmp_path: Path) -> None:
    wrong = {"sr3": export.parent / "runs" / "bicubic"}
    with pytest.raises(AnalysisError, match="condition sr3 of made-up was judged with"):
        write_report(export, tmp_path / "report", runs=wrong)


def test_an_empty_folder_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(AnalysisError, match=r"holds no judgments\.csv"):
        write_report(tmp_path, tmp_path / "report")


@pytest.mark.slow
def test_csv_tables_keep_full_precision(results: Results) -> None:
    table = list(csv.DictReader(csv_tables(results)["models.csv"].decode().splitlines()))
    for row, model in zip(table, results.models, strict=True):
        assert float(row["rate"]) == model.rate
        assert float(row["pooled_low"]) == model.pooled.low


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no pdflatex on this machine")
def test_tex_tables_compile(folder: Path, tmp_path: Path) -> None:
    names = sorted(path.name for path in (folder / "tables").glob("*.tex"))
    body = "\n".join(f"\\input{{{folder}/tables/{name}}}" for name in names)
    document = f"\\documentclass{{article}}\\usepackage{{booktabs}}\\begin{{document}}{body}"
    (tmp_path / "all.tex").write_text(document + "\\end{document}\n")
    command = ["pdflatex", "-halt-on-error", "-interaction=nonstopmode", "all.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-1500:]
    assert "Missing character" not in done.stdout


@pytest.mark.integration
def test_a_pdf_has_pages_and_the_watermark(export: Path, tmp_path: Path) -> None:
    pytest.importorskip("weasyprint")
    data = write_report(export, tmp_path, pdf=True).with_name("report.pdf").read_bytes()
    assert data.startswith(b"%PDF-")
    if shutil.which("pdftotext"):
        command = ["pdftotext", str(tmp_path / "report.pdf"), "-"]
        text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        pages = text.rstrip("\f").split("\f")
        assert len(pages) > 2
        assert all("SIMULATED" in page for page in pages)


@pytest.mark.integration
@pytest.mark.usefixtures("drawn")
def test_the_report_of_an_export_without_study_file(export: Path, tmp_path: Path) -> None:
    shutil.copy(export / "judgments.csv", tmp_path / "judgments.csv")
    runs = export.parent / "runs"
    page = write_report(
        tmp_path, tmp_path / "report", runs={name: runs / name for name in SMALL},
        reference=runs / "real",
    ).read_text()  # fmt: skip
    assert "Most fooling" in page
    assert page.count("data:image/webp") > 8


@pytest.mark.integration
@pytest.mark.usefixtures("drawn")
def test_a_changed_run_folder_gives_no_pictures(export: Path, tmp_path: Path) -> None:
    made = rows(ITEMS, rates={"sr3": 0.0}, raters=4, trials=6)
    run = str(export.parent / "runs" / "sr3")
    conditions = {"sr3": {"run": run, "run_digest": "0" * 64}}
    folder = write_export(tmp_path / "export", made, conditions=conditions)
    page = write_report(folder, tmp_path / "report").read_text()
    assert "has changed since it was judged" in page


def test_names_in_any_script_are_text_in_an_svg() -> None:
    with style():
        first, *others = mpl.rcParams["font.family"]
        assert first == FONT  # and so names in Latin letters look the same everywhere
        assert set(others) <= set(OTHER_FONTS)
    figure = Figure(figsize=(2, 2))
    figure.text(0.5, 0.5, "模型", fontfamily=FONT)  # which has no such letters
    assert ">模型</text>" in save_svg(Drawing("one", "alt", figure), simulated=False)
