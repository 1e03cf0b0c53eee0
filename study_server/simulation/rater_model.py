"""A model of raters with a known truth. Pure: the same seed and rater, the same behaviour.

On a trial of item i under condition c, rater r picks the model's output with probability

    logistic(m_c + a_r + b_ic + s_r * side)      a_r ~ N(0, rater_sd²)   b_ic ~ N(0, item_sd²)
                                                s_r ~ N(0, side_sd²)   side = +1 on the left

and with probability `lapse` picks a side blindly. m_c is chosen so that the rate over new raters
and new items is the condition's rate: that is the truth an analysis has to find. Response times
are log-normal. Of two models' outputs the same raters choose by `preferences`; so they answer what
else is asked of a photo (score 0) and an output. Single images they call real or made by
`detections`, and rate by `ratings`.
"""

from __future__ import annotations

import hashlib
import math
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from random import Random
from statistics import NormalDist
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from generators.errors import cause
from generators.files import read_settings
from study_server.errors import StudyFileError
from study_server.questions import rated
from study_server.simulation.detections import called_real
from study_server.simulation.preferences import chances, one_trial
from study_server.simulation.ratings import step_of, true_shares
from study_server.trial_kinds import MADE, REAL, REFERENCE, Question

_CATCH_ERRORS = 0.02
_NODES = 201  # of the midpoint rule over the normal distribution


