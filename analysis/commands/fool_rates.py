"""The table and the JSON of `analysis fool-rates`: rates with what was asked for beside them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from analysis.columns import MEANS, PICKED, RATES, SHARES, Column
from analysis.commands.tables.real_or_fake import errors_text
from analysis.commands.tables.terminal import (
    FOOLED_WORDS,
    REAL_WORDS,
    SIMULATED,
    column_table,
    plain,
)
from analysis.comparisons.real_or_fake import against_real, caution
from analysis.errors import AnalysisError, DesignError
from analysis.judgments.ratings import Ratings
from analysis.judgments.table import cells
from analysis.rates.fool_rates import ESTIMAND_WORDS, FoolRate, fool_rates
from analysis.rates.picked import picked_shares
from analysis.rates.ratings import answer_shares, mean_scores


def fool_rates_payload(
    judgments: pd.DataFrame,
    *,
    estimand: str = "population",
    by: Sequence[str] = (),
    bootstrap: int | None = None,
    glmm: bool = False,
    published: bool = False,
    alpha: float = 0.05,
    seed: int = 0,
    real: str | None = None,
    answers: pd.DataFrame | None = None,
    ratings: Ratings | None = None,
) -> dict[str, Any]:
    """Return ``{"fool_rates": [...]}``, each a FoolRate with what was asked for beside it.

    ``bootstrap`` adds {low, high, resamples, seed}, ``published`` {mean, sd, low, high},
    ``glmm`` the marginalised fit, under keys of those names. With ``real``, the condition of real
    photos of a study that showed one image a trial, a fool rate is the share called real, and
    ``real_or_fake`` holds each other condition's `AgainstReal`. ``answers`` to what else was asked
    give ``further``, a `Picked` of each question and condition; ``ratings`` of single images give
    ``ratings``, a `MeanScore` of each, and ``shares``, an `AnswerShare`.
    """
    if real is not None and by:
        raise DesignError("groups (--by) are not offered for single images (--real)")
    errors = [] if real is None else against_real(judgments, real, estimand=estimand, alpha=alpha)
    records = fool_rates(judgments, estimand=estimand, by=by, alpha=alpha)
    _refuse_when_none_is_left(records)
    entries: list[dict[str, Any]] = [plain(record) for record in records]
    for entry, (_, rows) in zip(entries, cells(judgments, by), strict=True):
        if bootstrap:
            from analysis.inference.clustered.bootstrap import bootstrap_rate

            entry["bootstrap"] = plain(bootstrap_rate(rows, bootstrap, seed, estimand, alpha))
        if published:
            from analysis.rates.rater_means import published_rate

            entry["published"] = plain(published_rate(rows, alpha))
        if glmm:
            entry["glmm"] = plain(_glmm(entry["condition"], rows, alpha))
    payload: dict[str, Any] = {"fool_rates": entries}
    if real is not None:
        payload |= {"real": real, "real_or_fake": plain(errors)}
    elif said := caution(judgments):
        payload["caution"] = said
    if answers is not None:
        payload["further"] = plain(picked_shares(answers, estimand=estimand, alpha=alpha))
    if ratings is not None:
        payload["ratings"] = plain(mean_scores(ratings, estimand=estimand, alpha=alpha))
        payload["shares"] = plain(answer_shares(ratings, estimand=estimand, alpha=alpha))
    return payload


def _glmm(condition: str, rows: pd.DataFrame, alpha: float) -> Any:
    from analysis.models.glmm_rates import glmm_rate

    try:
        return glmm_rate(rows, alpha)
    except AnalysisError as error:
        raise type(error)(f"condition {condition!r}: {error}") from None


def _refuse_when_none_is_left(records: list[FoolRate]) -> None:
    """Raise when not one condition has an interval for want of raters or images."""
    refused = [record for record in records if record.method == "refused"]
    if refused and len(refused) == len(records):
        first = refused[0]
        raise DesignError(f"condition {first.condition!r}: {first.flags[0]}")


def fool_rates_text(payload: dict[str, Any]) -> str:
    """Return the payload as a text table with its estimand and every flag below it."""
    entries = payload["fool_rates"]
    tasks = any(entry["task"] for entry in entries)
    groups = list(entries[0]["group"])
    one_image = "real_or_fake" in payload
    names = ["condition", *(["task"] if tasks else []), *groups]
    extras = [name for name in ("bootstrap", "published", "glmm") if name in entries[0]]
    columns = [*RATES, *(Column(name, name, "interval") for name in extras)]
    rows = [
        ([each["condition"], *([each["task"]] if tasks else []), *each["group"].values()], each)
        for each in entries
    ]
    words = REAL_WORDS if one_image else FOOLED_WORDS
    table = column_table(names, columns, rows, alpha=entries[0]["alpha"], words=words)
    lines = [table, _footer(entries, one_image=one_image)]
    if one_image:
        lines += ["", errors_text(payload["real_or_fake"], entries[0]["alpha"])]
    if "further" in payload:
        lines += ["", _further_text(payload["further"], entries[0]["alpha"])]
    if "ratings" in payload:
        lines += _ratings_text(payload, entries[0]["alpha"])
    if "caution" in payload:
        lines.append(f"note: {payload['caution']}")
    if any(entry["simulated"] for entry in entries):
        lines.insert(0, SIMULATED)
    return "\n".join(lines)


def _further_text(shares: list[dict[str, Any]], alpha: float) -> str:
    """Return what else was asked: a line for each question and condition, and every flag."""
    names = ["question", "condition"]
    rows = [([each[name] for name in names], each) for each in shares]
    lines = [column_table(names, PICKED, rows, alpha=alpha)]
    lines.append("further questions: the share that picked the output, neither counting one half")
    lines += [
        f"note: {each['question']}, {each['condition']}: {flag}"
        for each in shares
        for flag in each["flags"]
    ]
    return "\n".join(lines)


def _ratings_text(payload: dict[str, Any], alpha: float) -> list[str]:
    """Return how the images were rated: mean scores, then shares of answers, and every flag."""
    lines: list[str] = []
    for key, names, columns, told in (
        ("ratings", ["question", "condition"], MEANS, "ratings: scores count from 1"),
        ("shares", ["question", "condition", "answer"], SHARES, "ratings: share of each answer"),
    ):
        found = payload[key]
        if found:
            rows = [([each[name] for name in names], each) for each in found]
            lines += ["", column_table(names, columns, rows, alpha=alpha), told]
        lines += [
            f"note: {', '.join(each[name] for name in names)}: {flag}"
            for each in found
            for flag in each["flags"]
        ]
    return lines


def _footer(entries: list[dict[str, Any]], *, one_image: bool) -> str:
    estimand = entries[0]["estimand"]
    lines = [f"estimand: {estimand} ({ESTIMAND_WORDS[estimand]})"]
    if not one_image:
        lines[0] += "; 50 % = cannot be told from real"
    lines += [f"note: {_named(entry)}: {flag}" for entry in entries for flag in entry["flags"]]
    return "\n".join(lines)


def _named(entry: dict[str, Any]) -> str:
    task = f" {entry['task']}" if entry["task"] else ""
    return ", ".join([entry["condition"] + task, *entry["group"].values()])
