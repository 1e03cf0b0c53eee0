"""What is known of each rater, one row each: the facts that quality rules look at."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import stats


def rater_facts(judgments: pd.DataFrame) -> pd.DataFrame:
    """Return one row per rater, indexed by rater_id, in name order.

    Columns: ``trials`` answered main trials; ``skipped`` of ``asked`` main trials; ``fooled``
    share; ``catch_failed`` of ``catch_trials`` (a skipped catch trial has failed);
    ``median_rt_ms``; ``left`` of ``sided`` choices; ``side_p`` two-sided binomial p of as many
    lefts as rights; ``longest_run`` of one side; ``repeats_agreeing`` of ``repeats``;
    ``sessions``. What the file does not record is NaN.
    """
    main = judgments[judgments["kind"] == "main"]
    raters = sorted(judgments.loc[judgments["kind"] != "practice", "rater_id"].astype(str).unique())
    facts = pd.DataFrame(index=pd.Index(raters, name="rater_id"))
    by_rater = main.groupby("rater_id", observed=True)
    facts["asked"] = by_rater.size()
    facts["trials"] = by_rater["fooled"].count()
    facts = facts.fillna(0).astype(int)
    facts["skipped"] = facts["asked"] - facts["trials"]
    facts["fooled"] = by_rater["fooled"].mean()
    facts = facts.join(_catch(judgments)).join(_sides(main)).join(_repeats(main))
    median = by_rater["rt_ms"].median() if "rt_ms" in main else pd.Series(dtype=float)
    facts["median_rt_ms"] = median
    facts["sessions"] = by_rater["session_id"].nunique() if "session_id" in main else np.nan
    return facts


def _catch(judgments: pd.DataFrame) -> pd.DataFrame:
    """Return catch_trials and catch_failed; picking the bad image or skipping it fails."""
    catch = judgments[judgments["kind"] == "catch"]
    failed = (catch["fooled"] != 0).astype(int)
    grouped = failed.groupby(catch["rater_id"], observed=True)
    return pd.DataFrame({"catch_trials": grouped.size(), "catch_failed": grouped.sum()})


def _sides(main: pd.DataFrame) -> pd.DataFrame:
    """Return left, sided, side_p and longest_run from the column ``choice``."""
    names = ["left", "sided", "side_p", "longest_run"]
    if "choice" not in main:
        return pd.DataFrame(columns=names, dtype=float)
    sided = main[main["choice"].isin(["left", "right"])]
    if "position" in sided:
        sided = sided.sort_values("position", kind="stable")
    rows = {}
    for rater, choices in sided.groupby("rater_id", observed=True)["choice"]:
        left = (choices == "left").to_numpy()
        p = stats.binomtest(int(left.sum()), len(left), 0.5).pvalue
        rows[rater] = (int(left.sum()), len(left), float(p), longest_run(left))
    return pd.DataFrame.from_dict(rows, orient="index", columns=names)


def longest_run(values: np.ndarray) -> int:
    """Return the length of the longest stretch of equal values; 0 for none."""
    if not len(values):
        return 0
    ends = np.flatnonzero(np.r_[values[1:] != values[:-1], True])
    return int(np.diff(np.r_[-1, ends]).max())


def _repeats(main: pd.DataFrame) -> pd.DataFrame:
    """Return repeats (pairs of answers of a rater to one item) and how many of them agree."""
    keys = ["rater_id", "item_id", "condition", "task"]
    answered = main[main["fooled"].notna()]
    again = answered[answered.duplicated(keys, keep=False)]
    if again.empty:
        return pd.DataFrame(columns=["repeats", "repeats_agreeing"], dtype=float)
    cell = again.groupby(keys, observed=True)["fooled"].agg(["sum", "count"])
    yes, no = cell["sum"], cell["count"] - cell["sum"]
    pairs = cell["count"] * (cell["count"] - 1) / 2
    agree = (yes * (yes - 1) + no * (no - 1)) / 2
    out = pd.DataFrame({"repeats": pairs, "repeats_agreeing": agree})
    return out.groupby(level="rater_id", observed=True).sum()
