"""What raters wrote, beside the images that it is about: by model, and by what they chose."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

from flask import abort, make_response, render_template, request
from flask.typing import ResponseReturnValue
from PIL import Image
from sqlalchemy import ColumnElement, Connection, and_, func, or_, select
from sqlalchemy.orm import aliased

from study_server.sessions.answering.questions import choices_of
from study_server.storage.asked_models import JudgmentReason
from study_server.storage.models import Condition, Item, Judgment, RaterSession, Stimulus, Trial
from study_server.studies.states import study_file
from study_server.web.admin import pages
from study_server.web.context import this_site

ON_A_PAGE = 12
THUMBNAIL = 320  # pixels: the longer side at most
_MANY = 1_000_000

_OTHER = aliased(Condition)
_COLUMNS: dict[str, Any] = {
    "words": JudgmentReason.words,
    "taken_ms": JudgmentReason.taken_ms,
    "rater": RaterSession.number,
    "simulated": RaterSession.simulated,
    "kind": Trial.kind,
    "model_side": Trial.model_side,
    "left_id": Trial.left_id,
    "right_id": Trial.right_id,
    "item": Item.name,
    "prompt": Item.prompt,
    "model": Condition.name,
    "other": _OTHER.name,
    "choice": Judgment.choice,
    "answers": Judgment.answers,
}


@dataclass(frozen=True)
class Shown:
    """One image of a trial: its number, what it is, whether the rater picked it."""

    stimulus: int
    name: str
    picked: bool


@dataclass(frozen=True)
class Wanted:
    """Which reasons are looked at: of which condition (None: all), of which choice, which page."""

    model: int | None
    picked: bool | None  # the model's image; None: whatever was chosen
    page: int

    @classmethod
    def of_request(cls) -> Wanted:
        """Return what the address asks for; what is no number asks for nothing."""
        given = request.args
        picked = {"1": True, "0": False}.get(given.get("picked", ""))
        model, page = given.get("model", type=int), given.get("page", 1, type=int)
        in_range = model if model is not None and 0 < model < _MANY else None
        return cls(in_range, picked, min(max(1, page), _MANY))

    def where(self) -> list[ColumnElement[bool]]:
        """Return the conditions of a query over trials and judgments."""
        mine, other = Trial.condition_id == self.model, Trial.other_id == self.model
        if self.picked is None:
            return [] if self.model is None else [or_(mine, other)]
        fooled = Judgment.fooled == int(self.picked)
        if self.model is None:
            return [fooled]
        return [or_(and_(mine, fooled), and_(other, Judgment.fooled == int(not self.picked)))]


def reasons(study_id: int) -> ResponseReturnValue:
    """Return the page with a study's reasons, those written last first."""
    study, wanted = pages.find(study_id), Wanted.of_request()
    with this_site().database.read() as connection:
        total, rows = _found(connection, study_id, wanted)
        judged = Condition.study_id == study_id, Condition.role == "judged"
        query = select(Condition.id, Condition.name).where(*judged).order_by(Condition.id)
        models = connection.execute(query).all()
    return render_template(
        "admin/reasons.html",
        study=study,
        single=study_file(study).design.trial == "single",
        wanted=wanted,
        models=models,
        entries=[(row, shown(row), said(row.answers)) for row in rows],
        total=total,
        last_page=max(1, -(-total // ON_A_PAGE)),
    )


def _found(connection: Connection, study_id: int, wanted: Wanted) -> tuple[int, list[Any]]:
    mine = (JudgmentReason.session_id == Judgment.session_id) & (
        JudgmentReason.position == Judgment.position
    )
    query = (
        select(*(column.label(name) for name, column in _COLUMNS.items()))
        .select_from(JudgmentReason)
        .join(Judgment, mine)
        .join(RaterSession, RaterSession.id == Judgment.session_id)
        .join(
            Trial,
            (Trial.block_id == RaterSession.block_id) & (Trial.position == Judgment.position),
        )
        .join(Item, Item.id == Trial.item_id)
        .join(Condition, Condition.id == Trial.condition_id)
        .outerjoin(_OTHER, _OTHER.id == Trial.other_id)
        .where(RaterSession.study_id == study_id, *wanted.where())
    )
    total = connection.execute(select(func.count()).select_from(query.subquery())).scalar_one()
    order = Judgment.answered_at.desc(), Judgment.session_id, Judgment.position.desc()
    start = ON_A_PAGE * (wanted.page - 1)
    return total, list(connection.execute(query.order_by(*order).limit(ON_A_PAGE).offset(start)))


def shown(row: Any) -> list[Shown]:
    """Return the images of a trial from left to right; of a single image, that one."""
    if row.left_id == row.right_id:
        return [Shown(row.left_id, row.model, False)]
    names = [row.model, row.other or "real photo"]
    left, right = names if row.model_side == "left" else reversed(names)
    return [
        Shown(row.left_id, left, row.choice == "left"),
        Shown(row.right_id, right, row.choice == "right"),
    ]


def said(answers: str | None) -> list[str]:
    """Return the answers to a trial's questions where there are several, or it was no side."""
    given = choices_of(answers)
    if len(given) == 1 and set(given.values()) <= {"left", "right"}:
        return []
    return [f"{name}: {choice}" for name, choice in given.items()]


def thumbnail(study_id: int, stimulus: int) -> ResponseReturnValue:
    """Return a study's image as small as the page of reasons shows it."""
    if stimulus >= _MANY**2:
        abort(404)
    query = (
        select(Stimulus.png, Item.width, Item.height)
        .join(Item, Item.id == Stimulus.item_id)
        .where(Stimulus.id == stimulus, Item.study_id == study_id)
    )
    with this_site().database.read() as connection:
        row = connection.execute(query).first()
    if row is None:
        abort(404)
    response = make_response(_reduced(row.png, row.width, row.height))
    response.content_type = "image/png"
    return response


def _reduced(png: bytes, width: int, height: int) -> bytes:
    """Return the image without the reductions that a zoom study keeps below it, made small."""
    with Image.open(io.BytesIO(png)) as whole:
        image = whole.crop((0, 0, width, height))
    image.thumbnail((THUMBNAIL, THUMBNAIL), Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()
