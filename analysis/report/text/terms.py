"""What a report calls its rate: two images a trial have a fool rate, single images are called real.

Everything that a page, figure or table says of the rate itself comes from here, so that no
single-image study is ever described as a choice between two.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from analysis.comparisons.verdict import ONE_IMAGE, TWO_IMAGES, Verdict
from analysis.report.results.schema import Results


@dataclass(frozen=True)
class Terms:
    """The words of one protocol; ``rate`` and ``rates`` stand in the middle of a sentence."""

    report: str
    rate: str
    rates: str
    picked: str  # "<picked> in 5 of 25"
    around: str  # "±5 points around <around>"
    rate_is: str
    reference: str  # written at the line that rates are held against
    verdicts: Mapping[Verdict, str]


TWO = Terms(
    report="Fool-rate report",
    rate="fool rate",
    rates="fool rates",
    picked="picked",
    around="50 %",
    rate_is="The fool rate is the share of trials in which a rater picked the model’s output over "
    "the real photo. 50\u202f% means that people cannot tell.",
    reference="50 %",
    verdicts=TWO_IMAGES,
)
ONE = Terms(
    report="Real-or-fake report",
    rate="share called real",
    rates="shares called real",
    picked="called real",
    around="the real photos",
    rate_is="Each trial showed one image, real or fake. The share called real is a model’s error "
    "rate; it is compared with the share of real photos that were called real, because "
    "50\u202f% is the wrong yardstick here.",
    reference="real photos",
    verdicts=ONE_IMAGE,
)


PREFERENCE = Terms(
    report="Preference report",
    rate="win share",
    rates="win shares",
    picked="preferred",
    around="50 %",
    rate_is="",
    reference="50 %",
    verdicts=TWO_IMAGES,
)


def terms_of(results: Results) -> Terms:
    """Return the words for these results."""
    if results.rankings:
        return PREFERENCE
    return TWO if results.real_condition is None else ONE
