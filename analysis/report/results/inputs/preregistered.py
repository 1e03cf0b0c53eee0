"""Where a report departs from the preregistration of its study, said completely."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.errors import AnalysisError
from analysis.judgments.study import DeclaredAnalysis
from analysis.judgments.table import TRUE
from analysis.report.results.inputs.sources import JudgmentSource, Merged
from analysis.report.results.schema import Departure, Preregistered
from generators.files import file_sha256
from study_server.config import parse_study_file
from study_server.errors import StudyError
from study_server.preregistration import (
    PREREGISTRATION,
    Preregistration,
    content_of,
    flat,
    read_preregistration,
)
from study_server.trial_kinds import REAL, pairs_of

AGAINST = " against "
STUDY_FILE = "study.toml"  # of an export


def preregistered(
    path: Path | None, merged: Merged, declared: DeclaredAnalysis
) -> Preregistered | None:
    """Return every difference between a report and its preregistration, None without one.

    Without a path, a preregistration.json in the export's own folder counts. Raises
    `AnalysisError` for a file that is none, for another study's, and for several studies at once.
    """
    sources = merged.sources
    beside = sources[0].file.parent / PREREGISTRATION
    if path is None and (len(sources) > 1 or not beside.is_file()):
        return None
    if len(sources) > 1:
        raise AnalysisError("--preregistration is of one study: report the studies apart")
    file = beside if path is None else (path / PREREGISTRATION if path.is_dir() else path)
    registered = _read(file)
    source = sources[0]
    _check_study(file, registered, source)
    return Preregistered(
        file=file.name,
        sha256=file_sha256(file),
        written_at=registered.written_at,
        hypotheses=registered.hypotheses,
        departures=tuple(_departures(registered, source, merged.table, declared)),
    )


def _read(file: Path) -> Preregistration:
    try:
        return read_preregistration(file)
    except StudyError as error:
        raise AnalysisError(str(error)) from None


def _check_study(file: Path, registered: Preregistration, source: JudgmentSource) -> None:
    name = registered.content.get("study", {}).get("id")
    if source.study.study_id != name:
        raise AnalysisError(f"{file}: is of the study {name!r}, expected {source.study.study_id!r}")


def _departures(
    registered: Preregistration,
    source: JudgmentSource,
    table: pd.DataFrame,
    declared: DeclaredAnalysis,
) -> Iterator[Departure]:
    yield from _of_the_file(registered, source)
    yield from _of_the_analysis(registered, declared)
    compared = source.comparisons
    yield from _of_the_sample(registered, _judged(table, compared))
    yield from _of_the_time(registered, table if compared is None else compared)


def _of_the_file(registered: Preregistration, source: JudgmentSource) -> Iterator[Departure]:
    """Yield the keys of the study file that are not as preregistered."""
    path = source.file.parent / STUDY_FILE
    if not path.is_file():
        yield Departure(what="the study file", registered="the whole of it", found="not exported")
        return
    try:
        file = parse_study_file(path.read_text(encoding="utf-8"), str(path), stored=True)
    except (StudyError, UnicodeDecodeError) as error:
        raise AnalysisError(f"{path}: {error}") from None
    before, now = dict(flat(registered.content)), dict(flat(content_of(file)))
    said = dict(flat(json.loads(file.canonical())))  # without what a later foolrate added, unset
    for key in sorted(before.keys() | (now.keys() & said.keys())):
        if before.get(key) != now.get(key):
            yield Departure(
                what=key, registered=_words(before.get(key)), found=_words(now.get(key))
            )


def _of_the_analysis(
    registered: Preregistration, declared: DeclaredAnalysis
) -> Iterator[Departure]:
    """Yield the choices of this report that the preregistered study file made differently."""
    content = registered.content
    chosen = content.get("analysis", {})
    fields = {
        "estimand": declared.estimand,
        "alpha": declared.alpha,
        "equivalence_margin": declared.margin,
        "correction": declared.correction,
    }
    for name, value in fields.items():
        if chosen.get(name) != value:
            what = f"{name} of this report"
            yield Departure(what=what, registered=_words(chosen.get(name)), found=_words(value))
    rules = {name: limit for name, limit in content.get("use", {}).items() if limit is not None}
    applied = {name: float(limit) for name, limit in declared.rules.items() if limit is not None}
    if {name: float(limit) for name, limit in rules.items()} != applied:
        yield Departure(
            what="rules applied in this report", registered=_words(rules), found=_words(applied)
        )
    one = "one image each", "two images each"
    registered_single = content.get("design", {}).get("trial") == "single"
    if registered_single != (declared.real is not None):
        said, found = one if registered_single else reversed(one)
        yield Departure(what="trials", registered=said, found=found)


def _judged(table: pd.DataFrame, compared: pd.DataFrame | None) -> pd.DataFrame:
    """Return who judged what in main trials that count: a pair of models is one condition."""
    if compared is None:
        kept = table[(table["kind"] == "main") & ~table["excluded"]]
        return kept[["rater_id", "condition", "task"]].astype(str)
    kept = compared[(compared["kind"] == "main") & ~compared["excluded"].isin(TRUE)]
    a, b = kept["model_a"], kept["model_b"]
    pair = (a.where(a < b, b) + AGAINST + b.where(a < b, a)).rename("condition")
    return pd.concat([kept["rater_id"], pair, kept["question"].rename("task")], axis=1)


def _of_the_sample(registered: Preregistration, judged: pd.DataFrame) -> Iterator[Departure]:
    """Yield the cells whose number of raters, before any rule, is not the preregistered one."""
    design = registered.content.get("design", {})
    wanted = design.get("raters")
    between = design.get("kind") == "between-raters"
    if design.get("trial") == "single":
        judged = judged[judged["condition"] != REAL] if between else judged
    by = ["condition", "task"] if between else ["task"]
    found = judged.groupby(by)["rater_id"].nunique()
    for cell, count in found.items():
        if count != wanted:
            names = cell if isinstance(cell, tuple) else (cell,)
            told = ", ".join(str(name) for name in names if name)
            what = f"raters of {told}" if told else "raters"
            yield Departure(what=what, registered=_words(wanted), found=_words(int(count)))
    if between:
        seen = set(judged["condition"])
        for name in _conditions(registered):
            if name not in seen:
                yield Departure(what=f"raters of {name}", registered=_words(wanted), found="0")


def _conditions(registered: Preregistration) -> list[str]:
    """Return what raters judge one of, each by the name that `_judged` gives it."""
    content = registered.content
    names, design = list(content.get("conditions", {})), content.get("design", {})
    if design.get("trial") != "preference":
        return names
    pairs = pairs_of(names, design.get("pairs", "all"), design.get("baseline"))
    return [AGAINST.join(sorted(pair)) for pair in pairs]


def _of_the_time(registered: Preregistration, table: pd.DataFrame) -> Iterator[Departure]:
    if "answered_at" not in table:
        return
    first = pd.to_datetime(table["answered_at"], utc=True, errors="coerce").min()
    if pd.notna(first) and first < pd.Timestamp(registered.written_at):
        yield Departure(
            what="time of the first judgment",
            registered=f"after {registered.written_at}",
            found=first.strftime("%Y-%m-%dT%H:%M:%SZ"),
        )


def _words(value: Any) -> str:
    if value is None or value in ([], {}, ()):
        return "none"
    if isinstance(value, dict):
        return ", ".join(f"{name} {limit:g}" for name, limit in sorted(value.items()))
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)
