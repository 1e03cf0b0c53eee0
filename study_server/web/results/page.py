"""The results page and its JSON: public, read-only, and kept by browsers and caches."""

from __future__ import annotations

import math
from typing import Any

from babel.numbers import format_percent
from flask import (
    Blueprint,
    Flask,
    Response,
    abort,
    current_app,
    jsonify,
    make_response,
    render_template,
    request,
)

from study_server.config import StudyFile
from study_server.web.admin.dashboard.judged import Judged
from study_server.web.context import this_site
from study_server.web.rater.entrance import latest
from study_server.web.rater.i18n import current_language, direction, for_everybody, offer
from study_server.web.rater.messages import about, message, question
from study_server.web.results.numbers import FRESH_S, Kept, Line, Numbers, public_numbers
from study_server.web.throttle import limiter

LEVEL = 0.95  # of the confidence sequence

results = Blueprint("results", __name__, url_prefix="/results")


def register(app: Flask) -> None:
    """Mount the page on an application whose other parts are in place."""
    app.extensions["foolrate results"] = Kept()
    app.register_blueprint(results)


def _look_limit() -> str:
    return str(current_app.config["FOOLRATE_LOOK_LIMIT"])


@results.get("/<slug>/")
@limiter.limit(_look_limit)
def page(slug: str) -> Response:
    """Show a study's results, in the language that the address or the browser asks for."""
    study, file = _published(slug)
    for_everybody()
    offer(file.study.languages)
    numbers = _numbers(study.id, file) if _shown(study.state, file) else None
    text = render_template(
        "rater/results.html",
        study=about(file, numbers is not None and numbers.simulated),
        step=None,
        batch=file.results.batch,
        running=study.state != "closed",
        tables=[] if numbers is None else _tables(numbers, file),
        waiting=numbers is None,
        half=_percent(0.5),
        level=_percent(LEVEL),
        halves=any({"tie", "bad"} & set(each.answers) for each in file.questions[:1]),
    )
    return _cacheable(make_response(text))


@results.get("/<slug>/results.json")
@limiter.limit(_look_limit)
def as_json(slug: str) -> Response:
    """Return the numbers of the page."""
    study, file = _published(slug)
    if not _shown(study.state, file):
        abort(message("not-found"))
    numbers, language = _numbers(study.id, file), file.study.languages[0]
    lines = [
        {
            "task": task,
            "condition": file.results.name(line.condition, language),
            "raters": line.raters,
            "low": line.low,
            "high": line.high,
        }
        for task, each in numbers.tasks.items()
        for line in each
    ]
    content: dict[str, Any] = {
        "study": slug,
        "version": file.study.version,
        "state": study.state,
        "trial": file.design.trial,
        "simulated": numbers.simulated,
        "interval": f"{LEVEL:.0%} confidence sequence on finished raters' means",
        "batch": file.results.batch,
        "results": lines,
    }
    return _cacheable(jsonify(content))


def _published(slug: str) -> tuple[Any, StudyFile]:
    """Return a study that has a results page; for any other, end the request with 404."""
    study = latest(slug)
    file = this_site().book.file(study.id)
    if file.results.public == "never" or this_site().live_interval is None:
        abort(message("not-found"))
    return study, file


def _shown(state: str, file: StudyFile) -> bool:
    return file.results.public == "live" or state == "closed"


def _numbers(study_id: int, file: StudyFile) -> Numbers:
    site = this_site()
    interval = site.live_interval
    assert interval is not None
    judged = current_app.extensions["foolrate judged"].setdefault(study_id, Judged(study_id))

    def make() -> Numbers:
        with judged.lock, site.database.reading() as db_session:
            return public_numbers(db_session.connection(), judged, file, interval)

    kept: Kept = current_app.extensions["foolrate results"]
    return kept.numbers(study_id, make)


def _tables(numbers: Numbers, file: StudyFile) -> list[dict[str, Any]]:
    """Return a table for each task: what was asked, and a row for each condition."""
    preference = file.design.trial == "preference"
    return [
        {
            "task": "preference" if preference else task,
            "question": question(file, task),
            "rows": [_row(line, file) for line in lines],
        }
        for task, lines in numbers.tasks.items()
    ]


def _row(line: Line, file: StudyFile) -> dict[str, Any]:
    language = current_language()
    name = file.results.name(line.condition, language)
    row: dict[str, Any] = {"name": name, "raters": line.raters, "low": None}
    if line.low is None or line.high is None:
        return row
    # Rounded outwards, as the bounds themselves are.
    low = math.floor(round(100 * line.low, 6)) / 100
    high = math.ceil(round(100 * line.high, 6)) / 100
    return row | {
        "low": 100 * line.low,
        "width": 100 * (line.high - line.low),
        "from": _percent(low),
        "to": _percent(high),
    }


def _percent(share: float) -> str:
    """Return a share in the language of this request; left to right within a text that is not."""
    language = current_language()
    text = format_percent(share, locale=language)
    return f"\u2066{text}\u2069" if direction(language) == "rtl" else text


def _cacheable(response: Response) -> Response:
    """Return a response that a browser and a shared cache keep for a while."""
    response.cache_control.public = True
    response.cache_control.max_age = FRESH_S
    response.vary.add("Accept-Language")
    response.add_etag()
    response.make_conditional(request)
    return response
