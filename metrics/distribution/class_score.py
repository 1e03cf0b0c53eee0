"""The class score: with the published Inception network and its logits, the Inception Score."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax, xlogy

from metrics.errors import InputError

SPLITS = 10
SEED = 2020
_BLOCK = 1024
# The 97.5 % quantile of Student's t with 9 degrees of freedom.
_T9 = 2.2621571628


def class_score(
    logits_of: Callable[[NDArray[np.int64]], NDArray[Any]],
    count: int,
    *,
    splits: int = SPLITS,
    shuffle: bool = True,
) -> NDArray[np.float64]:
    """Return exp E KL(p(y|x) ‖ p(y)) of each split ``(splits,)`` of `count` images.

    `logits_of` gives the logits ``(N, classes)`` of N image numbers; a few are asked for at a time.
    Images are shuffled with a fixed seed first, because classes often come in order. The score is
    the splits' mean (Salimans et al. 2016). Raises `InputError` for fewer images than splits.
    """
    if count < splits:
        raise InputError(f"{splits} splits need at least {splits} images, found {count}")
    order = np.random.RandomState(SEED).permutation(count) if shuffle else np.arange(count)
    edges = [index * count // splits for index in range(splits + 1)]
    return np.array([_score(logits_of, order[start:end]) for start, end in pairwise(edges)])


def _score(
    logits_of: Callable[[NDArray[np.int64]], NDArray[Any]], chosen: NDArray[np.int64]
) -> float:
    """Return exp of the mean Σ p log p less Σ q log q of the marginal q: that is the mean KL."""
    negentropy, total = 0.0, np.zeros(1)
    for start in range(0, len(chosen), _BLOCK):
        log_p = log_softmax(logits_of(chosen[start : start + _BLOCK]).astype(np.float64), axis=1)
        p = np.exp(log_p)
        # Where p underflows to 0 the term is 0, whatever its logarithm.
        negentropy += float(np.where(p > 0, p * log_p, 0.0).sum())
        total = total + p.sum(axis=0)
    marginal = total / len(chosen)
    return float(np.exp(negentropy / len(chosen) - xlogy(marginal, marginal).sum()))


def interval(scores: NDArray[np.float64]) -> tuple[float, float]:
    """Return the 95 % t interval of the mean over 10 splits."""
    half = _T9 * scores.std(ddof=1) / np.sqrt(len(scores))
    return float(scores.mean() - half), float(scores.mean() + half)
