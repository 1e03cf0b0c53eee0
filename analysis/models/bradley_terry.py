"""Bradley-Terry scores with Davidson's ties, from direct model-against-model choices.

    P(a beats b) = π_a / D,  P(tie) = ν·sqrt(π_a·π_b) / D,  D = π_a + π_b + ν·sqrt(π_a·π_b)

(Davidson 1970), θ = log π centred at the mean, fitted by Newton's method. Standard errors are
sandwich ones, clustered on raters and items at once. With ``halves`` a tie is half a win for each,
as Elo ratings have it: one parameter fewer, and gaps that ties shrink. `ranking` makes the table.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import linalg
from scipy.special import expit

from analysis.errors import ConvergenceError
from analysis.inference.clustered.crossed_design import Array, Codes, indicator
from analysis.inference.clustered.two_way_df import two_way_df

MOST_STEPS = 100


@dataclass(frozen=True)
class Contests:
    """Comparisons by model number: ``a``, ``b`` (N,) and ``score`` (N,) 1, 0 or ½ for a.

    ``halves``: a tie is half a win for each, not an outcome of its own.
    """

    a: Codes
    b: Codes
    score: Array
    models: int
    halves: bool = False

    @property
    def tied(self) -> bool:
        """Return whether a tie is an outcome of its own and there is one."""
        return not self.halves and bool((self.score == 0.5).any())


@dataclass(frozen=True)
class BradleyTerry:
    """A fit: ``theta`` (K,) with mean 0, ``log_nu`` None without ties.

    ``information`` is the inverse information (K, K) of theta (trials taken as independent);
    ``by_rater``, ``by_item`` and ``both`` are the sandwich covariances, one-way and two-way.
    """

    theta: Array
    log_nu: float | None
    log_likelihood: float
    information: Array
    by_rater: Array
    by_item: Array
    both: Array

    def variance(self, contrast: Array) -> float:
        """Return the variance of contrast @ theta: two-way, and at least each one-way.

        That of independent trials where raters and items show none (all of them split alike).
        """
        parts = (self.both, self.by_rater, self.by_item)
        found = max(float(contrast @ part @ contrast) for part in parts)
        independent = float(contrast @ self.information @ contrast)
        return found if found > 1e-9 * independent else independent

    def df(self, contrast: Array, dfs: tuple[int, int, int]) -> float:
        """Return the degrees of freedom of the two-way variance of contrast @ theta.

        ``dfs`` are those of the variances clustered on raters, on items and on cells.
        """
        both, rater, item = (
            float(contrast @ part @ contrast) for part in (self.both, self.by_rater, self.by_item)
        )
        return two_way_df((rater, item, max(rater + item - both, 0.0)), dfs)

    def half_vote(self, contrast: Array) -> float:
        """Return how far half a vote, given to another model, moves contrast @ theta at most.

        Votes are whole: without this correction of continuity (Yates 1934) two equal models with
        60 independent votes are told apart in 5.2 % of studies, at the level of 5 %. It is for
        claims, which may not be false too often for any number of votes.
        """
        return float(np.ptp(self.information @ contrast)) / 2


def fit_bradley_terry(contests: Contests, raters: Codes, items: Codes) -> BradleyTerry:
    """Return the maximum-likelihood fit; the graph of models must be strongly connected.

    Raises
    ------
    ConvergenceError
        Newton's method did not arrive in 100 steps.
    """
    basis = centred_basis(contests.models)
    tied = contests.tied
    parameters = np.zeros(basis.shape[1] + tied)
    for _ in range(MOST_STEPS):
        value, scores, hessian = _derivatives(contests, basis, parameters)
        step = linalg.solve(hessian, scores.sum(axis=0), assume_a="pos")
        size = 1.0
        while _derivatives(contests, basis, parameters + size * step)[0] < value - 1e-12:
            size /= 2
            if size < 1e-8:
                break
        parameters = parameters + size * step
        if np.abs(step).max() < 1e-10:
            break
    else:
        raise ConvergenceError(f"Bradley-Terry did not converge in {MOST_STEPS} steps")
    value, scores, hessian = _derivatives(contests, basis, parameters)
    bread = linalg.inv(hessian)
    pairs = raters.astype(np.int64) * (int(items.max()) + 1) + items
    rater, item, pair = (_sandwich(bread, scores, codes) for codes in (raters, items, pairs))
    wide = basis @ np.eye(basis.shape[1], len(parameters))
    return BradleyTerry(
        theta=basis @ parameters[: basis.shape[1]],
        log_nu=float(parameters[-1]) if tied else None,
        log_likelihood=value,
        information=wide @ bread @ wide.T,
        by_rater=wide @ rater @ wide.T,
        by_item=wide @ item @ wide.T,
        both=wide @ (rater + item - pair) @ wide.T,
    )


def centred_basis(models: int) -> Array:
    """Return an orthonormal (K, K-1) basis of the vectors that sum to 0."""
    return np.asarray(linalg.null_space(np.ones((1, models))))


def chances(gap: Array, log_nu: float | None) -> tuple[Array, Array]:
    """Return P(a wins) and P(tie) for the gaps θ_a - θ_b."""
    if log_nu is None:
        return np.asarray(expit(gap)), np.zeros_like(gap)
    weights = np.stack([gap / 2, -gap / 2, np.full_like(gap, log_nu)])
    shares = np.exp(weights - weights.max(axis=0))
    shares /= shares.sum(axis=0)
    return shares[0], shares[2]


def _derivatives(contests: Contests, basis: Array, parameters: Array) -> tuple[float, Array, Array]:
    """Return the log-likelihood, each comparison's score (N, P) and the information (P, P)."""
    free = basis.shape[1]
    log_nu = float(parameters[-1]) if len(parameters) > free else None
    theta = basis @ parameters[:free]
    win, tie = chances(theta[contests.a] - theta[contests.b], log_nu)
    x = basis[contests.a] - basis[contests.b]
    is_tie = contests.score == 0.5
    lose = np.maximum(1 - win - tie, 0.0)
    log_win, log_lose, log_tie = (np.log(np.maximum(p, 1e-300)) for p in (win, lose, tie))
    seen = contests.score * log_win + (1 - contests.score) * log_lose
    if log_nu is not None:
        seen = np.where(is_tie, log_tie, seen)
    mean = win + tie / 2
    spread = win + tie / 4 - np.square(mean)
    scores = (contests.score - mean)[:, None] * x
    hessian = (x * spread[:, None]).T @ x
    if log_nu is not None:
        cross = (tie / 2 - tie * mean) @ x
        scores = np.column_stack([scores, is_tie - tie])
        corner = np.array([[float((tie * (1 - tie)).sum())]])
        hessian = np.block([[hessian, cross[:, None]], [cross[None, :], corner]])
    return float(seen.sum()), scores, hessian


def _sandwich(bread: Array, scores: Array, codes: Codes) -> Array:
    """Return the sandwich covariance clustered on ``codes``, times G/(G-1)."""
    sums = indicator(codes) @ scores
    clusters = len(sums)
    return np.asarray(bread @ (sums.T @ sums) @ bread * clusters / max(clusters - 1, 1))
