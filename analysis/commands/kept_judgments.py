"""The judgments that a command is about: those of the raters whom the declared rules keep.

The report applies the same rules, so that a command and the report print one number.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd

from analysis.judgments.duels import further_answers
from analysis.judgments.ratings import Ratings, further_ratings
from analysis.judgments.study import read_study, shortfall
from analysis.judgments.table import read_judgments
from analysis.raters.exclusions import apply_exclusions, exclusions


def kept_answers(file: Path, judgments: pd.DataFrame) -> pd.DataFrame | None:
    """Return what else these raters were asked in their trials; None where that was nothing.

    ``judgments`` are those of `read_kept`: who is left out there is left out here.
    """
    answers = further_answers(file, read_study(file))
    return None if answers is None else _kept(answers, judgments)


def kept_ratings(file: Path, judgments: pd.DataFrame) -> Ratings | None:
    """Return how these raters rated single images on scales; None where nothing was asked so."""
    found = further_ratings(file, read_study(file))
    return None if found is None else replace(found, table=_kept(found.table, judgments))


def _kept(answers: pd.DataFrame, judgments: pd.DataFrame) -> pd.DataFrame:
    gone = judgments.loc[judgments["excluded"], "rater_id"].astype(str).unique()
    out = answers["rater_id"].isin(list(gone))
    return answers.assign(excluded=answers["excluded"].where(~out, "1"))


def read_kept(file: Path) -> tuple[pd.DataFrame, list[str]]:
    """Return the judgments with the raters who break a declared rule marked, and what to tell.

    Without a study.json, or without rules in it, nobody is left out and there is nothing to tell.
    """
    judgments, study = read_judgments(file), read_study(file)
    found = exclusions(judgments, study.exclusions)
    told = [each for each in [shortfall(len(judgments), study)] if each]
    if not found.reasons:
        return judgments, told
    raters = judgments["rater_id"].nunique()
    told.append(
        f"the rules that study.json declares leave out {len(found.reasons)} of {raters}"
        f" raters ({', '.join(found.rules)}); `analysis raters` shows who, and the rates without"
    )
    return apply_exclusions(judgments, found), told
