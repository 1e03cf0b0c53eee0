"""How much raters, images and chance each add to one judgment: variances on the scale of the rate.

Var(y) = s_R² + s_I² + s_E²      raters, images, the rest (chance and rater × image)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from analysis.inference.clustered.crossed_design import Array, Design
from analysis.inference.clustered.crossed_moments import squares, variances, weighting
from analysis.models.simulation import NODES, WEIGHTS, intercept_for


@dataclass(frozen=True)
class Components:
    """Variances of one judgment (on the 0-1 scale) and the rate they belong to."""

    rate: float
    rater: float
    item: float
    residual: float

    @property
    def shares(self) -> dict[str, float]:
        """Return each part's share of the whole; zeros when nothing varies."""
        whole = self.rater + self.item + self.residual
        parts = {"rater": self.rater, "item": self.item, "residual": self.residual}
        return {name: value / whole if whole > 0 else 0.0 for name, value in parts.items()}


def components_of_model(rate: float, sd_rater: float, sd_item: float) -> Components:
    """Return the components of the crossed logit-normal model with this marginal rate.

    ``sd_rater`` and ``sd_item`` are logit sds; both integrals are 61-node quadratures.
    """
    intercept = intercept_for(rate, float(np.hypot(sd_rater, sd_item)))
    chance = expit(intercept + sd_rater * NODES[:, None] + sd_item * NODES[None, :])
    of_rater, of_item = chance @ WEIGHTS, WEIGHTS @ chance
    rater = float(WEIGHTS @ np.square(of_rater) - (WEIGHTS @ of_rater) ** 2)
    item = float(WEIGHTS @ np.square(of_item) - (WEIGHTS @ of_item) ** 2)
    return Components(rate, rater, item, rate * (1 - rate) - rater - item)


def components_of_judgments(y: Array, who: Design) -> Components:
    """Return the components by the method of moments, for any design; never below 0."""
    by = weighting(who)
    rater, item, residual = map(float, variances(by, squares(y, by)))
    return Components(float(y.mean()), rater, item, residual)
