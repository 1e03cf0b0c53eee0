"""What a study's trials showed and asked, out of its study.json."""

from __future__ import annotations

from analysis.report.results.schema import Shown
from study_server.study_record import StudyRecord
from study_server.trial_kinds import REAL, built_in_words, question_in_words, view_in_words


def shown_of(study: StudyRecord) -> Shown | None:
    """Return what raters saw and were asked, None where study.json names no kind of trial."""
    if study.trial is None:
        return None
    view = study.view
    beside, prompt = view.get("beside"), bool(view.get("prompt"))
    words = {"en": built_in_words(study.trial, beside, prompted=prompt)}
    further = [each for each in study.questions if study.trial != "real-or-model"
               or each.get("id") != REAL]  # fmt: skip
    return Shown(
        trial=study.trial,
        view=view_in_words(
            view.get("kind", "whole"), view.get("window"), flicker=bool(view.get("flicker"))
        ),
        beside=beside if beside in ("reference", "input") else None,
        prompt=prompt,
        exposure_ms=study.design.get("exposure_ms"),
        asked=study.asked,
        questions=tuple(
            question_in_words({**each, "wording": each.get("wording") or words}) for each in further
        ),
    )
