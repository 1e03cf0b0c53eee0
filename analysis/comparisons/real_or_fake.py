"""Studies in which each trial showed one image, real or fake: the question is not 2AFC's.

One condition holds the real photos; ``fooled`` = 1 says that the rater called the image real. Then

    error on fakes = P(real | fake)      error on reals = 1 - P(real | real)
    human error    = (error on fakes + error on reals) / 2        50 % = cannot tell (HYPE)
    d' = z(P(real | real)) - z(P(real | fake))                     0 = cannot tell
    c  = -(z(P(real | real)) + z(P(real | fake))) / 2              c > 0: "fake" is said too readily

(Macmillan & Creelman 2005, ch. 1-2, "real" taken as the signal; Zhou et al. 2019 for human error).
A rate of 50 % means nothing here: people who call 80 % of all images real are not fooled by a model
at 60 %. Each condition is held against the real photos of its own task, raters and images clustered
as they are (`difference`); d' and c by the delta method.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy import stats
from scipy.stats import norm

from analysis.comparisons.comparisons import Comparison, compare, trial_weights
from analysis.comparisons.verdict import MARGIN, Verdict, decide
from analysis.errors import DesignError
from analysis.inference.clustered.crossed_design import Array, Mask
from analysis.inference.clustered.difference import Difference, difference
from analysis.inference.multiplicity import adjusted
from analysis.judgments.real_photos import sounds_real
from analysis.judgments.table import main_trials
from analysis.rates.fool_rates import FoolRate, fool_rates


@dataclass(frozen=True)
class Estimate:
    """A number with its interval; None where it does not exist."""

    value: float | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class AgainstReal:
    """One condition of single images against the real photos of its task; shares are 0-1.

    ``difference`` is P(real | fake) - P(real | real), with its test, TOST and adjusted p in
    ``test``; the verdict is `verdict.decide`'s of that difference.
    """

    condition: str
    real: str
    task: str
    error_on_fakes: Estimate
    error_on_reals: Estimate
    human_error: Estimate
    d_prime: Estimate
    criterion: Estimate
    difference: Estimate
    p: float | None
    p_adjusted: float | None
    p_equivalent: float | None
    margin: float
    verdict: Verdict
    estimand: str
    simulated: bool = False
    flags: tuple[str, ...] = ()


def against_real(
    judgments: pd.DataFrame,
    real: str,
    *,
    family: Sequence[str] = (),
    correction: str = "holm",
    margin: float = MARGIN,
    alpha: float = 0.05,
    estimand: str = "population",
) -> list[AgainstReal]:
    """Return each condition against the real photos ``real``, adjusted within each task.

    Raises
    ------
    DesignError
        ``real`` is not a condition, has no answer in a task, there is no other condition, or the
        trials showed two images.
    """
    check_real(judgments, real)
    rates = {
        (record.condition, record.task): record
        for record in fool_rates(judgments, estimand=estimand, alpha=alpha)
    }
    pairs = compare(
        judgments, baseline=real, family=[name for name in family if name != real],
        correction="none", margin=margin, alpha=alpha, estimand=estimand,
    )  # fmt: skip
    rows = judgments[judgments["fooled"].notna()]
    found = [_one(pair, rates, rows, alpha) for pair in pairs]
    out: list[AgainstReal] = []
    for task in dict.fromkeys(each.task for each in found):
        some = [each for each in found if each.task == task]
        values = adjusted([each.p for each in some], correction)
        out += [_decided(each, p, alpha) for each, p in zip(some, values, strict=True)]
    return out


def check_real(judgments: pd.DataFrame, real: str) -> None:
    """Raise `DesignError` where ``real`` cannot be the real photos of single-image trials."""
    names = sorted(map(str, judgments["condition"].unique()))
    if real not in names:
        raise DesignError(f"no condition {real!r} of real photos, found {', '.join(names)}")
    if len(names) < 2:
        raise DesignError(f"{real!r} is the only condition, there is nothing to hold against it")
    if "model_side" in judgments and judgments["model_side"].isin(["left", "right"]).any():
        raise DesignError(
            "model_side is filled in: these trials showed two images, and a real condition is for"
            " trials that showed one"
        )
    main = main_trials(judgments)
    answered = main[main["fooled"].notna()]
    with_real = set(answered.loc[answered["condition"] == real, "task"])
    without = sorted(set(map(str, answered["task"].unique())) - set(map(str, with_real)))
    if without:
        where = f" in task {without[0]!r}" if without[0] else ""
        raise DesignError(f"no answer to a real photo (condition {real!r}){where}")


def caution(judgments: pd.DataFrame) -> str:
    """Return what to say where a condition sounds like real photos and was not named as such.

    "" where none does, or where model_side says that the trials showed two images.
    """
    if "model_side" in judgments and judgments["model_side"].isin(["left", "right"]).any():
        return ""
    names = sorted(map(str, judgments["condition"].unique()))
    heard = [name for name in names if sounds_real(name)]
    if not heard or len(names) < 2:
        return ""
    return (
        f"condition {heard[0]!r} sounds like real photos; if each trial showed one image, name it"
        f" with --real {heard[0]}: 50 % is then no yardstick"
    )


def _decided(each: AgainstReal, p: float | None, alpha: float) -> AgainstReal:
    verdict = decide(each.difference.value, p, each.p_equivalent, alpha)
    return replace(each, p_adjusted=p, verdict=verdict)


def _one(
    pair: Comparison, rates: dict[tuple[str, str], FoolRate], rows: pd.DataFrame, alpha: float
) -> AgainstReal:
    fake, real = rates[pair.first, pair.task], rates[pair.second, pair.task]
    errors = _errors(pair, fake, real)
    d_prime, criterion, flags = _sensitivity(pair, rows, (fake, real), alpha)
    return AgainstReal(
        condition=pair.first,
        real=pair.second,
        task=pair.task,
        **errors,
        d_prime=d_prime,
        criterion=criterion,
        difference=Estimate(pair.difference, pair.low, pair.high),
        p=pair.p,
        p_adjusted=None,
        p_equivalent=pair.p_equivalent,
        margin=pair.margin,
        verdict=Verdict.UNDEFINED,
        estimand=fake.estimand,
        simulated=pair.simulated,
        flags=(*pair.flags, *flags),
    )


def _errors(pair: Comparison, fake: FoolRate, real: FoolRate) -> dict[str, Estimate]:
    """Return both errors and their mean, which is 1/2 + difference / 2 and has its interval."""
    halved = [None if end is None else 0.5 + end / 2 for end in (pair.low, pair.high)]
    return {
        "error_on_fakes": Estimate(fake.rate, fake.low, fake.high),
        "error_on_reals": Estimate(
            *(None if end is None else 1 - end for end in (real.rate, real.high, real.low))
        ),
        "human_error": Estimate(0.5 + pair.difference / 2, *halved),
    }


def _sensitivity(
    pair: Comparison, rows: pd.DataFrame, rates: tuple[FoolRate, FoolRate], alpha: float
) -> tuple[Estimate, Estimate, tuple[str, ...]]:
    """Return (d', c, flags); both are unbounded where all answers of a condition were alike."""
    fake, real = rates
    shares = [each.rate for each in (real, fake) if each.rate is not None and 0 < each.rate < 1]
    if len(shares) < 2:
        return Estimate(), Estimate(), ("d′ and c do not exist: all answers were alike",)
    z = norm.ppf(shares)
    d_prime, criterion = float(z[0] - z[1]), -float(z[0] + z[1]) / 2
    if pair.se is None:
        return Estimate(d_prime), Estimate(criterion), ()
    of_task = (rows["task"] == pair.task) & rows["condition"].isin([pair.first, pair.second])
    main = main_trials(rows[of_task])
    is_real: Mask = (main["condition"] == pair.second).to_numpy()
    raters, items = (main[name].cat.codes.to_numpy() for name in ("rater_id", "item_id"))
    weights = trial_weights(is_real, [raters, items], fake.estimand)
    fixed = fake.estimand == "fixed-images"
    scaled = main["fooled"].to_numpy(dtype=np.float64) / norm.pdf(np.where(is_real, *z))

    def error(signed: Array) -> Difference:
        return difference(signed, is_real, raters, None if fixed else items, weights)

    # The difference of two means of which the second has its sign turned is their sum.
    of_sum = error(np.where(is_real, scaled, -scaled))
    return _about(d_prime, error(scaled), alpha), _about(criterion, of_sum, alpha, scale=0.5), ()


def _about(value: float, error: Difference, alpha: float, scale: float = 1.0) -> Estimate:
    """Return a value with the t interval that ``scale`` times this error gives it."""
    half = scale * float(stats.t.ppf(1 - alpha / 2, error.df) * error.se)
    return Estimate(value, value - half, value + half)
