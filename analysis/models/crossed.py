"""The mode and curvature of two crossed sets of random effects, whose Hessian is an arrow.

With b = (u, v) standardised, η = offset + s_R·u_r + s_I·v_i, the penalised Hessian is
``[[D_A, C], [C', D_B]]`` with diagonal D: the larger set is eliminated exactly and the smaller one
is a dense Cholesky factor. A large C is sparse: one number for each rater-image pair that occurs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import linalg, sparse
from scipy.special import expit

from analysis.errors import ConvergenceError
from analysis.inference.clustered.crossed_design import Array, Codes

MOST_NEWTON_STEPS = 100
NEWTON_TOLERANCE = 1e-10
HALVINGS = tuple(0.5**n for n in range(21))  # of a Newton step; the last, 1e-6, is taken as it is
LARGEST_DENSE = 1_000_000  # cells of the rater × image table


@dataclass(frozen=True)
class Crossing:
    """Dense codes of the larger set A and the smaller set B, each ``(N,)``, and their sizes."""

    a: Codes
    b: Codes
    size_a: int
    size_b: int
    a_is_rater: bool

    def sums(self, values: Array) -> tuple[Array, Array]:
        """Return the sums of ``(N,)`` values within A and within B."""
        of_a = np.asarray(np.bincount(self.a, values, self.size_a), dtype=np.float64)
        of_b = np.asarray(np.bincount(self.b, values, self.size_b), dtype=np.float64)
        return of_a, of_b

    def table(self, values: Array) -> sparse.csr_array | Array:
        """Return the (A, B) sums of ``(N,)`` values: dense while small, where it is faster."""
        shape = (self.size_a, self.size_b)
        if self.size_a * self.size_b > LARGEST_DENSE:
            return sparse.coo_array((values, (self.a, self.b)), shape=shape).tocsr()
        flat = np.bincount(self.a * self.size_b + self.b, values, self.size_a * self.size_b)
        return np.asarray(flat, dtype=np.float64).reshape(shape)


@dataclass(frozen=True)
class Curvature:
    """The factored Hessian of the random effects."""

    diagonal_a: Array
    coupling: sparse.csr_array | Array
    factor_b: tuple[Array, bool]

    @property
    def log_determinant(self) -> float:
        """Return log|H|."""
        diagonal = np.diag(self.factor_b[0])
        return float(np.log(self.diagonal_a).sum() + 2 * np.log(diagonal).sum())

    def solve(self, right_a: Array, right_b: Array) -> tuple[Array, Array]:
        """Return H⁻¹ (right_a, right_b)."""
        scaled = right_a / self.diagonal_a
        b = linalg.cho_solve(self.factor_b, right_b - self.coupling.T @ scaled)
        return scaled - (self.coupling @ b) / self.diagonal_a, b

    def inverse_parts(self, cross: Crossing) -> tuple[Array, Array, Array]:
        """Return H⁻¹ at (A, A) diagonal, (B, B) diagonal and the N observed (A, B) pairs."""
        inverse_b = linalg.cho_solve(self.factor_b, np.eye(cross.size_b))
        scaled = self.coupling * (1 / self.diagonal_a)[:, None]
        product = np.asarray(scaled @ inverse_b)
        aa = 1 / self.diagonal_a + np.asarray((scaled * product).sum(axis=1)).ravel()
        return aa, np.diag(inverse_b).copy(), -product[cross.a, cross.b]


def crossing(raters: Codes, items: Codes) -> Crossing:
    """Return the crossing of these codes, the larger set as A."""
    _, rater = np.unique(raters, return_inverse=True)
    _, item = np.unique(items, return_inverse=True)
    sizes = int(rater.max()) + 1, int(item.max()) + 1
    if sizes[0] >= sizes[1]:
        return Crossing(rater, item, *sizes, a_is_rater=True)
    return Crossing(item, rater, sizes[1], sizes[0], a_is_rater=False)


def curvature(cross: Crossing, weight: Array, sd_a: float, sd_b: float) -> Curvature:
    """Return H = ΛZ'WZΛ + I, factored; ``weight`` is μ(1-μ) per trial."""
    sum_a, sum_b = cross.sums(weight)
    diagonal_a = 1 + sd_a**2 * sum_a
    coupling = cross.table(sd_a * sd_b * weight)
    scaled = coupling * (1 / diagonal_a)[:, None]
    taken = coupling.T @ scaled
    dense = np.asarray(taken.toarray() if isinstance(taken, sparse.sparray) else taken)
    schur = np.diag(1 + sd_b**2 * sum_b) - dense
    return Curvature(diagonal_a, coupling, linalg.cho_factor(schur, lower=True))


@dataclass(frozen=True)
class Mode:
    """The mode at given parameters; ``value`` is the penalised negative log-likelihood."""

    a: Array
    b: Array
    mean: Array
    value: float
    curve: Curvature


def find_mode(
    cross: Crossing, y: Array, offset: Array, sds: tuple[float, float], start: tuple[Array, Array]
) -> Mode:
    """Return the mode by Newton's method with step halving; ``sds`` and ``start`` are of A and B.

    Raises
    ------
    ConvergenceError
        It did not arrive in 100 steps.
    """
    a, b = start
    value, eta = _penalised(cross, y, offset, sds, (a, b))
    for _ in range(MOST_NEWTON_STEPS):
        mean = expit(eta)
        curve = curvature(cross, mean * (1 - mean), *sds)
        pull_a, pull_b = cross.sums(y - mean)
        slope_a, slope_b = sds[0] * pull_a - a, sds[1] * pull_b - b
        step_a, step_b = curve.solve(slope_a, slope_b)
        gain = float(slope_a @ step_a + slope_b @ step_b)
        if gain < NEWTON_TOLERANCE:
            return Mode(a, b, mean, value, curve)
        for size in HALVINGS:
            moved = a + size * step_a, b + size * step_b
            found, eta = _penalised(cross, y, offset, sds, moved)
            if found <= value + 1e-12 * abs(value):
                break
        (a, b), value = moved, found
    raise ConvergenceError(f"the random effects did not settle in {MOST_NEWTON_STEPS} Newton steps")


def _penalised(
    cross: Crossing, y: Array, offset: Array, sds: tuple[float, float], at: tuple[Array, Array]
) -> tuple[float, Array]:
    a, b = at
    eta = offset + sds[0] * a[cross.a] + sds[1] * b[cross.b]
    fit = float(np.logaddexp(0, eta).sum() - y @ eta)
    return fit + 0.5 * float(a @ a + b @ b), eta
