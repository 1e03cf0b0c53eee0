"""A made-up study with a known model: logit-normal raters and images, marked as simulated."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

COLUMNS = (
    *("study_id", "session_id", "trial_id", "rater_id", "item_id", "condition", "task", "kind"),
    *(
        "position",
        "model_side",
        "choice",
        "fooled",
        "rt_ms",
        "exposure_ms",
        "answered_at",
        "simulated",
    ),
)
ITEMS = [f"photo-{number:02d}" for number in range(12)]
SMALL: Mapping[str, float] = {"bicubic": -1.5, "sr3": 0.0}
RATES = {"bicubic": -1.9, "nearest": -3.1, "sr3": -0.1, "lanczos": -1.6}  # logits of the mean rater


def rows(
    items: Sequence[str],
    *,
    rates: Mapping[str, float] = RATES,
    raters: int = 50,
    trials: int = 50,
    task: str = "task2",
    seed: int = 7,
    simulated: bool = True,
) -> list[dict[str, object]]:
    """Return trials of a between-raters study: `raters` for each condition, `trials` items each."""
    draw = np.random.default_rng(seed)
    made: list[dict[str, object]] = []
    for condition, mean in rates.items():
        of_item = dict(zip(items, draw.normal(0, 0.8, len(items)), strict=True))
        for rater in range(raters):
            own = draw.normal(0, 0.8)
            chosen = draw.permutation(np.asarray(items))[:trials]
            for position, item in enumerate(chosen):
                chance = 1 / (1 + np.exp(-(mean + own + of_item[str(item)])))
                fooled = "" if draw.random() < 0.01 else int(draw.random() < chance)
                side = "left" if draw.random() < 0.5 else "right"
                other = "right" if side == "left" else "left"
                made.append(
                    {
                        "study_id": "made-up",
                        "session_id": f"s-{condition}-{rater:03d}",
                        "trial_id": f"{condition}-{rater:03d}-{position:03d}",
                        "rater_id": f"{condition}-{rater:03d}",
                        "item_id": item,
                        "condition": condition,
                        "task": task,
                        "kind": "main",
                        "position": position,
                        "model_side": side,
                        "choice": "" if fooled == "" else side if fooled else other,
                        "fooled": fooled,
                        "rt_ms": round(float(draw.lognormal(7.2, 0.5))),
                        "exposure_ms": 3000,
                        "answered_at": "2026-01-01T12:00:00Z",
                        "simulated": int(simulated),
                    }
                )
    return made


def write_csv(path: Path, made: Sequence[Mapping[str, object]]) -> Path:
    """Write judgments.csv."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, COLUMNS, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(made)
    return path


def write_images(folder: Path, items: Sequence[str], *, side: int = 32, seed: int = 1) -> Path:
    """Write one small random PNG for each item."""
    folder.mkdir(parents=True, exist_ok=True)
    draw = np.random.default_rng(seed)
    for item in items:
        pixels = draw.integers(0, 255, (side, side, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{item}.png")
    return folder


def write_export(folder: Path, made: Sequence[Mapping[str, object]], **fields: object) -> Path:
    """Write a study export folder: judgments.csv and study.json."""
    write_csv(folder / "judgments.csv", made)
    study = {
        "format_version": 1,
        "study_id": "made-up",
        "title": "A made-up study",
        "version": "1",
        "study_digest": "0" * 64,
        "created_at": "2026-01-01T00:00:00Z",
        "exported_at": "2026-01-02T00:00:00Z",
        "simulated": all(row["simulated"] == 1 for row in made),
        "tasks": ["task2"],
        "estimand": "population",
        "alpha": 0.05,
        "equivalence_margin": 0.05,
        **fields,
    }
    (folder / "study.json").write_text(json.dumps(study), encoding="utf-8")
    return folder
