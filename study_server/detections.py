"""The columns of detections.csv, what a study of single images exports. A format module (no SQL).

One row is one answered trial: what the image was, and what the rater said it was. Nothing in it is
a fool rate, because nobody chose between two images. See docs/formats.md.
"""

from __future__ import annotations

from study_server.comparisons import SHARED
from study_server.judgments import COLUMNS as OF_JUDGMENTS
from study_server.trial_kinds import MADE, REAL

DETECTIONS = "detections.csv"
REQUIRED = ("rater_id", "item_id", "truth", "answer")
ANSWERS = (REAL, MADE, "")  # "": skipped

# column -> (type, unit, what it holds): the codebook is made from this.
COLUMNS: dict[str, tuple[str, str, str]] = {
    "rater_id": OF_JUDGMENTS["rater_id"],
    "item_id": OF_JUDGMENTS["item_id"],
    "truth": ("string", "", "real: the image was a real photo; made: a model's output"),
    "model": ("string", "", "the model that made the image, or catch; empty: a real photo"),
    "answer": ("string", "", "real or made: what the rater said; empty: skipped"),
    "correct": ("integer", "", "1: answer is truth, 0: it is not, empty: skipped"),
    "side": ("string", "", "left or right: where the answer stood that the rater gave"),
    "prompt": ("string", "", "the text over the image, empty: none"),
    **{name: OF_JUDGMENTS[name] for name in SHARED},
    "exposure_ms": ("number", "ms", "how long the image was in fact shown"),
}
