"""The results page and its JSON: public, read-only, and kept by browsers and caches."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

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
from study_server.trial_kinds import REAL
from study_server.web.admin.dashboard.judged import judged_of
from study_server.web.context import LiveInterval, this_site
from study_server.web.rater.entrance import latest
from study_server.web.rater.i18n import current_language, direction, for_everybody, offer
from study_server.web.rater.messages import about, asked, message, question
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
    found = _published(slug)
    file = found.file
    for_everybody()
    offer(file.study.languages)
    numbers = _numbers(found) if found.shown else None
    text = render_template(
        "rater/results.html",
        study=about(file, numbers is not None and numbers.simulated),
        step=None,
        batch=file.results.batch,
        running=found.state != "closed",
        tables=[] if numbers is None else _tables(numbers, file),
        waiting=numbers is None,
        half=_percent(0.5),
        level=_percent(LEVEL),
        halves=any({"tie", "bad"} & set(each.answers) for each in file.questions),
    )
    return _cacheable(make_response(text))


@results.get("/<slug>/results.json")
@limiter.limit(_look_limit)
def as_json(slug: str) -> Response:
    """Return the numbers of the page."""
    found = _published(slug)
    if not found.shown:
        abort(message("not-found"))
    file, numbers = found.file, _numbers(found)
    language = file.study.languages[0]
    lines = [
        {
            "task": table.task if file.design.trial == "real-or-model" else None,
            "question": file.questions[table.place].id if file.questions else REAL,
            "condition": file.results.name(line.condition, language),
            "raters": line.raters,
            "low": line.low,
            "high": line.high,
        }
        for table in numbers.tables
        for line in table.lines
    ]
    content: dict[str, Any] = {
        "study": slug,
        "version": file.study.version,
        "state": found.state,
        "trial": file.design.trial,
        "simulated": numbers.simulated,
        "interval": f"{LEVEL:.0%} confidence sequence on finished raters' means",
        "batch": file.results.batch,
        "results": lines,
    }
    return _cacheable(jsonify(content))


class Published(NamedTuple):
    """A study that has a results page."""

    study_id: int
    state: str
    file: StudyFile
    interval: LiveInterval

    @property
    def shown(self) -> bool:
        """Return whether its numbers may be seen now."""
        return self.file.results.public == "live" or self.state == "closed"


def _published(slug: str) -> Published:
    """Return a study that has a results page; for any other, end the request with 404."""
    study = latest(slug)
    file, interval = this_site().book.file(study.id), this_site().live_interval
    if file.results.public == "never" or interval is None:
        abort(message("not-found"))
    return Published(study.id, study.state, file, interval)


def _numbers(found: Published) -> Numbers:
    site, study_id = this_site(), found.study_id
    judged = current_app.extensions["foolrate judged"].setdefault(
        study_id, judged_of(study_id, found.file)
    )

    def make() -> Numbers:
        with judged.lock, site.database.reading() as db_session:
            return public_numbers(db_session.connection(), judged, found.file, found.interval)

    kept: Kept = current_app.extensions["foolrate results"]
    return kept.numbers(study_id, make)


def _tables(numbers: Numbers, file: StudyFile) -> list[dict[str, Any]]:
    """Return a table for each task and question: what was asked, and a row for each condition.

    A `further` one follows the question which image is real, and its share means something else.
    """
    preference, questions = file.design.trial == "preference", asked(file)
    return [
        {
            "task": "preference" if preference else table.task,
            "question": questions[table.place]["text"]
            if table.place
            else question(file, table.task),
            "further": table.place > 0 and not preference,
            "rows": [_row(line, file) for line in table.lines],
        }
        for table in numbers.tables
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
