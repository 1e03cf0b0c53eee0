"""Which models have Bradley-Terry scores, from who beat whom.

Scores are finite only among models of which each, by a chain of wins or ties, beat every other
(Zermelo 1929; Ford 1957). With Davidson's ties they also need wins that no single order of the
models explains (otherwise the share of ties runs away together with the gaps).
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from scipy import optimize

from analysis.errors import DesignError
from analysis.inference.clustered.crossed_design import Array, Mask

MOST_NAMED = 5


@dataclass(frozen=True)
class Places:
    """Model numbers: ``core`` have scores; ``above`` always beat it, ``below`` always lost to it.

    ``above`` is best first, ``below`` too: a model comes before all that it beat by a chain.
    """

    core: tuple[int, ...]
    above: tuple[int, ...]
    below: tuple[int, ...]


def beats_by_chain(points: Array) -> Mask:
    """Return (K, K): whether a chain of wins or ties leads from i to j; ``points`` of i over j."""
    reach: Mask = (points > 0) | np.eye(len(points), dtype=bool)
    for _ in range(max(1, len(points)).bit_length()):
        reach = reach.astype(np.float64) @ reach.astype(np.float64) > 0
    return reach


def places(points: Array, names: list[str]) -> Places:
    """Return which models have scores.

    Raises
    ------
    DesignError
        Several groups have scores among themselves only, three or more models have one order that
        nothing contradicts, or a model cannot be placed above or below those with scores.
    """
    reach = beats_by_chain(points)
    group = (reach & reach.T).argmax(axis=1)  # the first member's number
    sizes = np.bincount(group, minlength=len(points))
    order = sorted(range(len(points)), key=lambda k: (-int(reach[k].sum()), names[k]))
    cores = np.flatnonzero(sizes > 1)
    if len(cores) > 1:
        raise DesignError(_apart(group, reach, names))
    if not len(cores):
        return _two_in_order(order, reach, names)
    core = tuple(int(k) for k in np.flatnonzero(group == cores[0]))
    others = [k for k in order if k not in core]
    above = tuple(k for k in others if reach[k, core[0]])
    below = tuple(k for k in others if reach[core[0], k])
    lost = [names[k] for k in others if k not in above and k not in below]
    if lost:
        raise DesignError(
            f"no chain of wins leads from {few(lost)} to {few([names[k] for k in core])}, or back:"
            " nothing says which is better; compare them"
        )
    return Places(core, above, below)


def _two_in_order(order: list[int], reach: Mask, names: list[str]) -> Places:
    """Return two models of which one always won; more have no scale to be placed on."""
    if len(order) == 2 and reach[order[0], order[1]]:
        return Places((order[1],), (order[0],), ())
    listed = few([names[k] for k in order], " > ")
    only = all(reach[a, b] for a, b in itertools.pairwise(order))
    words = f"{listed} is the one order" if only else f"{listed} is one of several orders"
    raise DesignError(
        f"no model ever lost to one that it had beaten, directly or through a chain: {words}"
        " that every comparison agrees with, and no scores exist; more comparisons of neighbours"
        " are needed"
    )


def _apart(group: Array, reach: Mask, names: list[str]) -> str:
    first = sorted(set(group), key=lambda g: -int(reach[g].sum()))
    parts = [few([names[k] for k in np.flatnonzero(group == g)]) for g in first]
    always = all(reach[a, b] for a, b in itertools.pairwise(first))
    what = ", each of which always beat the next" if always else ""
    return (
        f"the models fall into {len(first)} groups that no chain of wins joins{what}:"
        f" {few(parts, ' | ')}; compare models across the groups"
    )


def few(names: list[str], joint: str = ", ") -> str:
    """Return the names joined, cut to five and a count."""
    more = [f"… and {len(names) - MOST_NAMED} more"] if len(names) > MOST_NAMED else []
    return joint.join([*names[:MOST_NAMED], *more])


def ties_need_halves(wins: Array, ties: Array) -> bool:
    """Return whether Davidson's ties have no finite fit: one order explains every answer.

    That is a δ with δ_a - δ_b ≥ 1 for each win of a over b and |δ_a - δ_b| ≤ 1 for each tie;
    ``wins`` and ``ties`` are (K, K) counts. Without ties it does not arise.
    """
    if not ties.any():
        return False
    size = len(wins)
    rows, limits = [], []
    for a, b in np.argwhere(wins > 0):
        rows.append(np.eye(size)[b] - np.eye(size)[a])
        limits.append(-1.0)
    for a, b in np.argwhere(ties > 0):
        rows.append(np.eye(size)[a] - np.eye(size)[b])
        limits.append(1.0)
    found = optimize.linprog(
        np.zeros(size), A_ub=np.array(rows), b_ub=limits, bounds=[(None, None)] * size
    )
    return bool(found.status == 0)
