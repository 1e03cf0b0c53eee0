"""The Fréchet distance between Gaussians fitted to two sets of features and its floor.

FD = |μ1 - μ2|² + tr Σ1 + tr Σ2 - 2 tr (Σ1 Σ2)^½   (Dowson and Landau 1982; FID: Heusel et al. 2017)

The root's trace is a sum of square roots of eigenvalues of a symmetric matrix, never a matrix root.
"""

from __future__ import annotations

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from metrics.distribution.moments import Moments, of_rows
from metrics.errors import NumericError

Array = NDArray[np.float64]

SEED = 2020


def distance(a: Moments, b: Moments) -> float:
    """Return the Fréchet distance of two sets of moments, at least 0."""
    return _assemble(a, b, _root_trace(a.covariance, b.covariance))


def distance_of_few(a: Moments, b: Moments, rows: NDArray[np.floating]) -> float:
    """Return the same distance, for a set `a` of fewer rows than features, from those rows.

    tr (Σ1 Σ2)^½ then follows from an N by N matrix: with X the centred rows over sqrt(N - 1),
    Σ1 = XᵀX and the eigenvalues of X Σ2 Xᵀ are those of Σ1 Σ2.
    """
    centred = (rows.astype(np.float64) - a.mean) / np.sqrt(a.n - 1)
    inner = centred @ b.covariance @ centred.T
    return _assemble(a, b, _sum_of_roots(scipy.linalg.eigvalsh(inner, overwrite_a=True)))


def distance_of_rows(x: NDArray[np.floating], y: NDArray[np.floating]) -> float:
    """Return the same distance, for two sets of fewer rows than features.

    tr (Σ1 Σ2)^½ is then the sum of the singular values of the cross-Gram matrix X Yᵀ.
    """
    a, b = (rows.astype(np.float64) for rows in (x, y))
    mean_a, mean_b = a.mean(axis=0), b.mean(axis=0)
    a = (a - mean_a) / np.sqrt(len(a) - 1)
    b = (b - mean_b) / np.sqrt(len(b) - 1)
    root = float(scipy.linalg.svdvals(a @ b.T, overwrite_a=True).sum())
    gap = mean_a - mean_b
    return max(float(gap @ gap + np.sum(a * a) + np.sum(b * b)) - 2 * root, 0.0)


def _assemble(a: Moments, b: Moments, root: float) -> float:
    gap = a.mean - b.mean
    traces = np.trace(a.covariance) + np.trace(b.covariance)
    # Rounding may leave a distance of equal sets just below 0.
    return max(float(gap @ gap + traces) - 2 * root, 0.0)


def _root_trace(first: Array, second: Array) -> float:
    try:
        # Type 3 is Σ1 Σ2 v = λ v: one Cholesky factor, and half the work of the products with it.
        return _sum_of_roots(
            scipy.linalg.eigvalsh(second, first, type=3, driver="gv", check_finite=False)
        )
    except scipy.linalg.LinAlgError:
        root = symmetric_root(first)
    return _sum_of_roots(scipy.linalg.eigvalsh(root.T @ second @ root, overwrite_a=True))


def symmetric_root(matrix: Array) -> Array:
    """Return R with R Rᵀ = the matrix: its eigenvectors, each as long as its value's root."""
    values, vectors = scipy.linalg.eigh(matrix)
    root: Array = vectors * np.sqrt(values.clip(min=0))
    return root


def _sum_of_roots(values: Array) -> float:
    if not np.isfinite(values).all():
        raise NumericError("the features' covariance has no finite eigenvalues")
    # The root would lift rounding errors of 1e-16 to 1e-8, as many times as there are features.
    return float(np.sqrt(_above_rounding(values)).sum())


def spectrum(moments: Moments) -> Array:
    """Return the covariance's eigenvalues, those that are 0 but for rounding left out."""
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
    covariances. Below one row per direction that order is not enough, and two samples are drawn.
    """
    if min(n, m) <= len(eigenvalues):
        return _simulated_floor(eigenvalues, n, m)
    pairs = np.outer(eigenvalues, eigenvalues) / np.add.outer(eigenvalues, eigenvalues)
    double_sum = pairs.sum() + np.trace(pairs)
    return float((1 / n + 1 / m) * (eigenvalues.sum() + 0.5 * double_sum))


def _simulated_floor(eigenvalues: Array, n: int, m: int) -> float:
    random = np.random.default_rng(SEED)
    scale = np.sqrt(eigenvalues)
    x = random.standard_normal((n, len(scale))) * scale
    y = random.standard_normal((m, len(scale))) * scale
    if max(n, m) <= 2 * len(scale):
        return distance_of_rows(x, y)
    return distance(of_rows(x), of_rows(y))
