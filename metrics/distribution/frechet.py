"""The Fréchet distance between Gaussians fitted to two sets of features and its floor.

FD = |μ1 - μ2|² + tr Σ1 + tr Σ2 - 2 tr (Σ1 Σ2)^½   (Dowson and Landau 1982; FID: Heusel et al. 2017)

With Σ = R Rᵀ, tr (Σ1 Σ2)^½ is the sum of the singular values of R1ᵀ R2. Those are exact to the
rounding of the largest; the square roots of the eigenvalues of Σ1 Σ2 are not, because a root lifts
a rounding error of 1e-16 to 1e-8, and leaving small eigenvalues out loses what they carry.
"""

from __future__ import annotations

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from metrics.distribution.moments import Moments, of_rows
from metrics.errors import NumericError
from metrics.extraction import algebra
from metrics.extraction.algebra import Device, placed

Array = NDArray[np.float64]

SEED = 2020

# Where the floor is simulated: draws of two sets, at least and at most, and the standard error of
# their mean, as a share of it, at which no more are made.
FEWEST_DRAWS, MOST_DRAWS = 4, 32
FLOOR_ERROR = 0.005

# The error, as a share, at which the quick way to the distance is taken for exact.
_EXACT = 1e-9


def distance(a: Moments, b: Moments, *, device: Device = None) -> float:
    """Return the Fréchet distance of two sets of moments, at least 0.

    Eigenvalues are found on the device; singular values, where those are not exact, never are.
    Sets of the same mean with Σ = I and Σ = 4 I are a unit apart in each direction:

    >>> distance(Moments(3, np.zeros(2), 2 * np.eye(2)), Moments(3, np.zeros(2), 8 * np.eye(2)))
    2.0
    """
    first, second = a.covariance, b.covariance
    shared = _from_eigenvalues(first, second, device)
    if shared is None:
        shared = _nuclear_norm(root(first).T @ root(second))
    return _assemble(a, b, shared)


def distance_of_few(a: Moments, b: Moments, rows: NDArray[np.floating]) -> float:
    """Return the same distance, for a set `a` of fewer rows than features, from those rows.

    With X the centred rows over sqrt(N - 1), Σ1 = XᵀX, so X stands for the root of Σ1.
    """
    centred = (rows.astype(np.float64) - a.mean) / np.sqrt(a.n - 1)
    return _assemble(a, b, _nuclear_norm(centred @ root(b.covariance)))


def distance_of_rows(x: NDArray[np.floating], y: NDArray[np.floating]) -> float:
    """Return the same distance, for two sets of fewer rows than features.

    tr (Σ1 Σ2)^½ is then the sum of the singular values of the cross-Gram matrix X Yᵀ.
    """
    a, b = (rows.astype(np.float64) for rows in (x, y))
    mean_a, mean_b = a.mean(axis=0), b.mean(axis=0)
    a = (a - mean_a) / np.sqrt(len(a) - 1)
    b = (b - mean_b) / np.sqrt(len(b) - 1)
    gap = mean_a - mean_b
    traces = np.sum(a * a) + np.sum(b * b)
    return max(float(gap @ gap + traces) - 2 * _nuclear_norm(a @ b.T), 0.0)


def _assemble(a: Moments, b: Moments, shared: float) -> float:
    gap = a.mean - b.mean
    traces = np.trace(a.covariance) + np.trace(b.covariance)
    # Rounding may leave a distance of equal sets just below 0.
    return max(float(gap @ gap + traces) - 2 * shared, 0.0)


def root(matrix: Array) -> Array:
    """Return R with R Rᵀ = the covariance: its Cholesky factor, or else `symmetric_root`."""
    _check_finite(matrix)
    try:
        lower: Array = scipy.linalg.cholesky(matrix, lower=True, check_finite=False)
    except scipy.linalg.LinAlgError:
        return symmetric_root(matrix)
    return lower


def _from_eigenvalues(first: Array, second: Array, device: Device) -> float | None:
    """Return tr (Σ1 Σ2)^½ from the eigenvalues of Σ1 Σ2, or None where that is not exact.

    This takes a third of the time of singular values. An error δ of an eigenvalue λ moves its root
    by δ / 2 √λ, at most √δ: exact means that all of them together are below `_EXACT` of the sum.
    """
    _check_finite(first)
    _check_finite(second)
    values = _of_product(first, second, device)
    if values is None:
        return None
    roots = np.sqrt(values.clip(min=0))
    error = 8 * np.finfo(float).eps * _largest(first) * _largest(second)
    moved = error / (2 * np.maximum(roots, np.sqrt(error) / 2))
    return float(roots.sum()) if moved.sum() <= _EXACT * roots.sum() else None


