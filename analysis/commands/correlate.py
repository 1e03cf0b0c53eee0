"""The table and the JSON of `analysis correlate`: scores files joined to judgments by condition."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.columns import OVER_IMAGES, OVER_MODELS, PAIR_SCORES
from analysis.commands.tables.terminal import SIMULATED, column_table, plain
from analysis.comparisons.real_or_fake import check_real
from analysis.errors import DesignError, TableError
from analysis.judgments.study import run_digests
from analysis.judgments.table import main_trials
from analysis.rankings.correlation import (
    FEWEST_MODELS,
    ItemCorrelation,
    ModelCorrelation,
    PreferenceScore,
    item_correlations,
    model_correlation,
    pair_score,
    unvalued,
)
from metrics.scores import (
    PER_IMAGE,
    SCORES,
    Score,
    ScoreFile,
    different_counts,
    read_per_image,
    read_scores,
    refuse_incomparable,
    values_of,
)
from study_server.study_record import StudyRecord


def read_condition_scores(
    given: Sequence[str], conditions: Sequence[str], study: StudyRecord | None = None
) -> dict[str, tuple[ScoreFile, Path]]:
    """Return condition -> scores file for each ``[CONDITION=]PATH``; the run's name is the default.

    Raises
    ------
    TableError
        A condition is not in the judgments, is given twice, or its scores are of another run than
        the one that raters saw (the digest in study.json differs).
    ScoreError
        Two files hold values of one metric that may not be compared.
    """
    digests = run_digests(study or StudyRecord())
    out: dict[str, tuple[ScoreFile, Path]] = {}
    for each in given:
        name, equals, rest = each.partition("=")
        path = Path(rest if equals else each)
        scores = read_scores(path)
        condition = name if equals else scores.run.name
        if condition not in conditions:
            near = difflib.get_close_matches(condition, conditions, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise TableError(
                f"{path}: scores of {condition!r}, which is no condition of the judgments"
                f" ({', '.join(conditions)}){hint}; say which with CONDITION={path}"
            )
        if condition in out:
            raise TableError(f"{path}: a second scores file for condition {condition!r}")
        if digests.get(condition, scores.run.digest) != scores.run.digest:
            raise TableError(
                f"{path}: scores of run {scores.run.digest[:12]}…, but raters saw run"
                f" {digests[condition][:12]}… in condition {condition!r}; score that run"
            )
        out[condition] = (scores, path if path.is_dir() else path.parent)
    refuse_incomparable(scores for scores, _ in out.values())
    return out


def correlate_payload(
    judgments: pd.DataFrame,
    scores: dict[str, tuple[ScoreFile, Path]],
    *,
    task: str | None = None,
    resamples: int = 2000,
    seed: int = 0,
    alpha: float = 0.05,
    real: str | None = None,
) -> dict[str, Any]:
    """Return ``{"models": [...], "items": [...], "pairs": [...], "settings": {...}}``.

    ``real``, the real photos of a study of single images, is not a model and is left out.
    """
    if real is not None:
        check_real(judgments, real)
        judgments = judgments[judgments["condition"] != real]
        scores = {name: found for name, found in scores.items() if name != real}
    if task is not None:
        judgments = _of_task(judgments, task)
    how: dict[str, Any] = {"resamples": resamples, "seed": seed, "alpha": alpha}
    main = main_trials(judgments)  # photos of catch and practice trials are no model's
    main = main[main["fooled"].notna()]
    answered = set(main["condition"].astype(str))
    metrics, (per_image, strays) = _metrics(scores), _per_image(scores)
    models = _across_models(judgments, metrics, answered, how)
    items, pairs = _across_images(judgments, metrics, per_image, how)
    if not models and not items:
        raise DesignError(
            f"nothing to correlate: {len(scores)} scores files; give those of three or more"
            f" conditions, or folders that hold {PER_IMAGE} beside {SCORES}"
        )
    return {
        "models": plain(models),
        "items": plain(items),
        "pairs": plain(pairs),
        "settings": {"task": task, **how},
        "notes": _notes(main, metrics, per_image, answered) + strays,
    }


def _metrics(scores: dict[str, tuple[ScoreFile, Path]]) -> dict[str, dict[str, Score]]:
    """Return metric -> condition -> its score."""
    out: dict[str, dict[str, Score]] = {}
    for condition, (file, _) in scores.items():
        for score in file.scores:
            out.setdefault(score.name, {})[condition] = score
    return out


def _across_models(
    judgments: pd.DataFrame,
    metrics: dict[str, dict[str, Score]],
    answered: set[str],
    how: dict[str, Any],
) -> list[ModelCorrelation]:
    """Return the correlation of each metric that enough of the judged models have."""
    found = []
    for metric, by_model in metrics.items():
        values = {name: score.value for name, score in by_model.items() if name in answered}
        if len(values) >= FEWEST_MODELS:
            direction = _direction(by_model)
            found.append(model_correlation(judgments, metric, direction, values, **how))
    return found


def _across_images(
    judgments: pd.DataFrame,
    metrics: dict[str, dict[str, Score]],
    per_image: dict[str, dict[str, dict[str, float]]],
    how: dict[str, Any],
) -> tuple[list[ItemCorrelation], list[PreferenceScore]]:
    """Return each metric's correlations within models, and its pair scores, of known direction."""
    items: list[ItemCorrelation] = []
    pairs: list[PreferenceScore] = []
    for metric, per_item in per_image.items():
        direction = _direction(metrics[metric])
        items += item_correlations(judgments, metric, direction, per_item, **how)
        if len(per_item) > 1:
            pairs.append(pair_score(judgments, metric, direction, per_item))
    return items, pairs


