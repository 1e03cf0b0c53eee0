"""Statistics in .npz files: those of other programs as they come, and what cannot be any."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from metrics.distribution.reference_statistics import read
from metrics.errors import InputError

WIDTH = 1024  # DINOv2's
Array = NDArray[np.float64]


@pytest.fixture(scope="module")
def moments() -> tuple[Array, Array]:
    """Mean and covariance of 40 rows: of rank 39, as a small reference has them."""
    rows = np.random.default_rng(0).standard_normal((40, WIDTH)) * np.linspace(0.1, 9, WIDTH)
    return rows.mean(axis=0), np.cov(rows, rowvar=False)


def written(folder: Path, **arrays: Any) -> Path:
    path = folder / "found.npz"
    np.savez(path, **arrays)
    return path


def test_shapes_orders_and_precisions_of_other_programs_are_read(
    tmp_path: Path, moments: tuple[Array, Array]
) -> None:
    mean, sigma = moments
    same = [(mean[None], sigma), (mean[:, None], np.asfortranarray(sigma))]
    for mu, covariance in same:
        found = read(written(tmp_path, mu=mu, sigma=covariance), "somebody's").moments
        assert np.array_equal(found.mean, mean)
        assert np.array_equal(found.covariance, sigma)
    single = {"mu": mean.astype(np.float32), "sigma": sigma.astype(np.float32)}
    found = read(written(tmp_path, **single), "somebody's").moments
    assert found.covariance.dtype == np.float64
    assert np.allclose(found.covariance, sigma, rtol=1e-6)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda mu, s: (mu, -s), "sigma has negative eigenvalues, with the sum"),
        (lambda mu, s: (mu, s - np.eye(len(s))), "expected a covariance, which has none"),
        (lambda mu, s: (mu, np.sqrt(abs(s))), "sigma has negative eigenvalues"),
        (lambda mu, s: (mu.reshape(2, -1), s), r"mu is \(2, 512\) and sigma \(1024, 1024\)"),
        (lambda mu, s: (mu, np.diagonal(s)), r"sigma \(1024,\), expected \(N,\) and \(N, N\)"),
        (lambda mu, s: (mu[:0], s[:0, :0]), r"mu is \(0,\)"),
        (lambda mu, s: (mu, s.astype(complex)), "sigma is complex128, expected float32 or"),
        (lambda mu, s: (mu.astype(np.float16), s), "mu is float16, expected float32 or float64"),
        (lambda mu, s: (mu.astype(int), s), "mu is int64, expected float32 or float64"),
        (lambda mu, s: (mu.astype(str), s), "mu is <U32, expected float32 or float64"),
        (lambda mu, s: (mu, s * np.nan), "sigma holds nan, expected finite numbers"),
        (lambda mu, s: (mu * 1e200, s), "expected finite numbers below 1e.100"),
    ],
)
def test_what_is_no_mean_and_covariance_is_refused(
    tmp_path: Path, moments: tuple[Array, Array], change: Any, words: str
) -> None:
    mean, sigma = change(*moments)
    path = written(tmp_path, mu=mean, sigma=sigma)
    with pytest.raises(InputError, match=words) as refused:
        read(path, "somebody's")
    assert str(refused.value).startswith(f"{path}: ")


@pytest.mark.parametrize("n", [0, 24.5, [24, 24]])
def test_a_number_of_images_is_one_whole_number(
    tmp_path: Path, moments: tuple[Array, Array], n: object
) -> None:
    origin = {"name": "real", "digest": "a", "extractor": "dinov2", "weights_digest": "b"}
    origin |= {"resize": "c", "precision": "fp32"}
    header = json.dumps(origin | {"format_version": 1})
    mean, sigma = moments
    given = {"mu": mean, "sigma": sigma, "origin": np.array(header)}
    assert read(written(tmp_path, **given, n=np.array(24))).count == 24
    with pytest.raises(InputError, match=r"n is .* expected a whole number of 2"):
        read(written(tmp_path, **given, n=np.array(n)))
