"""How a simulation went, and the truth that an analysis of its answers has to find."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from study_server.config import StudyFile
from study_server.errors import StudyError
from study_server.questions import rated
from study_server.simulation.detections import sensitivity
from study_server.simulation.rater_model import RaterModel
from study_server.trial_kinds import REAL, REFERENCE, Question


@dataclass
class Tally:
    """How a simulation went."""

    arrived: int = 0
    completed: int = 0
    dropped: int = 0
    turned_away: int = 0
    judgments: int = 0
    seconds: float = 0.0
    truth: dict[str, float] = field(default_factory=dict)  # condition -> fool rate
    called_real: dict[str, float] = field(default_factory=dict)  # of single images, by condition
    scores: dict[str, dict[str, float]] = field(default_factory=dict)  # question -> model -> score
    rated: tuple[Question, ...] = ()  # single images on scales
    ratings: dict[str, dict[str, list[float]]] = field(default_factory=dict)  # -> shares of steps


def refuse_strangers(model: RaterModel, file: StudyFile) -> None:
    """Raise `StudyError` where the raters' model scores a model or question that is not there."""
    scored = {name for scores in (model.scores, *model.questions.values()) for name in scores}
    scored |= set(model.d_prime)
    own = {file.questions[0].id} if file.further or rated(file.questions) else set()
    ids = {question.id for question in file.questions} - own
    judged = {*file.conditions, *([REAL] if rated(file.questions) else [])}
    for what, named, known in (
        ("model", scored, judged), ("question", set(model.questions), ids),
    ):  # fmt: skip
        strangers = sorted(named - known)
        if strangers:
            there = f"{file.study.id} has {', '.join(sorted(known)) or 'none'}"
            raise StudyError(f"the raters' model scores the {what} {strangers[0]!r}, {there}")


def tell_truth(tally: Tally, model: RaterModel, file: StudyFile) -> None:
    """Note what an analysis of the answers has to find; scores are centred at 0."""
    if file.design.trial == "single":
        named = (REAL, *file.conditions)
        tally.called_real = {condition: model.called_real(condition) for condition in named}
        tally.rated = rated(file.questions)
        tally.ratings = {
            question.id: {
                condition: model.rated(condition, question.id, len(question.choices))
                for condition in named
            }
            for question in tally.rated
        }
        return
    compared, asked = list(file.conditions), file.questions
    if file.design.trial == "real-or-model":
        tally.truth = {condition: model.rate(condition) for condition in file.conditions}
        compared, asked = [*compared, REFERENCE], file.further
    for question in asked:
        scores = {name: model.score(name, question.id) for name in compared}
        mean = sum(scores.values()) / len(scores)
        tally.scores[question.id] = {name: score - mean for name, score in scores.items()}


def true_errors(tally: Tally) -> Iterator[str]:
    """Yield in words what an analysis of single images has to find; nothing of other studies."""
    if tally.called_real:
        yield f"true error rate on real photos: {1 - tally.called_real[REAL]:.3f}"
    for name, share in tally.called_real.items():
        if name != REAL:
            d_prime = sensitivity(tally.called_real[REAL], share)
            yield f"true error rate on images of {name}: {share:.3f} (d′ {d_prime:+.2f})"


def true_ratings(tally: Tally) -> Iterator[str]:
    """Yield in words how the images of each condition are rated; nothing of other studies."""
    for question in tally.rated:
        for name, shares in tally.ratings[question.id].items():
            whose = "real photos" if name == REAL else f"images of {name}"
            if question.scale == "ordinal":
                mean = sum(score * share for score, share in enumerate(shares, start=1))
                yield f"true mean of {question.id} on {whose}: {mean:.3f}"
            else:
                said = zip(question.choices, shares, strict=True)
                told = ", ".join(f"{choice} {share:.3f}" for choice, share in said)
                yield f"true shares of {question.id} on {whose}: {told}"
