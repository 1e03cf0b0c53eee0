"""The degrees of freedom of a two-way variance that may not fall below its parts.

    V = V_C + (V_R - V_C)₊ + (V_I - V_C)₊

V_R, V_I and V_C are clustered on raters, on items and on cells (a rater and an item); V_C is in the
other two. What V_R and V_I hold beyond it, if more than nothing, is what raters and items add.
Satterthwaite (1946) gives a variance 2·E[V]²/Var[V] degrees of freedom. Here E and Var are those of
the cut sum: an uncut one varies more, and the sum V_R + V_I less in proportion.
"""

from __future__ import annotations

from scipy import special

NEVER_MIND = 1e-12  # of a squared variance: rounding


def two_way_df(parts: tuple[float, float, float], dfs: tuple[int, int, int]) -> float:
    """Return the degrees of freedom of V.

    ``parts`` are V_R, V_I and V_C, ``dfs`` their own degrees of freedom: each part varies as a
    multiple of χ². V_R - V_C sums products of a rater's different cells, so it does not correlate
    with V_C, and Var[V_R - V_C] = Var[V_R] - Var[V_C]. The smaller df where V_R and V_I are 0.
    """
    *clustered, cell = parts
    if max(clustered) <= 0:
        return float(min(dfs[:2]))
    of_cells = cell**2 / dfs[2]
    mean, variance = cell, 2 * of_cells
    for part, df in zip(clustered, dfs, strict=False):
        own = part**2 / df - of_cells
        if own > NEVER_MIND * part**2:
            above, spread = excess(part, part**2 / own, cell)
        else:
            above, spread = max(part - cell, 0.0), 0.0
        mean, variance = mean + above, variance + spread
    return 2 * mean**2 / variance


def excess(mean: float, df: float, least: float) -> tuple[float, float]:
    """Return mean and variance of (X - least)₊, where X is χ² with ``df`` scaled to ``mean``."""
    above, first, second = (
        float(special.chdtrc(df + more, least * df / mean)) for more in (0, 2, 4)
    )
    once = mean * first - least * above
    square = mean**2 * (1 + 2 / df) * second - 2 * least * mean * first + least**2 * above
    return once, max(square - once**2, 0.0)
