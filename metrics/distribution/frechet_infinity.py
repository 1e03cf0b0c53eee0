"""FD∞: the Fréchet distance extrapolated to infinitely many images of the run, with an interval.

Chong and Forsyth 2020 fit a line in 1/N and draw the sizes anew; our sizes are nested. The interval
follows from each image's first-order influence on the distance, whose derivative in the run's
covariance is I - T, with T the optimal map from the run's Gaussian to the reference's.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from metrics.distribution.frechet import distance, symmetric_root
from metrics.distribution.moments import Moments, merge
from metrics.extraction.algebra import Device, Matrix, placed, plain, squared_norms, wide

Array = NDArray[np.float64]

PARTS = 6


def limit(parts: Sequence[Moments], reference: Moments, device: Device = None) -> float:
    """Return the distance extrapolated linearly in 1/N to infinitely many images of the run.

    `parts` are the moments of equal random parts of the run; the distances are those of the first
    2, 3, … of them together.
    """
    together, distances = parts[0], []
    for part in parts[1:]:
        together = merge(together, part)
        distances.append(distance(reference, together, device=device))
    return float(_intercept([part.n for part in parts]) @ distances)


def _intercept(sizes: Sequence[int]) -> Array:
    """Return the weights of the distances in the fitted line's value at 1/N = 0."""
    inverse = 1 / np.cumsum(sizes)[1:]
    found: Array = np.linalg.pinv(np.stack([np.ones_like(inverse), inverse], 1))[0]
    return found


def standard_error(
    blocks: Iterable[Matrix],
    run: Moments,
    reference: Moments,
    sizes: Sequence[int],
    device: Device = None,
) -> float:
    """Return the limit's standard error over draws of the run, to first order.

    `blocks` are the run's rows, on the device, and `sizes` those of the parts. The reference counts
    as known. The first parts are in every distance, hence their images weigh more, by a known
    factor.
    """
    found = np.concatenate(list(_influences(blocks, run, reference, device)))
    totals = np.cumsum(sizes)
    weights = np.zeros(len(sizes))
    for number, share in enumerate(_intercept(sizes), 2):
        weights[:number] += share / totals[number - 1]
    return float(found.std(ddof=1) * np.sqrt(weights**2 @ np.asarray(sizes)))


def _influences(
    blocks: Iterable[Matrix], run: Moments, reference: Moments, device: Device
) -> Iterable[Array]:
    root, whitening = _factor(run.covariance)
    values, vectors = scipy.linalg.eigh(root.T @ reference.covariance @ root, overwrite_a=True)
    to_fourth_root = placed(whitening @ (vectors * values.clip(min=0) ** 0.25), device)
    mean, gap = (placed(each, device) for each in (run.mean, run.mean - reference.mean))
    for block in blocks:
        centred = wide(block) - mean
        squares = squared_norms(centred) - squared_norms(centred @ to_fourth_root)
        yield plain(2 * centred @ gap + squares)


def _factor(covariance: Array) -> tuple[Array, Array]:
    """Return R and W with Σ = R Rᵀ and Wᵀ Σ W = I on the directions that Σ has."""
    try:
        lower = scipy.linalg.cholesky(covariance, lower=True)
    except scipy.linalg.LinAlgError:
        root = symmetric_root(covariance)
        lengths = np.einsum("ij,ij->j", root, root)
        kept = lengths > lengths.max() * len(lengths) * np.finfo(float).eps
        return root[:, kept], root[:, kept] / lengths[kept]
    inverse = scipy.linalg.solve_triangular(lower, np.eye(len(lower)), lower=True)
    return lower, inverse.T
