"""One sentence a model: what people could tell, with the rate, its interval and its estimand."""

from __future__ import annotations

from analysis.comparisons.verdict import Verdict
from analysis.report.results.schema import Model, Results
from analysis.report.text.terms import Terms, terms_of
from analysis.report.text.wording import (
    ESTIMANDS,
    NARROW_SPACE,
    interval,
    level,
    notes,
    p_phrase,
    percent,
    point_interval,
    points,
)

TWO_IMAGES = {
    Verdict.INDISTINGUISHABLE: "{who} could not tell {label} from real photos: it was picked in "
    "{rate}.",
    Verdict.CLOSE: "{label} comes close to real photos: it was picked in {rate}.",
    Verdict.ABOVE: "{who} took {label} for the real photo more often than the photo itself: in "
    "{rate}.",
    Verdict.BELOW: "{who} could tell {label} from real photos: it fooled them in {rate}.",
    Verdict.UNDECIDED: "It is not settled whether {label} passes for real: it was picked in "
    "{rate}.",
    Verdict.UNTESTED: "{label} was picked in {rate}.",
}
ONE_IMAGE = {
    Verdict.INDISTINGUISHABLE: "{who} called {label} real as often as real photos: in {rate}.",
    Verdict.CLOSE: "{who} called {label} real nearly as often as real photos: in {rate}.",
    Verdict.ABOVE: "{who} called {label} real more often than real photos: in {rate}.",
    Verdict.BELOW: "{who} called {label} real less often than real photos: in {rate}.",
    Verdict.UNDECIDED: "It is not settled whether {label} passes for real: it was called real in "
    "{rate}.",
    Verdict.UNTESTED: "{label} was called real in {rate}.",
    Verdict.REFERENCE: "{who} called these real in {rate}; every model is compared with that.",
}


def verdict_sentence(results: Results, model: Model) -> str:
    """Return one model's verdict with its rate, interval and estimand.

    Simulated judgments say nothing about people.
    """
    terms = terms_of(results)
    if model.rate is None or model.verdict is Verdict.UNDEFINED:
        why = " ".join(notes(model)) or "No trial was answered."
        return f"{model.label} has no {model.estimand} {terms.rate}. {why}"
    rate = (
        f"{percent(model.rate)} of trials ({level(results.alpha)} interval "
        f"{interval(model.low, model.high)}, {ESTIMANDS[model.estimand]})"
    )
    openings = TWO_IMAGES if results.real_condition is None else ONE_IMAGE
    who = "Simulated raters" if results.simulated else "People"
    opening = openings[model.verdict].format(who=who, label=model.label, rate=rate)
    return " ".join([opening, *_beside_real(model), *_closing(results, model, terms)])


def _beside_real(model: Model) -> list[str]:
    """Return how far a model of single images lies from the real photos, and d'."""
    gap = model.above_real
    if gap.value is None:
        return []
    said = f"That is {points(gap.value)} points from the real photos"
    if gap.low is not None:
        said += f" ({point_interval(gap.low, gap.high)})"
    d_prime = model.d_prime.value
    return [f"{said}." if d_prime is None else f"{said}, d′ {d_prime:.2f}."]


def _closing(results: Results, model: Model, terms: Terms) -> list[str]:
    around = terms.around.replace(" %", f"{NARROW_SPACE}%")
    within = f"the ±{100 * results.margin:g}-point margin around {around}"
    if model.verdict in (Verdict.INDISTINGUISHABLE, Verdict.CLOSE):
        also = ", and still different" if model.verdict is Verdict.CLOSE else ""
        return [f"That is inside {within} (equivalence {p_phrase(model.p_equivalence)}){also}."]
    if model.verdict is Verdict.UNDECIDED:
        return [
            f"The data show neither a difference from {around} (adjusted "
            f"{p_phrase(model.p_adjusted)}) nor a rate inside {within}; more raters and images "
            "would narrow the interval."
        ]
    if model.verdict is Verdict.UNTESTED:
        return ["The declared family of tests leaves it out, so no claim is made about it."]
    return []
