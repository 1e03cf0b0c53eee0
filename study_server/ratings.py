"""The columns of ratings.csv: what else was asked of single images. A format module (no SQL).

One row is one answer to a question with a scale, which a trial asks after whether its image is real
(detections.csv). Both tables are read by themselves. See docs/formats.md.
"""

from __future__ import annotations

from study_server.judgments import DETECTION_COLUMNS, SHARED

TABLE = "ratings.csv"
REQUIRED = ("rater_id", "item_id", "truth", "model", "question", "rating", "score")

# column -> (type, unit, what it holds): the codebook is made from this.
COLUMNS: dict[str, tuple[str, str, str]] = {
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
