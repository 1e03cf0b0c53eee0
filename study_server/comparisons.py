"""The columns of comparisons.csv, what a preference study exports. A format module (no sqlalchemy).

One row is one answer to one question of a trial. Of a real photo beside an output it holds what is
asked besides which is real. `analysis rank` needs the first five columns; the others are kept as
they are. See docs/formats.md.
"""

from __future__ import annotations

from study_server.judgments import COLUMNS as OF_JUDGMENTS
from study_server.judgments import SHARED

TABLE = "comparisons.csv"
CATCH = "catch"  # in place of a model: the bad image of a catch trial
CHOICES = {"left": "a", "right": "b", "tie": "tie", "bad": "tie"}  # answer -> choice

# column -> (type, unit, what it holds): the codebook is made from this.
COLUMNS: dict[str, tuple[str, str, str]] = {
    "rater_id": OF_JUDGMENTS["rater_id"],
    "item_id": OF_JUDGMENTS["item_id"],
    "model_a": (
        "string",
        "",
        "the model whose output was on the left; of a catch trial also catch",
    ),
    "model_b": ("string", "", "the model whose output was on the right"),
    "choice": ("string", "", "a, b or tie; both bad is a tie; empty: skipped"),
    "question": ("string", "", "the id of the question in the study file"),
    "answer": ("string", "", "left, right, tie (no difference) or bad (both bad); empty: skipped"),
    "prompt": ("string", "", "the text over the images, empty: none"),
    **{name: OF_JUDGMENTS[name] for name in SHARED},
    "rt_ms": ("number", "ms", "to the answer, from the image's first frame or from the question"),
}