def _of_product(first: Array, second: Array, device: Device) -> Array | None:
    """Return the eigenvalues of Σ1 Σ2; None where Σ1 has no Cholesky factor."""
    if device is not None:
        return algebra.eigenvalues_of_product(placed(first, device), placed(second, device))
    try:
        # Type 3 is Σ1 Σ2 v = λ v: one Cholesky factor, and half the work of the products with it.
        found: Array = scipy.linalg.eigvalsh(second, first, type=3, driver="gv", check_finite=False)
    except scipy.linalg.LinAlgError:
        return None
    return found


def _largest(matrix: Array, steps: int = 20) -> float:
    """Return the largest eigenvalue of a covariance, by the power method, within some per cent."""
    vector = np.ones(len(matrix))
    for _ in range(steps):
        vector = matrix @ vector
        length = float(np.linalg.norm(vector))
        if length == 0:
            return 0.0
        vector /= length
    return length


def symmetric_root(matrix: Array) -> Array:
    """Return R with R Rᵀ = the matrix: its eigenvectors, each as long as its value's root.

    Rounding makes some eigenvalues of a singular matrix negative: they are clipped to 0.
    """
    values, vectors = scipy.linalg.eigh(matrix)
    found: Array = vectors * np.sqrt(values.clip(min=0))
    return found


def _nuclear_norm(product: Array) -> float:
    """Return the sum of the singular values: of R1ᵀ R2 it is tr (Σ1 Σ2)^½.

    The product is overwritten: it is as large as a covariance, and needed no more.
    """
    _check_finite(product)
    return float(scipy.linalg.svdvals(product, overwrite_a=True, check_finite=False).sum())


def _check_finite(matrix: Array) -> None:
    if not np.isfinite(matrix).all():
        raise NumericError("the features' covariance holds values that are not finite")


def spectrum(moments: Moments, device: Device = None) -> Array:
    """Return the covariance's eigenvalues, those that are 0 but for rounding left out."""
    if device is not None:
        return _above_rounding(algebra.eigenvalues(placed(moments.covariance, device)))
    return _above_rounding(scipy.linalg.eigvalsh(moments.covariance))


def spectrum_of_rows(rows: NDArray[np.floating]) -> Array:
    """Return the same eigenvalues, for fewer rows than features, from the rows' Gram matrix."""
    centred = rows.astype(np.float64)
    centred -= centred.mean(axis=0)
    return _above_rounding(scipy.linalg.eigvalsh(centred @ centred.T / (len(rows) - 1)))


def _above_rounding(values: Array) -> Array:
    kept: Array = values[values > values[-1] * len(values) * np.finfo(float).eps]
    return kept


def noise_floor(eigenvalues: Array, n: int, m: int) -> float:
    """Return the distance to expect between n and m rows drawn from one Gaussian.

    (1/n + 1/m) [tr Σ + ½ Σ_ij λi λj (1 + δij) / (λi + λj)], to second order in the error of the
    covariances. Below one row per direction that order is not enough: the floor is then the mean
    over seeded draws of both sets, of as many as bring its standard error below half a per cent.
    """
    if min(n, m) <= len(eigenvalues):
        return _simulated_floor(eigenvalues, n, m)
    pairs = np.outer(eigenvalues, eigenvalues) / np.add.outer(eigenvalues, eigenvalues)
    double_sum = pairs.sum() + np.trace(pairs)
    return float((1 / n + 1 / m) * (eigenvalues.sum() + 0.5 * double_sum))


def _simulated_floor(eigenvalues: Array, n: int, m: int) -> float:
    random = np.random.default_rng(SEED)
    scale = np.sqrt(eigenvalues)
    found: list[float] = []
    while len(found) < MOST_DRAWS:
        found.append(_distance_of_a_draw(random, scale, n, m))
        if len(found) >= FEWEST_DRAWS:
            error = np.std(found, ddof=1) / np.sqrt(len(found))
            if error <= FLOOR_ERROR * np.mean(found):
                break
    return float(np.mean(found))


def _distance_of_a_draw(random: np.random.Generator, scale: Array, n: int, m: int) -> float:
    x = random.standard_normal((n, len(scale))) * scale
    y = random.standard_normal((m, len(scale))) * scale
    if max(n, m) <= 2 * len(scale):
        return distance_of_rows(x, y)
    return distance(of_rows(x), of_rows(y))
