"""report.html: one self-contained file, rendered only from the results and the pictures."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from analysis.rates.fool_rates import EXACT
from analysis.report.figures.plates import Plates
from analysis.report.figures.scatter import panel_points
from analysis.report.figures.style import inline_svg
from analysis.report.page.pictures import Picture
from analysis.report.results.schema import Model, Results
from analysis.report.results.values import DividedItem, Written
from analysis.report.text import wording
from analysis.report.text.methods import methods_paragraphs
from analysis.report.text.metric_view import metric_title, metric_view, published_view
from analysis.report.text.rankings import heading, ranking_sentences, ranking_tables
from analysis.report.text.terms import terms_of
from analysis.report.text.verdicts import verdict_sentence
from analysis.report.text.word_tables import word_tables

TEMPLATES = Path(__file__).parent / "templates"
LISTS = (
    ("most", "Most fooling"),
    ("least", "Least fooling"),
    ("divisive", "Most divisive: closest to half and half"),
)
SECTIONS = (
    ("ranking", "Ranking", "rankings"),
    ("verdicts", "Verdicts", "models"),
    ("rates", "", "models"),  # under its own name
    ("further", "Further questions", "further"),
    ("ratings", "Ratings", "ratings"),
    ("pairs", "Differences", "differences"),
    ("raters", "Raters", "flow"),
    ("images", "Images", "item_rates"),
    ("reasons", "Reasons", "written"),
    ("metrics", "Metrics", "published"),
    ("agreement", "Metrics against people", "correlations"),
    ("checks", "", "diagnostics"),  # under the names of what was recorded
    ("preregistration", "Preregistration", "preregistration"),
    ("methods", "Methods", ""),
    ("provenance", "Provenance", ""),
)
# The functions of `wording` that the template calls.
WORDS = (
    "number",
    "percent",
    "points",
    "interval",
    "span",
    "point_interval",
    "p_value",
    "count",
    "plural",
)

Pictures = Mapping[
    tuple[str, str], tuple[Picture, Picture]
]  # (model key, item) -> output, real photo
Viewer = Mapping[str, list[dict[str, Any]]]


def render(
    results: Results, plates: Plates, pictures: Pictures, viewer: Viewer, *, printing: bool = False
) -> str:
    """Return the page. With `printing` it has no script, plain colours and a page watermark."""
    template = environment().get_template("report.html")
    return template.render(_context(results, plates, pictures, viewer, printing=printing))


@lru_cache(maxsize=2)
def environment(templates: Path = TEMPLATES) -> jinja2.Environment:
    """Return jinja's environment for a page whose templates lie in a folder."""
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(templates),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def content_digest(results: Results) -> str:
    """Return the sha256 of the results without their creation time: equal inputs, equal digest."""
    fields = results.model_dump(mode="json", exclude={"created_at"})
    text = json.dumps(fields, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _context(
    results: Results, plates: Plates, pictures: Pictures, viewer: Viewer, *, printing: bool
) -> dict[str, Any]:
    """Return what the template may use."""
    return {
        "r": results,
        "printing": printing,
        "css": Markup(_css(results, printing)),
        "js": Markup(_text("report.js")),
        "viewer": Markup(_script_json(viewer)),
        "sections": _sections(results),
        "checked": _checked(results),
        "tables": word_tables(results) | ranking_tables(results),
        "drawing": lambda name: _drawing(plates, name, printing=printing),
        "has_scatter": bool(panel_points(results)),
        "several_tasks": len({model.task for model in results.models}) > 1,
        "methods": methods_paragraphs(results),
        "content_digest": content_digest(results),
        "published": published_view(results),
        "metric_title": metric_title,
        **metric_view(results),
        **_words(results),
        **_seen(results, pictures, viewer),
    }


def _words(results: Results) -> dict[str, Any]:
    """Return the terms, and the functions that put a number or a finding into words."""
    return {
        **{name: getattr(wording, name) for name in WORDS},
        "t": terms_of(results),
        "capital": wording.sentence,
        "notes": wording.notes,
        "level": wording.level(results.alpha),
        "estimand_words": wording.ESTIMANDS[results.estimand],
        "interval_methods": interval_methods(results),
        "ranked": ranked(results),
        "heading": heading,
        "verdict": lambda model: verdict_sentence(results, model),
        "told": lambda ranking: ranking_sentences(results, ranking),
    }


def _seen(results: Results, pictures: Pictures, viewer: Viewer) -> dict[str, Any]:
    """Return the images that raters saw, and under which names."""
    labels = {model.key: model.label for model in results.models}
    return {
        "label": lambda key: labels.get(key, key),
        "duel": lambda each: _duel(pictures.get((f"{each.a} | {each.b}", each.item_id)), each),
        "why": lambda each: _why(
            pictures.get((f"why: {each.condition} | {each.against}", each.item_id)), each
        ),
        "gallery": {key: [g for g in results.gallery if g.key == key] for key in labels},
        "gallery_lists": LISTS,
        "plate": lambda key, item: _plate(pictures.get((key, item)), labels[key], item),
        "pictures_exist": bool(viewer),
        "pictured": set(viewer),
    }


def _sections(results: Results) -> list[tuple[str, str]]:
    named = {"rates": wording.sentence(terms_of(results).rates), "checks": _checked(results)}
    return [
        (anchor, words or named[anchor])
        for anchor, words, need in SECTIONS
        if not need or _has(results, need)
    ]


def _checked(results: Results) -> str:
    """Return what the rate was checked against, ``Order, response time, side``."""
    return wording.sentence(", ".join(check.title.lower() for check in results.diagnostics))


def ranked(results: Results) -> list[Model]:
    """Return the models by fool rate, the most fooling first."""
    return list(results.models)


def interval_methods(results: Results) -> str:
    """Return how the intervals were made, and of which models where another way was needed."""
    ways: dict[str, list[str]] = {}
    for model in results.models:
        if model.low is not None:
            ways.setdefault(model.method, []).append(model.label)
    usual = max(ways, key=lambda way: (way != EXACT, len(ways[way])), default="none")
    others = [f"{way} ({', '.join(who)})" for way, who in ways.items() if way != usual]
    return "; ".join([usual, *others])


def _has(results: Results, need: str) -> bool:
    beside = {
        "published": results.metrics.values,
        "item_rates": results.gallery_note,
        "ratings": results.rating_shares,
    }
    return bool(getattr(results, need) or beside.get(need))


def _css(results: Results, printing: bool) -> str:
    sheets = ["report.css"]
    if printing:
        sheets += ["print.css"] + (["simulated-page.css"] if results.simulated else [])
    return "\n".join(_text(name) for name in sheets)


@lru_cache
def _text(name: str) -> str:
    return (TEMPLATES / name).read_text(encoding="utf-8")


def _script_json(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False, sort_keys=True)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _drawing(plates: Plates, name: str, *, printing: bool) -> Markup:
    sizes = ("wide",) if printing else ("wide", "narrow")
    parts = [
        inline_svg(
            plates[name, size].svg, plates[name, size].drawing, themed=not printing, variant=size
        )
        for size in sizes
    ]
    return Markup("".join(parts))


def _plate(pair: tuple[Picture, Picture] | None, label: str, item: str) -> Markup:
    if pair is None:
        return Markup("")
    output, real = pair
    if output.src == real.src:  # of single images: the real photos are judged themselves
        shown = _image(output, label, f"Item {item}, {label}"), Markup()
    else:
        shown = (
            _image(output, label, f"Item {item}, output of {label}"),
            _image(real, "real photo", f"Item {item}, the real photo"),
        )
    return Markup('<div class="plate" style="--w:{w};--h:{h}">{a}{b}</div>').format(
        w=output.width,
        h=output.height,
        a=shown[0],
        b=shown[1],
    )


def _duel(pair: tuple[Picture, Picture] | None, each: DividedItem) -> Markup:
    if pair is None:
        return Markup("")
    sides = zip(pair, (each.a, each.b), strict=True)
    images = [_image(one, name, f"Item {each.item_id}, output of {name}") for one, name in sides]
    return Markup('<div class="plate" style="--w:{w};--h:{h}">{a}{b}</div>').format(
        w=pair[0].width, h=pair[0].height, a=images[0], b=images[1]
    )


def _why(pair: tuple[Picture, Picture] | None, each: Written) -> Markup:
    """Return the images as they stood, and which was picked."""
    if each.against == "":
        return _only(pair, each)
    names = [each.condition, each.against or "real photo"]
    marks = ["", ""] if each.picked is None else ["picked", ""] if each.picked else ["", "picked"]
    told = [f"{name}, {mark}" if mark else name for name, mark in zip(names, marks, strict=True)]
    order = (0, 1) if each.side == "left" else (1, 0)
    if pair is None:
        return Markup('<p class="note">{} · {}</p>').format(*(told[at] for at in order))
    images = [_image(pair[at], told[at], f"Item {each.item_id}, {names[at]}") for at in order]
    return Markup('<div class="plate" style="--w:{w};--h:{h}">{a}{b}</div>').format(
        w=pair[0].width, h=pair[0].height, a=images[0], b=images[1]
    )


def _only(pair: tuple[Picture, Picture] | None, each: Written) -> Markup:
    """Return the only image of the trial."""
    if pair is None:
        return Markup('<p class="note">{}</p>').format(each.condition)
    image = _image(pair[0], each.condition, f"Item {each.item_id}, {each.condition}")
    return Markup('<div class="plate" style="--w:{w};--h:{h}">{image}</div>').format(
        w=pair[0].width, h=pair[0].height, image=image
    )


def _image(picture: Picture, words: str, alt: str) -> Markup:
    return Markup(
        '<div><span>{words}</span><img src="{src}" width="{w}" height="{h}" alt="{alt}" '
        'decoding="async"></div>'
    ).format(words=words, src=picture.src, w=picture.width, h=picture.height, alt=alt)