def _notes(
    main: pd.DataFrame,
    metrics: dict[str, dict[str, Score]],
    per_image: dict[str, dict[str, dict[str, float]]],
    answered: set[str],
) -> list[str]:
    """Return what is not in the tables, and why; `main` holds the answered main trials."""
    of: dict[str, list[str]] = {}  # what is to be said -> the metrics of which it holds
    for name, found in metrics.items():
        usable = found.keys() & answered
        lacking = sorted(answered - usable)
        if len(usable) < FEWEST_MODELS:
            few = f"models with a score: {len(usable)}, and across models takes {FEWEST_MODELS}"
            of.setdefault(few, []).append(name)
        if lacking:
            of.setdefault(f"no score of {', '.join(lacking)}", []).append(name)
        if counts := different_counts(found):
            of.setdefault(counts, []).append(name)
    for name, values in per_image.items():
        for _, said in unvalued(main, values, f" in {PER_IMAGE}"):
            of.setdefault(said, []).append(name)
    return [f"{', '.join(names)}: {said}" for said, names in of.items()]


def _of_task(judgments: pd.DataFrame, task: str) -> pd.DataFrame:
    tasks = sorted(map(str, main_trials(judgments)["task"].unique()))
    if task not in tasks:
        raise DesignError(f"no task {task!r} in the judgments, found {', '.join(tasks) or 'none'}")
    return judgments[judgments["task"] == task]


def _direction(scores: dict[str, Score]) -> str:
    return next(iter(scores.values())).direction


def _per_image(
    scores: dict[str, tuple[ScoreFile, Path]],
) -> tuple[dict[str, dict[str, dict[str, float]]], list[str]]:
    """Return metric -> condition -> item -> value from every per_image.csv, and what it lacks."""
    out: dict[str, dict[str, dict[str, float]]] = {}
    strays: list[str] = []
    for condition, (file, folder) in scores.items():
        if not (folder / PER_IMAGE).is_file():
            continue
        mine = values_of(file, folder)
        for name, values in mine.items():
            out.setdefault(name, {})[condition] = values
        if others := [name for name in read_per_image(folder) if name not in mine]:
            said = f"{PER_IMAGE} of {condition} holds it, its {SCORES} does not: left out"
            strays.append(f"{', '.join(others)}: {said}")
    return out, strays


def correlate_text(payload: dict[str, Any]) -> str:
    """Return the payload as text tables; + means that the metric agrees with people."""
    alpha = payload["settings"]["alpha"]
    parts = []
    if payload["models"]:
        rows = [
            ([each["metric"]], {**each, "n": each["models"], "value": each["agreement"]})
            for each in payload["models"]
        ]
        parts.append(column_table(["across models"], OVER_MODELS, rows, alpha=alpha))
    if payload["items"]:
        within = [
            (
                [each["metric"], each["condition"]],
                {**each, "n": each["items"], "value": each["agreement"]},
            )
            for each in payload["items"]
        ]
        names = ["within a model", "condition"]
        parts.append(column_table(names, OVER_IMAGES, within, alpha=alpha))
    if payload["pairs"]:
        pairs = [([each["metric"]], each) for each in payload["pairs"]]
        parts.append(column_table(["two outputs"], PAIR_SCORES, pairs, alpha=alpha))
    lines = ["Spearman's ρ: + where the metric's better is what fools more people"]
    if payload["models"]:
        lines.append("across models, the interval is over new raters and images, p over the models")
    parts.append("\n".join([*lines, *(f"note: {each}" for each in payload["notes"])]))
    if any(each["simulated"] for each in (*payload["models"], *payload["items"])):
        parts.insert(0, SIMULATED)
    return "\n\n".join(parts)
