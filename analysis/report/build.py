"""Write a report: one folder with results.json and everything made from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from analysis.report.figures.plates import Plates, draw_plates, figure_files
from analysis.report.page.html import render
from analysis.report.page.pdf import write_pdf
from analysis.report.page.pictures import PLATE, THUMB, Picture, embed
from analysis.report.results.assemble import assemble
from analysis.report.results.inputs.album import (
    Album,
    image_digests,
    open_album,
    output_path,
    reference_path,
)
from analysis.report.results.inputs.scores import read_measured
from analysis.report.results.inputs.sources import Merged, merge, read_source
from analysis.report.results.schema import Results, to_json
from analysis.report.text.methods import methods_markdown
from analysis.report.text.published import published_rows
from analysis.report.text.tables import csv_tables, tex_tables
from analysis.report.text.terms import terms_of
from analysis.report.text.wording import image_words
from analysis.report.trackers import check_tracker, log_report
from generators.files import write_together

MOST_THUMBS = 1200  # pictures in the viewer; above it the page would weigh more than about 10 MB


def write_report(
    source: Path | Sequence[Path],
    out: Path,
    *,
    scores: Sequence[Path] = (),
    scores_by_name: bool = False,
    runs: Mapping[str, Path] | None = None,
    reference: Path | None = None,
    pdf: bool = False,
    real: str | None = None,
    preregistration: Path | None = None,
    log: str | None = None,
    reasons: bool = True,
    say: Callable[[str], object] = lambda _: None,
) -> Path:
    """Write the report of one study, or of several side by side, and return report.html's path.

    With ``scores_by_name`` each file of scores is of the condition that its run is named after.
    ``real`` names the condition of real photos where each trial showed one image;
    the report is checked against ``preregistration``, what `study preregister` wrote.
    ``log`` names the tracker that gets it too (`trackers.TRACKERS`), ``say`` is told where it is;
    raters' ``reasons`` are left out where they must not be passed on.

    Raises `AnalysisError`, before anything is written, for sources, scores or run folders that are
    missing, malformed or not of this study.
    """
    if log is not None:
        check_tracker(log)
    paths = [source] if isinstance(source, Path) else list(source)
    merged = merge([read_source(path) for path in paths])
    album = open_album(merged, runs or {}, reference)
    digests = image_digests(merged, album)
    measured = read_measured(scores, merged, digests, by_name=scores_by_name)
    published = published_rows()
    options: dict[str, Any] = {"preregistration": preregistration, "reasons": reasons}
    results = assemble(merged, album, measured, published, real, **options)
    plates = draw_plates(results)
    pictures = gallery_pictures(results, merged, album) | duel_pictures(results, merged, album)
    pictures |= written_pictures(results, merged, album)
    viewer = viewer_pictures(results, merged, album)
    files = {
        **_plain_files(results, plates),
        "report.html": render(results, plates, pictures, viewer).encode(),
    }
    if pdf:
        page = render(results, plates, pictures, {}, printing=True)
        files["report.pdf"] = write_pdf(page, results.title)
    write_together({out / name: data for name, data in files.items()})
    if log is not None:
        say(f"{log} has it: {log_report(log, results, out, pictures)}")
    return out / "report.html"


def _plain_files(results: Results, plates: Plates) -> dict[str, bytes]:
    """Return file name -> bytes of everything that needs no picture."""
    tables = csv_tables(results) | tex_tables(results)
    figures = figure_files(plates, results.simulated)
    return {
        "results.json": to_json(results),
        "methods.md": methods_markdown(results),
        **{f"tables/{name}": data for name, data in tables.items()},
        **{f"figures/{name}": data for name, data in figures.items()},
    }


def gallery_pictures(
    results: Results, merged: Merged, album: Album
) -> dict[tuple[str, str], tuple[Picture, Picture]]:
    """Return (model key, item) -> the output and the real photo, for every gallery entry."""
    found = {}
    for entry in results.gallery:
        condition = results.model(entry.key).condition
        output = output_path(merged, album, condition, entry.item_id)
        real = reference_path(merged, album, condition, entry.item_id)
        if output is not None and real is not None:
            found[entry.key, entry.item_id] = (embed(output, PLATE), embed(real, PLATE))
    return found


def duel_pictures(
    results: Results, merged: Merged, album: Album
) -> dict[tuple[str, str], tuple[Picture, Picture]]:
    """Return (a | b, item) -> both models' outputs, for every image that divides raters."""
    found = {}
    for ranking in results.rankings:
        for each in ranking.divided:
            paths = [output_path(merged, album, name, each.item_id) for name in (each.a, each.b)]
            first, second = (None if path is None else embed(path, PLATE) for path in paths)
            if first is not None and second is not None:
                found[f"{each.a} | {each.b}", each.item_id] = (first, second)
    return found


def written_pictures(
    results: Results, merged: Merged, album: Album
) -> dict[tuple[str, str], tuple[Picture, Picture]]:
    """Return (why: a | b, item) -> both images of every reason that is shown, small."""
    found = {}
    for each in (one for model in results.written for one in model.shown):
        mine = output_path(merged, album, each.condition, each.item_id)
        if each.against is None:
            other = reference_path(merged, album, each.condition, each.item_id)
        else:  # of single images, nothing: the image itself stands for both
            other = output_path(merged, album, each.against or each.condition, each.item_id)
        if mine is not None and other is not None:
            key = f"why: {each.condition} | {each.against}"
            found[key, each.item_id] = (embed(mine, THUMB), embed(other, THUMB))
    return found


def viewer_pictures(
    results: Results, merged: Merged, album: Album
) -> dict[str, list[dict[str, Any]]]:
    """Return item -> its real photo and each model's output, small, for the page's viewer.

    Empty where there are so many pictures that the page would become unwieldy.
    """
    if len(results.item_rates) > MOST_THUMBS:
        return {}
    shown: dict[str, list[dict[str, Any]]] = {}
    for rate in results.item_rates:
        model = results.model(rate.key)
        output = output_path(merged, album, model.condition, rate.item_id)
        real = reference_path(merged, album, model.condition, rate.item_id)
        if output is None or real is None:
            continue
        if rate.item_id not in shown:
            alt = f"Item {rate.item_id}, the real photo"
            shown[rate.item_id] = [_thumb(real, "real photo", alt)]
        words = f"{model.label}: {image_words(rate, terms_of(results).picked)}"
        alt = f"Item {rate.item_id}, output of {model.label}"
        shown[rate.item_id].append(_thumb(output, words, alt))
    return shown


def _thumb(path: Path, words: str, alt: str) -> dict[str, Any]:
    picture = embed(path, THUMB)
    scale = 2 if max(picture.width, picture.height) <= THUMB else 1
    return {
        "src": picture.src,
        "width": picture.width * scale,
        "height": picture.height * scale,
        "words": words,
        "alt": alt,
    }
