"""Which raters' judgments count: rules fixed in the study file before data, applied mechanically.

Each rule is a function (facts, limit) -> which raters break it. A rule that is not given is not
applied, and what a file does not record breaks no rule. Being at chance is no rule and never will
be: it is what a study measures.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from analysis.inference.multiplicity import benjamini_hochberg
from analysis.judgments.rules import given_rules
from analysis.raters.facts import rater_facts

Broken = pd.Series  # of bool, one per rater
Rule = Callable[[pd.DataFrame, float], Broken]


@dataclass(frozen=True)
class ExclusionStep:
    """One line of the flow chart: who was left out here and who remains."""

    step: str
    limit: float | None
    raters_out: int
    raters: int
    judgments: int


@dataclass(frozen=True)
class Exclusions:
    """The flow, rater -> every rule that the rater breaks, and the rules that were applied."""

    flow: tuple[ExclusionStep, ...]
    reasons: dict[str, tuple[str, ...]]
    rules: dict[str, float]


def max_failed_catch(facts: pd.DataFrame, limit: float) -> Broken:
    """Return who failed more than ``limit`` catch trials; a skipped one has failed."""
    return facts["catch_failed"] > limit


def max_skipped_share(facts: pd.DataFrame, limit: float) -> Broken:
    """Return who skipped more than this share of the main trials."""
    return facts["skipped"] > limit * facts["asked"]


def min_main_trials(facts: pd.DataFrame, limit: float) -> Broken:
    """Return who answered fewer main trials than this."""
    return facts["trials"] < limit


def min_median_rt_ms(facts: pd.DataFrame, limit: float) -> Broken:
    """Return whose median response time is below this floor."""
    return facts["median_rt_ms"] < limit


def rt_tukey_factor(facts: pd.DataFrame, limit: float) -> Broken:
    """Return whose median response time is above Q3 + limit · IQR of all raters' medians."""
    first, third = facts["median_rt_ms"].quantile([0.25, 0.75])
    return facts["median_rt_ms"] > third + limit * (third - first)


def side_bias_alpha(facts: pd.DataFrame, limit: float) -> Broken:
    """Return who favours one side: binomial test, Benjamini-Hochberg over raters, at this alpha."""
    tested = facts["side_p"].dropna()
    adjusted = pd.Series(benjamini_hochberg(tested.tolist()), index=tested.index)
    return (adjusted < limit).reindex(facts.index, fill_value=False)


def max_same_side_run(facts: pd.DataFrame, limit: float) -> Broken:
    """Return who answered the same side more than this many times in a row."""
    return facts["longest_run"] > limit


def min_repeat_consistency(facts: pd.DataFrame, limit: float) -> Broken:
    """Return who gave the same answer to repeated trials in less than this share of them."""
    return facts["repeats_agreeing"] < limit * facts["repeats"]


def max_sessions(facts: pd.DataFrame, limit: float) -> Broken:
    """Return who took the study more often than this."""
    return facts["sessions"] > limit


RULES: dict[str, Rule] = {
    "max_failed_catch": max_failed_catch,
    "max_skipped_share": max_skipped_share,
    "min_main_trials": min_main_trials,
    "min_median_rt_ms": min_median_rt_ms,
    "rt_tukey_factor": rt_tukey_factor,
    "side_bias_alpha": side_bias_alpha,
    "max_same_side_run": max_same_side_run,
    "min_repeat_consistency": min_repeat_consistency,
    "max_sessions": max_sessions,
}


# The columns of facts without which a rule can leave out nobody.
NEEDS = {
    "min_median_rt_ms": ("median_rt_ms", "rt_ms"),
    "rt_tukey_factor": ("median_rt_ms", "rt_ms"),
    "side_bias_alpha": ("sided", "choice"),
    "max_same_side_run": ("sided", "choice"),
    "max_failed_catch": ("catch_trials", "catch trials in kind"),
    "min_repeat_consistency": ("repeats", "repeats told apart by trial_id"),
    "max_sessions": ("sessions", "session_id"),
}


def exclusions(judgments: pd.DataFrame, rules: Mapping[str, Any]) -> Exclusions:
    """Return who is left out by these rules and the flow; a rater leaves at the first rule broken.

    Rows already marked ``excluded`` leave first, as the step "marked in the file".
    """
    applied = given_rules(rules)
    kept = judgments[~judgments["excluded"]]
    facts = rater_facts(kept)
    reasons: dict[str, tuple[str, ...]] = {}
    flow = [_step("in the file", None, 0, judgments)]
    if len(kept) < len(judgments):
        out = judgments["rater_id"].nunique() - kept["rater_id"].nunique()
        flow.append(_step("marked in the file", None, out, kept))
    gone: set[str] = set()
    for name, limit in applied.items():
        broken = RULES[name](facts, limit).fillna(False).astype(bool)
        guilty = [str(rater) for rater in facts.index[broken]]
        for rater in guilty:
            reasons[rater] = (*reasons.get(rater, ()), name)
        new = set(guilty) - gone
        gone |= new
        flow.append(_step(name, limit, len(new), kept[~kept["rater_id"].isin(gone)]))
    return Exclusions(tuple(flow), dict(sorted(reasons.items())), applied)


def without_effect(judgments: pd.DataFrame, rules: Mapping[str, Any]) -> list[str]:
    """Return a sentence for each given rule about something that the judgments do not record."""
    facts = rater_facts(judgments)
    return [
        f"{name} left out nobody: the file does not record it (no {NEEDS[name][1]})"
        for name in given_rules(rules)
        if name in NEEDS and not facts[NEEDS[name][0]].fillna(0).any()
    ]


def apply_exclusions(judgments: pd.DataFrame, found: Exclusions) -> pd.DataFrame:
    """Return the judgments with the excluded raters' rows marked ``excluded``."""
    out = judgments.copy(deep=False)
    out["excluded"] = judgments["excluded"] | judgments["rater_id"].isin(list(found.reasons))
    out.attrs = dict(judgments.attrs)
    return out


def _step(name: str, limit: float | None, out: int, rows: pd.DataFrame) -> ExclusionStep:
    main = rows[rows["kind"] == "main"]
    return ExclusionStep(name, limit, out, int(rows["rater_id"].nunique()), len(main))
