"""What the pages of raters have in common: the study as they see it, and pages with one message."""

from __future__ import annotations

from typing import Any

from flask import Response, make_response, render_template

from study_server.config import StudyFile
from study_server.trial_kinds import Question, prompted
from study_server.web.rater.i18n import current_language, offer
from study_server.words import in_language

_MESSAGE_STATUS = {
    "not-found": 404,
    "closed": 410,
    "withdrawn": 410,
    "used": 410,
    "paused": 503,
    "busy": 503,
    "bad-form": 400,
    "missing-id": 400,
    "unfilled": 400,
    "begun": 403,
    "too-many": 429,
    "error": 500,
}


def message(
    kind: str,
    study: dict[str, Any] | None = None,
    *,
    withdraw_url: str | None = None,
    parameter: str | None = None,
) -> Response:
    """Return a page that says one thing, with the status that fits.

    `parameter` is the part of the link that is wrong, for the researcher who looks at it.
    """
    page = render_template(
        "rater/message.html",
        kind=kind,
        study=study,
        step=None,
        withdraw_url=withdraw_url,
        parameter=parameter,
    )
    return make_response(page, _MESSAGE_STATUS.get(kind, 200))


def about(file: StudyFile, simulated: bool = False) -> dict[str, Any]:
    """Return a study as the templates show it, in one of its languages."""
    offer(file.study.languages)
    language = current_language()
    consent = file.study.consent
    text = in_language(consent, language) if consent else None
    return {
        "title": in_language(file.study.title, language),
        "contact": file.study.contact,
        "simulated": simulated,
        "languages": file.study.languages,
        "trial": file.design.trial,
        "beside": "nothing" if file.images.beside == "prompt" else file.images.beside,
        "prompted": prompted(file.images),
        "view": file.images.view,
        "flicker": file.images.flicker,
        "asked": asked(file),
        "reason": reason_asked(file),
        "reason_share": file.reason.share,
        "consent_text": [part.strip() for part in text.split("\n\n")] if text else None,
    }


def asked(file: StudyFile, real_side: str | None = None) -> list[dict[str, Any]]:
    """Return the questions of a trial in the language of this request; none of a real photo's.

    `text` is None where the page has words of its own. `answers` are in the order of the page,
    which `real_side` gives those whether one image is real; `options` have the words of a scale's.
    """
    offer(file.study.languages)
    language = current_language()
    turned = -1 if real_side == "right" else 1
    return [
        {
            "id": each.id,
            "text": each.words(language),
            "answers": list(each.choices if each.options else each.answers[::turned]),
            **_options(each, language),
        }
        for each in file.questions
    ]


def _options(question: Question, language: str) -> dict[str, list[dict[str, str]]]:
    """Return what the options of a scale are called; nothing without a scale."""
    named = [
        {"value": option.value, "text": in_language(option.text, language)}
        for option in question.options
    ]
    return {"options": named} if named else {}


def reason_asked(file: StudyFile) -> dict[str, Any] | None:
    """Return how reasons are asked in the language of this request, None where none is.

    `text` is None where the page has words of its own.
    """
    setting = file.reason
    if setting.ask == "never":
        return None
    offer(file.study.languages)
    text = in_language(setting.wording, current_language()) if setting.wording else None
    return {"text": text, "required": setting.ask == "required", "most": setting.most}


def question(file: StudyFile, task: str) -> str | None:
    """Return the first question of a trial, None where the page has words of its own."""
    return asked(file)[0]["text"] if file.questions else file.study.asks(task, current_language())
