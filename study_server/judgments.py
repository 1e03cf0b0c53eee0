"""The columns of judgments.csv, detections.csv and ratings.csv. A format module (no flask, no SQL).

One row is one answered trial. The required columns are all that an analysis needs; the others are
kept as they are. See docs/formats.md.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from typing import Any

from generators.foreign_text import inert
from study_server.trial_kinds import MADE, REAL

REQUIRED = ("rater_id", "item_id", "condition", "fooled")

# column -> (type, unit, what it holds): the codebook is made from this.
COLUMNS: dict[str, tuple[str, str, str]] = {
    "rater_id": ("string", "", "the rater, numbered in order of arrival; not the panel's id"),
    "item_id": ("string", "", "the source image, as the runs name it"),
    "condition": ("string", "", "the run that was judged"),
    "fooled": ("integer", "", "1: the model's output was picked, 0: the real one, empty: skipped"),
    "study_id": ("string", "", "the study"),
    "study_version": ("integer", "", "the version of the study file"),
    "session_id": ("string", "", "the rater's pass through the study"),
    "trial_id": ("string", "", "session and position"),
    "position": ("integer", "", "place in the session, from 0, practice first"),
    "kind": ("string", "", "main, practice or catch"),
    "task": ("string", "", "task1: beside the low-resolution input; task2: without"),
    "model_side": ("string", "", "left or right: where the model's output was"),
    "choice": ("string", "", "left or right: what the rater picked, empty: skipped"),
    "rt_ms": ("number", "ms", "from the image's first frame to the answer"),
    "exposure_ms": ("number", "ms", "how long the images were really shown"),
    "answered_at": ("string", "", "when the server stored the answer, ISO 8601, UTC"),
    "excluded": ("integer", "", "1: outside the balanced analysis, see exclusion"),
    "exclusion": (
        "string",
        "",
        "surplus: the block was finished by another; incomplete: not finished",
    ),
    "simulated": ("integer", "", "1: a simulated rater, not a person"),
    "refresh_hz": ("number", "Hz", "the display's refresh rate, as measured in the browser"),
    "dropped_frames": ("integer", "", "frames missed while the images were shown"),
    "hidden_count": ("integer", "", "how often the page was hidden in this trial"),
    "hidden_ms": ("number", "ms", "for how long it was hidden"),
    "input": ("string", "", "keyboard, mouse, touch or pen"),
    "answered_during_exposure": ("boolean", "", "1: answered while the images were still shown"),
    "scale": ("number", "", "device pixels to one image pixel"),
    "pixel_ratio": ("number", "", "device pixels to one CSS pixel"),
    "late_ms": ("number", "ms", "how long the answer waited in the browser's outbox"),
    "layout": ("string", "", "row: side by side; column: stacked, left is the upper one"),
    "views": ("integer", "", "views of the trial; 2 or more after a reload or in a second tab"),
    "language": ("string", "", "language of the rater's pages"),
    "window_x": ("integer", "px", "left edge of the part that was shown, empty: the whole image"),
    "window_y": ("integer", "px", "its upper edge"),
}


# ── detections.csv: what raters said of single images, one row a trial ──────────────────────────

# Of judgments.csv, whatever a trial shows.
SHARED = (
    *("study_id", "study_version", "session_id", "trial_id", "position", "kind", "rt_ms"),
    *("exposure_ms", "answered_at", "excluded", "exclusion", "simulated", "refresh_hz"),
    *("dropped_frames", "hidden_count", "hidden_ms", "input", "answered_during_exposure"),
    *("scale", "pixel_ratio", "late_ms", "layout", "views", "language", "window_x", "window_y"),
)

DETECTIONS = "detections.csv"
REQUIRED_OF_DETECTIONS = ("rater_id", "item_id", "truth", "answer")
ANSWERS = (REAL, MADE, "")  # "": skipped

# column -> (type, unit, what it holds): the codebook is made from this.
DETECTION_COLUMNS: dict[str, tuple[str, str, str]] = {
    "rater_id": COLUMNS["rater_id"],
    "item_id": COLUMNS["item_id"],
    "truth": ("string", "", "real: the image was a real photo; made: a model's output"),
    "model": ("string", "", "the model that made the image, or catch; empty: a real photo"),
    "answer": ("string", "", "real or made: what the rater said; empty: skipped"),
    "correct": ("integer", "", "1: answer is truth, 0: it is not, empty: skipped"),
    "side": ("string", "", "left or right: where the answer stood that the rater gave"),
    "prompt": ("string", "", "the text over the image, empty: none"),
    **{name: COLUMNS[name] for name in SHARED},
    "exposure_ms": ("number", "ms", "how long the image was really shown"),
}


# ── ratings.csv: what raters said of single images on scales, beside detections.csv ─────────────

RATINGS = "ratings.csv"
REQUIRED_OF_RATINGS = ("rater_id", "item_id", "truth", "model", "question", "rating", "score")

# column -> (type, unit, what it holds): the codebook is made from this.
RATING_COLUMNS: dict[str, tuple[str, str, str]] = {
    **{name: DETECTION_COLUMNS[name] for name in ("rater_id", "item_id", "truth", "model")},
    "question": ("string", "", "the id of the question in the study file"),
    "rating": ("string", "", "the value of the option that the rater chose; empty: skipped"),
    "score": (
        "integer",
        "",
        "of an ordinal scale the rating's place in it, from 1; empty: nominal, or skipped",
    ),
    "prompt": DETECTION_COLUMNS["prompt"],
    **{name: DETECTION_COLUMNS[name] for name in SHARED},
    "rt_ms": ("number", "ms", "to the answer, from the moment the question was there"),
}


def to_csv(rows: Iterable[Mapping[str, Any]], columns: Iterable[str] = tuple(COLUMNS)) -> str:
    """Return a table of an export: a header and one line per row; None is an empty field."""
    text = io.StringIO()
    writer = csv.DictWriter(text, names := list(columns), lineterminator="\n")
    writer.writeheader()
    for row in rows:
        cells = {name: "" if row[name] is None else inert(row[name]) for name in names}
        writer.writerow(cells)
    return text.getvalue()
