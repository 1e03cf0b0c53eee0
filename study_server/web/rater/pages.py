"""The pages of a rater who is in: device check, instructions, trials, comment, debrief."""

from __future__ import annotations

import json

from flask import Response, jsonify, request, url_for
from flask import session as cookie
from sqlalchemy import select
from werkzeug.wrappers import Response as AnyResponse

from study_server.sessions.entering import leases
from study_server.sessions.entering.payment_ids import payment_id
from study_server.sessions.entering.providers import panel_of, return_link
from study_server.sessions.entering.withdrawal import withdraw_session
from study_server.storage.models import OutcomeCode
from study_server.web.context import this_site
from study_server.web.rater.asking import failed_check, owed
from study_server.web.rater.device import FIELDS, Device, Panels, Room, chequers, fits
from study_server.web.rater.messages import about, message, question
from study_server.web.rater.visit import Visit, anywhere, at, end_session, move, pages

__all__ = ["pages"]

MAX_COMMENT = 2000


@pages.get("/r/<token>/")
@anywhere
def resume(visit: Visit) -> AnyResponse:
    """Lead to the step where this rater is."""
    return visit.go(visit.rater.stage)


@pages.get("/r/<token>/device")
@at("device")
def device(visit: Visit) -> AnyResponse:
    """Show the check that the images can be shown here."""
    if owed(visit, "before"):
        return visit.go("before")
    task = visit.block.task
    return visit.page(
        "device",
        fields=FIELDS,
        task=task,
        question=question(visit.file, task),
        real_side=visit.block.real_side,
        prompt=visit.block.longest_prompt,
        test_image=url_for("rater.test_image"),
    )


@pages.post("/r/<token>/device")
@at("device")
def check_device(visit: Visit) -> AnyResponse:
    """Store what the check measured; who cannot see the images is screened out."""
    if owed(visit, "before"):
        return visit.go("before")
    measured, room = Device.from_form(request.form), Room.from_form(request.form)
    if measured is None or room is None:
        return visit.message("bad-form")
    text = json.dumps(measured.stored(), sort_keys=True)
    if not (measured.decode_ok and fits(room, _panels(visit))):
        end_session(visit.rater, "screened_out", device=text)
        return visit.go("end")
    move(visit.rater, "instructions", device=text)
    return visit.go("instructions")


@pages.get("/r/<token>/device/fits")
@at("device")
def device_fits(visit: Visit) -> AnyResponse:
    """Say whether the images would fit into the room that the page measured."""
    room = Room.from_form(request.args)
    if room is None:
        return visit.message("bad-form")
    return jsonify(fits=fits(room, _panels(visit)))


def _panels(visit: Visit) -> Panels:
    block, images = visit.block, visit.file.images
    count = 3 if any(trial.input_id for trial in block.trials) else 2
    count = 1 if block.real_side else count
    if images.window is not None:
        return Panels(count, *images.window)
    widest = max(each.width for each in block.trials)
    tallest = max(each.height for each in block.trials)
    return Panels(count, widest, tallest, zoom=images.view == "zoom")


@pages.get("/r/<token>/instructions")
@at("instructions")
def instructions(visit: Visit) -> AnyResponse:
    """Say what to do."""
    block, file = visit.block, visit.file
    return visit.page(
        "instructions",
        task=block.task,
        question=question(file, block.task),
        real_side=block.real_side,
        prompt=block.longest_prompt,
        exposure_ms=file.design.exposure_ms,
        answer_while_shown=file.design.answer_while_shown,
        practice_count=block.practice,
        trial_count=len(block.trials) - block.practice,
        example=None,
    )


@pages.post("/r/<token>/instructions")
@at("instructions")
def begin(visit: Visit) -> AnyResponse:
    """Lead a rater who has read them to the trials, or to the questions about them."""
    if visit.file.check.questions:
        return visit.go("check")
    move(visit.rater, "run")
    return visit.go("run")


@pages.get("/r/<token>/run")
@at("run")
def run(visit: Visit) -> AnyResponse:
    """Show the trial page; its script asks for the rest."""
    block = visit.block
    return visit.page(
        "trial",
        api=f"/r/{visit.token}",
        task=block.task,
        question=question(visit.file, block.task),
        real_side=block.real_side,
        prompt=block.longest_prompt,
        exposure_ms=visit.file.design.exposure_ms,
        practice_count=block.practice,
    )


@pages.get("/r/<token>/comment")
@at("comment")
def comment(visit: Visit) -> AnyResponse:
    """Ask for a comment."""
    if owed(visit, "after"):
        return visit.go("after")
    return visit.page("comment")


@pages.post("/r/<token>/comment")
@at("comment")
def keep_comment(visit: Visit) -> AnyResponse:
    """Store the comment; none is fine."""
    text = request.form.get("comment", "").strip()[:MAX_COMMENT]
    move(visit.rater, "end", comment=text.replace("\0", "") or None)
    return visit.go("end")


@pages.get("/r/<token>/end")
@at("end")
def end(visit: Visit) -> AnyResponse:
    """Show the outcome and its code; the page never changes."""
    rater = visit.rater
    query = select(OutcomeCode.code).where(
        OutcomeCode.study_id == rater.study_id, OutcomeCode.outcome == rater.outcome
    )
    with this_site().database.read() as connection:
        code = connection.execute(query).scalar_one()
    panel = panel_of(visit.file.provider)
    return visit.page(
        "debrief",
        outcome=rater.outcome,
        code=code,
        return_url=return_link(panel, code, _kept_id(visit, panel.return_url)),
        provider=panel.name,
        failed_check=failed_check(visit),
    )


def _kept_id(visit: Visit, return_url: str | None) -> str | None:
    """Return the panel's own id of a rater, for a link back that holds it."""
    if "{id}" not in (return_url or ""):
        return None
    return payment_id(this_site().database, this_site().settings.secret, visit.rater.id)


@pages.post("/r/<token>/end")
@at("end")
def look_again(visit: Visit) -> AnyResponse:
    """Let a rater in who was told that the study is full, if there is a place now."""
    if visit.state == "open":
        first_ms = int(visit.file.lease.first_minutes * 60_000)
        leases.seat_again(this_site().database, visit.rater.id, first_ms)
    return visit.go()


@pages.get("/r/<token>/withdraw")
@anywhere
def withdraw(visit: Visit) -> AnyResponse:
    """Ask whether this rater's data are to be deleted."""
    return visit.page("withdraw")


@pages.post("/r/<token>/withdraw")
@anywhere
def delete_data(visit: Visit) -> AnyResponse:
    """Delete this rater's data on request."""
    if request.form.get("confirm") != "yes":
        return visit.go()
    with this_site().database.session() as db_session:
        withdraw_session(db_session, visit.rater.id, actor="the rater")
    cookie.pop(f"study:{visit.slug}", None)
    return message("withdrawn", about(visit.file))


@pages.get("/test.png")
def test_image() -> Response:
    """Return a small image that is not a stimulus, for the device check."""
    return Response(chequers(), content_type="image/png")
