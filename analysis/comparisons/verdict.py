"""What may be claimed of a condition: one rule and one set of words, for commands and report.

A claim of a difference needs the *adjusted* p-value below alpha; a claim of likeness needs both
one-sided tests of equivalence (TOST) against a margin fixed beforehand. A wide interval around the
reference claims nothing. The reference is 50 % in 2AFC trials (`against_half`), and the share of
real photos called real where each trial showed one image (`real_or_fake`).
"""

from __future__ import annotations

from enum import StrEnum

MARGIN = 0.05  # of equivalence, where none was declared


class Verdict(StrEnum):
    """What the tests of one condition against its reference allow to say."""

    INDISTINGUISHABLE = "indistinguishable"  # equivalent, and no difference was found
    CLOSE = "close"  # equivalent, and yet different
    ABOVE = "above"
    BELOW = "below"
    UNDECIDED = "undecided"
    UNDEFINED = "undefined"  # there is no interval, hence no test
    UNTESTED = "untested"  # the declared family leaves it out
    REFERENCE = "reference"  # the real photos of a real-or-fake study


TWO_IMAGES = {
    Verdict.INDISTINGUISHABLE: "indistinguishable within the margin",
    Verdict.CLOSE: "within the margin, yet not at 50 %",
    Verdict.ABOVE: "picked more often than the real photo",
    Verdict.BELOW: "told apart from real photos",
    Verdict.UNDECIDED: "undecided",
    Verdict.UNDEFINED: "not estimated",
    Verdict.UNTESTED: "not in the declared family",
}
ONE_IMAGE = TWO_IMAGES | {
    Verdict.INDISTINGUISHABLE: "called real as often as real photos, within the margin",
    Verdict.CLOSE: "within the margin of real photos, yet not equal",
    Verdict.ABOVE: "called real more often than real photos",
    Verdict.BELOW: "called real less often than real photos",
    Verdict.REFERENCE: "the real photos",
}


def decide(
    gap: float | None, p_adjusted: float | None, p_equivalent: float | None, alpha: float
) -> Verdict:
    """Return the verdict of a condition whose rate lies ``gap`` above its reference.

    ``p_adjusted`` is two-sided and adjusted within the family, ``p_equivalent`` is that of TOST;
    None where there is no test.
    """
    if gap is None or p_adjusted is None:
        return Verdict.UNDEFINED
    different = p_adjusted < alpha
    if p_equivalent is not None and p_equivalent < alpha:
        return Verdict.CLOSE if different else Verdict.INDISTINGUISHABLE
    if not different:
        return Verdict.UNDECIDED
    return Verdict.BELOW if gap < 0 else Verdict.ABOVE
