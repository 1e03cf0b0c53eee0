"""Fréchet distance, KID, class score, neighbourhoods: closed forms and other libraries."""

from __future__ import annotations

import contextlib
import importlib
import io
from functools import partial
from types import ModuleType

import numpy as np
import pytest
import scipy.linalg
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from benchmarks.support.torchvision_import import define_operators
from metrics.distribution import class_score, frechet, frechet_infinity, moments
from metrics.distribution import kernel as kid
from metrics.distribution import neighbourhoods as prdc
from metrics.errors import InputError, NumericError
from metrics.intervals import wilson

Rows = NDArray[np.floating]


def cross(d: int) -> Rows:
    """Return 2d rows with mean 0 and covariance I, exactly: ±sqrt((2d-1)/2) on each axis."""
    return np.sqrt((2 * d - 1) / 2) * np.concatenate([np.eye(d), -np.eye(d)])


def pair(
    n: int = 300, m: int = 260, d: int = 24
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    random = np.random.default_rng(0)
    x = random.standard_normal((n, d)) * np.linspace(0.2, 2, d)
    y = random.standard_normal((m, d)) * 1.2 + 0.1
    return x.astype(np.float32), y.astype(np.float32)


def all_distances(x: Rows, y: Rows) -> list[float]:
    a, b = moments.of_rows(x), moments.of_rows(y)
    few = frechet.distance_of_few(a, b, x)
    return [frechet.distance(a, b), few, frechet.distance_of_rows(x, y)]


@pytest.mark.parametrize(("d", "expected"), [(4, 2.5555555555555554), (64, 37.5026455026455)])
def test_frechet_distance_in_closed_form(d: int, expected: float) -> None:
    # Scaled by s and shifted by 1/2: d/4 + Σ (s_i - 1)², s from 1 to 2.
    x = cross(d)
    for found in all_distances(x, x * np.linspace(1, 2, d) + 0.5):
        assert found == pytest.approx(expected, rel=1e-12)


@pytest.fixture(scope="module")
def torch_fidelity() -> ModuleType:
    """The library; it imports torchvision for seconds: tests that use it are `slow`."""
    define_operators()
    for name in ("metric_fid", "metric_isc", "metric_kid"):
        importlib.import_module(f"torch_fidelity.{name}")
    return importlib.import_module("torch_fidelity")


@pytest.mark.slow
def test_frechet_distance_equals_torch_fidelity(torch_fidelity: ModuleType) -> None:
    metric_fid = torch_fidelity.metric_fid
    x, y = pair()
    statistics = [metric_fid.fid_features_to_statistics(torch.from_numpy(one)) for one in (x, y)]
    expected = metric_fid.fid_statistics_to_metric(*statistics, verbose=False)
    for found in all_distances(x, y):
        assert found == pytest.approx(expected["frechet_inception_distance"], rel=1e-4)


def test_three_ways_to_the_distance_agree_with_fewer_rows_than_features() -> None:
    x, y = pair(20, 30, 48)
    first, *others = all_distances(x, y)
    assert others == pytest.approx([first, first], rel=1e-6)
    assert frechet.distance_of_rows(x, x) == pytest.approx(0, abs=1e-9)


def in_one_basis(*spectra: Rows) -> list[moments.Moments]:
    """Return moments whose covariances have these spectra and share random eigenvectors."""
    d = len(spectra[0])
    basis, _ = np.linalg.qr(np.random.default_rng(8).standard_normal((d, d)))
    return [moments.Moments(2, np.zeros(d), (basis * values) @ basis.T) for values in spectra]


@pytest.mark.parametrize("lowest", [1e-4, 1e-9, 1e-14, 0.0])
def test_small_eigenvalues_count(lowest: float) -> None:
    # Covariances that commute: tr (Σ1 Σ2)^½ = Σ sqrt(λ1 λ2), so the distance is known.
    first = np.geomspace(1, max(lowest, 1e-14), 200)
    first[100:] *= lowest > 0
    second = 1.3 * first
    expected = np.sum((np.sqrt(second) - np.sqrt(first)) ** 2)
    a, b = in_one_basis(first, second)
    assert frechet.distance(a, b) == pytest.approx(expected, abs=1e-12 * first.sum())


@pytest.mark.parametrize("decay", [0.0, 0.02, 0.05])
def test_a_set_has_no_distance_to_itself(decay: float) -> None:
    rows = np.random.default_rng(9).standard_normal((500, 256)) * np.exp(-decay * np.arange(256))
    own = moments.of_rows(rows)
    assert frechet.distance(own, own) <= 1e-12 * np.trace(own.covariance)
    few = moments.of_rows(rows[:100])
    assert frechet.distance_of_few(few, few, rows[:100]) <= 1e-9 * np.trace(few.covariance)


def test_nearly_singular_sets_agree_with_scipys_matrix_root() -> None:
    random = np.random.default_rng(10)
    scale = np.exp(-0.05 * np.arange(256))
    a, b = (moments.of_rows(random.standard_normal((400, 256)) * scale * s) for s in (1, 1.02))
    root = np.trace(scipy.linalg.sqrtm(a.covariance @ b.covariance).real)
    gap = a.mean - b.mean
    expected = gap @ gap + np.trace(a.covariance) + np.trace(b.covariance) - 2 * root
    assert frechet.distance(a, b) == pytest.approx(expected, rel=1e-9)


def test_a_covariance_that_is_not_finite_is_refused() -> None:
    a, b = in_one_basis(np.ones(4), np.ones(4))
    b.scatter[0, 0] = np.inf
    for pair_of in ((a, b), (b, a)):
        with pytest.raises(NumericError, match="not finite"):
            frechet.distance(*pair_of)


@pytest.mark.slow
@settings(max_examples=30, deadline=None)
@given(cuts=st.lists(st.integers(1, 299), min_size=1, max_size=6, unique=True))
def test_moments_do_not_depend_on_where_the_blocks_are_cut(cuts: list[int]) -> None:
    x, _ = pair()
    found = moments.over(np.split(x, sorted(cuts)))
    assert found.n == len(x)
    assert found.mean == pytest.approx(x.astype(float).mean(0), abs=1e-12)
    assert found.covariance == pytest.approx(np.cov(x.astype(float), rowvar=False), abs=1e-12)


def test_the_noise_floor_is_the_mean_distance_of_equal_sets() -> None:
    random = np.random.default_rng(4)
    scale = np.linspace(0.5, 2, 12)
    draws = [
        frechet.distance(
            *(moments.of_rows(random.standard_normal((n, 12)) * scale) for n in (400, 300))
        )
        for _ in range(60)
    ]
    found = frechet.noise_floor(scale**2, 400, 300)
    assert found == pytest.approx(np.mean(draws), rel=0.08)


@pytest.mark.slow
@pytest.mark.parametrize(("n", "m"), [(30, 25), (30, 400)])
def test_the_noise_floor_of_few_images_is_the_mean_over_draws(n: int, m: int) -> None:
    random = np.random.default_rng(11)
    scale = np.geomspace(3, 0.1, 40)
    draws = [
        frechet.distance(
            *(moments.of_rows(random.standard_normal((size, 40)) * scale) for size in (n, m))
        )
        for _ in range(400)
    ]
    found = frechet.noise_floor(scale**2, n, m)
    error = np.std(draws) / np.sqrt(len(draws))
    # One draw alone is off by its spread: here some per cent, and the mean by half a per cent.
    assert np.std(draws) > 0.03 * np.mean(draws)
    assert found == pytest.approx(np.mean(draws), abs=3 * error + 0.02 * np.mean(draws))
    assert found == frechet.noise_floor(scale**2, n, m)


def test_both_ways_to_the_spectrum_agree() -> None:
    x, _ = pair(20, 2, 48)
    found = frechet.spectrum_of_rows(x)
    assert len(found) == 19
    assert found == pytest.approx(frechet.spectrum(moments.of_rows(x)), rel=1e-9)


def test_fd_infinity_is_nearer_to_the_truth() -> None:
    random = np.random.default_rng(5)
    reference = moments.of_rows(random.standard_normal((40_000, 16)))
    rows = random.standard_normal((1200, 16)) + 0.1  # truth: 16 · 0.1² = 0.16
    parts = [moments.of_rows(part) for part in np.array_split(rows, frechet_infinity.PARTS)]
    raw = frechet.distance(moments.of_rows(rows), reference)
    assert abs(frechet_infinity.limit(parts, reference) - 0.16) < abs(raw - 0.16)


@pytest.mark.slow
def test_the_error_of_fd_infinity_is_its_spread_over_draws() -> None:
    random = np.random.default_rng(6)
    reference = moments.of_rows(random.standard_normal((40_000, 8)))
    values, errors = [], []
    for _ in range(200):
        rows = random.standard_normal((600, 8)) * np.linspace(0.7, 1.5, 8) + 0.2
        parts = [moments.of_rows(part) for part in np.array_split(rows, frechet_infinity.PARTS)]
        values.append(frechet_infinity.limit(parts, reference))
        sizes = [part.n for part in parts]
        whole = moments.of_rows(rows)
        errors.append(frechet_infinity.standard_error([rows], whole, reference, sizes))
    assert np.mean(errors) == pytest.approx(np.std(values), rel=0.15)


def test_a_feature_that_never_varies_leaves_the_error_of_fd_infinity() -> None:
    random = np.random.default_rng(7)
    rows, others = random.standard_normal((2, 600, 6)) * 1.3
    found = []
    for part in (np.s_[:], np.s_[:5]):
        x, y = rows.copy(), others.copy()
        x[:, 5] = y[:, 5] = 0.0
        a, b = moments.of_rows(x[:, part]), moments.of_rows(y[:, part])
        found.append(frechet_infinity.standard_error([x[:, part]], a, b, [100] * 6))
    assert found[0] == pytest.approx(found[1], rel=1e-9)


def test_kid_of_the_notes_example() -> None:
    zeros = np.zeros((2, 8), np.float32)
    value, error = kid.kernel_distance(lambda: [zeros], lambda: [zeros + 1])
    assert value == 7.0
    assert error == 0.0


@pytest.mark.slow
def test_kid_equals_torch_fidelity_on_the_whole_sets(torch_fidelity: ModuleType) -> None:
    x, y = pair(300, 300)
    expected = torch_fidelity.metric_kid.kid_features_to_metric(
        torch.from_numpy(x),
        torch.from_numpy(y),
        kid_subsets=1,
        kid_subset_size=300,
        kid_kernel="poly",
        kid_kernel_poly_degree=3,
        kid_kernel_poly_gamma=None,
        kid_kernel_poly_coef0=1,
        rng_seed=0,
        verbose=False,
    )["kernel_inception_distance_mean"]
    blocks = [x[:100], x[100:250], x[250:]]
    found, _ = kid.kernel_distance(lambda: blocks, lambda: [y[:128], y[128:]])
    assert found == pytest.approx(expected, rel=1e-4)


def test_kid_standard_error_is_the_spread_over_draws() -> None:
    random = np.random.default_rng(6)
    draws = []
    for _ in range(60):
        x, y = random.standard_normal((120, 4)), random.standard_normal((120, 4)) + 0.7
        draws.append(kid.kernel_distance(partial(list, [x]), partial(list, [y])))
    values, errors = np.array(draws).T
    assert np.mean(errors) == pytest.approx(values.std(ddof=1), rel=0.3)


def scores(logits: Rows, *, shuffle: bool = True) -> Rows:
    return class_score.class_score(lambda at: logits[at], len(logits), shuffle=shuffle)


def test_class_score_bounds() -> None:
    assert scores(np.zeros((50, 7))) == pytest.approx(np.ones(10))
    one_hot = np.where(np.eye(5)[np.arange(100) % 5] > 0, 0.0, -800.0)
    assert scores(one_hot, shuffle=False) == pytest.approx(np.full(10, 5.0))


def test_class_score_needs_ten_images() -> None:
    with pytest.raises(InputError, match="at least 10 images, found 3"):
        scores(np.zeros((3, 7)))


@pytest.mark.slow
def test_class_score_equals_torch_fidelity(torch_fidelity: ModuleType) -> None:
    logits = np.random.default_rng(7).standard_normal((233, 40)).astype(np.float32) * 3
    expected = torch_fidelity.metric_isc.isc_features_to_metric(torch.from_numpy(logits))
    found = scores(logits)
    assert found.mean() == pytest.approx(expected["inception_score_mean"], rel=1e-9)
    assert found.std() == pytest.approx(expected["inception_score_std"], rel=1e-6)


@pytest.mark.parametrize(
    ("shift", "expected"),
    [(0.25, [1, 1, 1.9, 1]), (1.0, [0.9] * 4), (100.0, [0] * 4)],
)
def test_neighbourhoods_of_ten_points_on_a_line(shift: float, expected: list[float]) -> None:
    real = np.arange(10.0)[:, None]
    found = prdc.neighbourhoods(real, real + shift, k=1)
    assert list(found.values().values()) == pytest.approx(expected)


@pytest.mark.slow
@pytest.mark.parametrize("k", [3, 5])
def test_neighbourhoods_equal_prdc(k: int) -> None:
    from prdc import compute_prdc

    x, y = pair(700, 530, 16)
    with contextlib.redirect_stdout(io.StringIO()):
        expected = compute_prdc(x, y, k)
    assert prdc.neighbourhoods(x, y, k).values() == pytest.approx(expected, abs=1e-12)


def test_expected_coverage_is_reached_by_equal_sets() -> None:
    random = np.random.default_rng(8)
    draws = [
        prdc.neighbourhoods(random.random((150, 3)), random.random((120, 3))).values()["coverage"]
        for _ in range(40)
    ]
    assert np.mean(draws) == pytest.approx(prdc.expected_coverage(150, 120), abs=0.01)


def test_wilson_interval_of_newcombe() -> None:
    # Newcombe 1998, table I: 81 of 263 gives 0.2553 to 0.3662 (method 3).
    assert (wilson(0, 3)[0], wilson(1, 7)[1]) == (0, 1)
    assert wilson(81 / 263, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
