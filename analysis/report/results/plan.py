"""What was declared before the data: estimand, level, margin, family, correction, rater rules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from analysis.errors import AnalysisError
from analysis.inference.multiplicity import CORRECTIONS
from analysis.rates.fool_rates import ESTIMANDS
from analysis.report.results.sources import Source, agreed

SEED = 0
REPLICATES = 2000
ADJUSTMENTS = {"holm": "Holm", "bh": "Benjamini-Hochberg", "none": "no adjustment"}


@dataclass(frozen=True)
class Plan:
    """The declared analysis; the defaults stand where a bare CSV declares nothing."""

    estimand: str = "population"
    alpha: float = 0.05
    margin: float = 0.05
    correction: str = "holm"
    family: tuple[str, ...] = ()
    rules: dict[str, Any] = field(default_factory=dict)
    real: str | None = None  # the real photos of a study of single images
    seed: int = SEED
    replicates: int = REPLICATES


def plan_of(sources: Sequence[Source], real: str | None = None) -> Plan:
    """Return the plan that all studies share; ``real`` stands over what they declare.

    Raises `AnalysisError` where they differ, or where single images come from several studies.
    """
    estimand = agreed(sources, "estimand", "population")
    correction = agreed(sources, "correction", "holm")
    for name, value, allowed in (
        ("estimand", estimand, ESTIMANDS),
        ("correction", correction, tuple(CORRECTIONS)),
    ):
        if value not in allowed:
            raise AnalysisError(f"study.json: {name} is {value!r}, expected {', '.join(allowed)}")
    real = real or agreed(sources, "real_condition", None)
    if real is not None and len(sources) > 1:
        raise AnalysisError("single images (--real) are reported one study at a time")
    single = sources[0].study if len(sources) == 1 else {}
    return Plan(
        estimand=estimand,
        alpha=_share(agreed(sources, "alpha", 0.05), "alpha"),
        margin=_share(agreed(sources, "equivalence_margin", 0.05), "equivalence_margin"),
        correction=correction,
        family=_family(single.get("family") or (), sources),
        rules=dict(agreed(sources, "exclusions", {}) or {}),
        real=real,
    )


def _family(named: Any, sources: Sequence[Source]) -> tuple[str, ...]:
    """Return the declared family, without conditions that nobody has judged yet."""
    present = {str(name) for source in sources for name in source.table["condition"].unique()}
    return tuple(str(name) for name in named if str(name) in present)


def _share(value: Any, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 0.5:
        raise AnalysisError(f"study.json: {name} is {value!r}, expected a number between 0 and 0.5")
    return float(value)