class RaterModel(BaseModel):
    """The truth of a simulation. Rates are over new raters and new items, blind picks included."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rates: dict[str, float] = Field(default_factory=dict)  # condition -> fool rate
    default_rate: float = Field(default=0.3, gt=0, lt=1)  # of conditions that `rates` does not name
    photos_called_real: float = Field(default=0.75, gt=0, lt=1)  # of single images
    d_prime: dict[str, float] = Field(default_factory=dict)  # model -> d' of its single images
    default_d_prime: float = Field(default=1.0, ge=-4, le=6)  # where `d_prime` does not name one
    scores: dict[str, float] = Field(default_factory=dict)  # model -> log odds; others have 0
    questions: dict[str, dict[str, float]] = Field(default_factory=dict)  # scores of a question
    tie: float = Field(default=0.25, ge=0, le=100)  # Davidson's ν, where "no difference" is offered
    bad: float = Field(default=0.3, ge=0, le=1)  # of ties, the share called "both bad"
    rater_sd: float = Field(default=0.8, ge=0)  # logits
    item_sd: float = Field(default=0.8, ge=0)
    side_sd: float = Field(default=0.2, ge=0)
    lapse: float = Field(default=0.02, ge=0, lt=1)
    skip: float = Field(default=0.01, ge=0, lt=1)
    dropout: float = Field(default=0.08, ge=0, lt=1)  # of raters
    median_rt_ms: float = Field(default=900, gt=0)
    rt_sd: float = Field(default=0.45, ge=0)  # of log response time

    def rate(self, condition: str) -> float:
        """Return the true fool rate of a condition."""
        return self.rates.get(condition, self.default_rate)

    def called_real(self, condition: str) -> float:
        """Return the true share of single images of a condition that are called real."""
        if condition == REAL:
            return self.photos_called_real
        d_prime = self.d_prime.get(condition, self.default_d_prime)
        return called_real(self.photos_called_real, d_prime)

    def rated(self, condition: str, question: str, steps: int) -> list[float]:
        """Return the true share of each step at which single images of a condition are rated."""
        spread = math.hypot(self.rater_sd, self.item_sd)
        return true_shares(self.score(condition, question), spread, self.lapse, steps)

    def score(self, model: str, question: str) -> float:
        """Return the true score of a model, in log odds, as one question has it."""
        return self.questions.get(question, self.scores).get(model, 0.0)

    @property
    def spread(self) -> float:
        """Return the standard deviation of what raters, items and sides add, in logits."""
        return math.sqrt(self.rater_sd**2 + self.item_sd**2 + self.side_sd**2)


def read_model(path: Path | None) -> RaterModel:
    """Return the model of a TOML file, the default one without a file. Raises `StudyFileError`."""
    if path is None:
        return RaterModel()
    try:
        return RaterModel.model_validate(tomllib.loads(read_settings(path)))
    except FileNotFoundError:
        raise StudyFileError(f"{path}: no such file, expected a model of raters (TOML)") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise StudyFileError(
            f"{path}: cannot be read ({cause(error)}), expected a model of raters (TOML)"
        ) from None
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        where = ".".join(map(str, problem["loc"]))
        expected = ", ".join(RaterModel.model_fields)
        raise StudyFileError(
            f"{path}: {where} is {problem['input']!r}: {problem['msg']} (keys: {expected})"
        ) from None


@dataclass(frozen=True)
class Truth:
    """What the browser never learns of a trial, and the simulation has to know."""

    item: str
    condition: str
    kind: str
    model_side: str
    other: str | None = None  # the model that the condition is held against


class SimulatedRater:
    """One rater: its own random numbers, drawn in the order of its trials."""

    def __init__(self, model: RaterModel, seed: int, index: int) -> None:
        """Draw the rater's traits."""
        self._model, self._seed, self._index = model, seed, index
        self._random = _random(seed, "rater", index)
        self._ability = self._random.gauss(0, model.rater_sd)
        self._side = self._random.gauss(0, model.side_sd)
        self._drops = self._random.random() < model.dropout
        self._drop_at = self._random.random()
        self._sensitivity = _random(seed, "rater", index, "sensitivity").gauss(0, model.rater_sd)
        self.mouse = self._random.random() < 0.5

    def stops_before(self, trials: int) -> int | None:
        """Return the position at which this rater gives up, None for one who finishes."""
        return int(self._drop_at * trials) if self._drops else None

    def answer(self, truth: Truth, questions: Sequence[Question] = ()) -> dict[str, Any]:
        """Return the choices and the measures of one trial, as the browser would send them."""
        rt = self._model.median_rt_ms * math.exp(self._random.gauss(0, self._model.rt_sd))
        measures = {
            "rt_ms": round(max(rt, 150.0), 1),
            "exposure_ms": round(3000 + self._random.choice((-8.3, 0.0, 8.4)), 1),
            "refresh_hz": 60.0,
            "dropped_frames": int(self._random.random() < 0.02),
            "hidden_count": 0,
            "hidden_ms": 0.0,
            "input": "mouse" if self.mouse else "keyboard",
            "answered_during_exposure": False,
            "scale": 1.0,
            "pixel_ratio": 1.0,
        }
        if not questions:
            return measures | {"choice": self._choice(truth)}
        if REAL in questions[0].answers:
            return measures | self._about_one(truth, questions, rt)
        choices = self._choices(truth, questions)
        first = choices.get(questions[0].id)
        if len(choices) < 2:  # one question, or a skip
            return measures | {"choice": first}
        given = {name: {"choice": choice, "rt_ms": rt} for name, choice in choices.items()}
        return measures | {"choice": first, "answers": given}

    def _about_one(self, truth: Truth, questions: Sequence[Question], rt: float) -> dict[str, Any]:
        """Return what the rater calls a single image, and how they rate it."""
        called = self._called(truth)
        if called is None or len(questions) == 1:
            return {"choice": called}
        said = {question.id: self._rated(truth, question) for question in rated(questions)}
        said = {questions[0].id: called, **said}
        given = {name: {"choice": one, "rt_ms": rt} for name, one in said.items()}
        return {"choice": called, "answers": given}

    def _rated(self, truth: Truth, question: Question) -> str:
        """Return the step of a question's scale, of a bad image the first."""
        lapses, blind, draw = (self._random.random() for _ in range(3))
        steps = question.choices
        if lapses < self._model.lapse:
            return steps[int(blind * len(steps))]
        if truth.kind == "catch":
            return steps[0]
        rater = _random(self._seed, "rater", self._index, "rates", question.id)
        image = _random(self._seed, "item", truth.item, truth.condition, "rated", question.id)
        liking = rater.gauss(0, self._model.rater_sd) + image.gauss(0, self._model.item_sd)
        score = self._model.score(truth.condition, question.id)
        return steps[step_of(score + liking, draw, len(steps))]

    def _choices(self, truth: Truth, questions: Sequence[Question]) -> dict[str, str]:
        """Return question -> answer; nothing for a skipped trial."""
        if questions[0].id == REAL:  # the photo is told from the output first
            first = self._choice(truth)
            rest = {each.id: self._preferred(truth, each) for each in questions[1:]}
            return {} if first is None else {REAL: first, **rest}
        if truth.kind == "main" and self._random.random() < self._model.skip:
            return {}
        return {question.id: self._preferred(truth, question) for question in questions}

    def _preferred(self, truth: Truth, question: Question) -> str:
        lapses, blind, draw, how = (self._random.random() for _ in range(4))
        if lapses < self._model.lapse:
            return "left" if blind < 0.5 else "right"
        other = "right" if truth.model_side == "left" else "left"
        neither = [answer for answer in question.answers if answer not in ("left", "right")]
        win, tied = self._odds(truth, question.id, self._model.tie if neither else 0.0)
        if draw < win:
            return truth.model_side
        if draw >= win + tied:
            return other
        return neither[-1] if how < self._model.bad else neither[0]

    def _odds(self, truth: Truth, question: str, tie: float) -> tuple[float, float]:
        if truth.kind == "catch":
            return _CATCH_ERRORS, 0.0
        model = self._model
        first, second = truth.condition, truth.other or REFERENCE
        gap = model.score(first, question) - model.score(second, question)
        gap, nu = one_trial(gap, tie, model.spread, model.lapse)
        liking = self._liking(truth.item, first, question)
        liking -= self._liking(truth.item, second, question)
        side = self._side if truth.model_side == "left" else -self._side
        return chances(gap + liking + side, nu)

    def _liking(self, item: str, model: str, question: str) -> float:
        """Return how much more this rater likes a model, and this item flatters it, than usual."""
        rater = _random(self._seed, "rater", self._index, "likes", model, question)
        image = _random(self._seed, "item", item, model, question)
        half = math.sqrt(0.5)  # two models' likings make up the noise of one gap
        return half * (rater.gauss(0, self._model.rater_sd) + image.gauss(0, self._model.item_sd))

    def _called(self, truth: Truth) -> str | None:
        """Return what the rater calls a single image, None for a skipped trial."""
        skips, lapses, blind, draw = (self._random.random() for _ in range(4))
        if truth.kind == "main" and skips < self._model.skip:
            return None
        if lapses < self._model.lapse:
            return REAL if blind < 0.5 else MADE
        return REAL if draw < self._calls_real(truth) else MADE

    def _calls_real(self, truth: Truth) -> float:
        if truth.kind == "catch":
            return _CATCH_ERRORS
        model = self._model
        spread = math.hypot(model.rater_sd, model.item_sd)
        wanted = (model.called_real(truth.condition) - model.lapse / 2) / (1 - model.lapse)
        item = _random(self._seed, "item", truth.item, truth.condition).gauss(0, model.item_sd)
        sign = 1 if truth.condition == REAL else -1
        rater = math.sqrt(0.5) * (self._ability + sign * self._sensitivity)
        return _logistic(intercept(wanted, spread) + rater + item)

    def _choice(self, truth: Truth) -> str | None:
        skips, lapses, blind, draw = (self._random.random() for _ in range(4))
        if truth.kind == "main" and skips < self._model.skip:
            return None
        if lapses < self._model.lapse:
            return "left" if blind < 0.5 else "right"
        fooled = draw < self._probability(truth)
        other = "right" if truth.model_side == "left" else "left"
        return truth.model_side if fooled else other

    def _probability(self, truth: Truth) -> float:
        if truth.kind == "catch":
            return _CATCH_ERRORS
        model = self._model
        # Blind picks are right half of the time; the others have to make up for them.
        wanted = (model.rate(truth.condition) - model.lapse / 2) / (1 - model.lapse)
        item = _random(self._seed, "item", truth.item, truth.condition).gauss(0, model.item_sd)
        side = self._side if truth.model_side == "left" else -self._side
        return _logistic(intercept(wanted, model.spread) + self._ability + item + side)


def _random(seed: int, *label: object) -> Random:
    text = "\0".join(str(part) for part in (seed, *label))
    return Random(hashlib.sha256(text.encode()).digest())


def _logistic(logit: float) -> float:
    return 1 / (1 + math.exp(-logit))


@lru_cache
def intercept(rate: float, spread: float) -> float:
    """Return m with E[logistic(m + N(0, spread²))] = rate, by bisection."""
    rate = min(max(rate, 1e-4), 1 - 1e-4)
    quantiles = [spread * NormalDist().inv_cdf((k + 0.5) / _NODES) for k in range(_NODES)]
    low, high = -40.0, 40.0
    for _ in range(80):
        middle = (low + high) / 2
        mean = sum(_logistic(middle + quantile) for quantile in quantiles) / _NODES
        low, high = (middle, high) if mean < rate else (low, middle)
    return (low + high) / 2
