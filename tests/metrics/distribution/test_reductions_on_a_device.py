"""Features reduced by torch, as on a device: the processor's values, and other packages'.

No accelerator is needed: the calls are those of one, on the processor.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import scipy.linalg
import torch
from numpy.typing import NDArray

from benchmarks.support.torchvision_import import define_operators
from metrics.distribution import frechet, frechet_infinity, moments
from metrics.distribution import kernel as kid
from metrics.distribution import neighbourhoods as prdc
from metrics.distribution.features import FeatureSet
from metrics.extraction import algebra
from metrics.extraction.row_store import RowStore
from metrics.images.decode import Scanned
from metrics.images.pairing import ImageFiles

DEVICE = torch.device("cpu")
WIDTH = 48
Rows = NDArray[np.float32]


@pytest.fixture(scope="module")
def rows() -> tuple[Rows, Rows]:
    """Correlated, positive rows, as pooled features are."""
    random = np.random.default_rng(3)
    mixing = random.standard_normal((WIDTH, WIDTH)) / 7
    both = [
        np.abs(random.standard_normal((n, WIDTH)) @ mixing + s) for n, s in ((700, 0), (640, 0.05))
    ]
    return both[0].astype(np.float32), both[1].astype(np.float32)


def blocks(rows: Rows) -> Callable[[], list[torch.Tensor]]:
    return lambda: [algebra.placed(block, DEVICE) for block in np.array_split(rows, 3)]


def test_moments_are_numpys(rows: tuple[Rows, Rows]) -> None:
    found = moments.over(blocks(rows[0])())
    assert isinstance(found.mean, np.ndarray)
    wide = rows[0].astype(np.float64)
    assert found.mean == pytest.approx(wide.mean(axis=0), rel=1e-12)
    assert found.covariance == pytest.approx(np.cov(wide, rowvar=False), rel=1e-9, abs=1e-14)


def test_the_frechet_distance_is_scipys(rows: tuple[Rows, Rows]) -> None:
    a, b = (moments.over(blocks(part)()) for part in rows)
    root = scipy.linalg.sqrtm(a.covariance @ b.covariance).real
    gap = a.mean - b.mean
    expected = gap @ gap + np.trace(a.covariance + b.covariance - 2 * root)
    found = frechet.distance(a, b, device=DEVICE)
    assert found == pytest.approx(expected, rel=1e-7)
    assert found == pytest.approx(frechet.distance(a, b), rel=1e-9)
    floors = [frechet.noise_floor(frechet.spectrum(b, place), 700, 640) for place in (None, DEVICE)]
    assert floors[1] == pytest.approx(floors[0], rel=1e-9)


def test_a_covariance_without_a_cholesky_factor_goes_to_the_processor() -> None:
    random = np.random.default_rng(4)
    a, b = (moments.of_rows(random.standard_normal((20, WIDTH))) for _ in range(2))
    one, other = (algebra.placed(each.covariance, DEVICE) for each in (a, b))
    assert algebra.eigenvalues_of_product(one - torch.eye(WIDTH), other) is None
    assert frechet.distance(a, b, device=DEVICE) == frechet.distance(a, b)


def test_the_distance_at_infinity_is_the_processors(rows: tuple[Rows, Rows]) -> None:
    run, reference = (moments.of_rows(part) for part in rows)
    parts = [moments.of_rows(part) for part in np.array_split(rows[0], frechet_infinity.PARTS)]
    sizes = [part.n for part in parts]
    for place, given in ((None, [rows[0]]), (DEVICE, blocks(rows[0])())):
        limit = frechet_infinity.limit(parts, reference, place)
        error = frechet_infinity.standard_error(given, run, reference, sizes, place)
        if place is None:
            expected = (limit, error)
    assert (limit, error) == pytest.approx(expected, rel=1e-7)


def test_the_kernel_distance_is_the_processors(rows: tuple[Rows, Rows]) -> None:
    x, y = rows[0][:640], rows[1]
    on_processor = kid.kernel_distance(lambda: [x], lambda: [y])
    assert kid.kernel_distance(blocks(x), blocks(y)) == pytest.approx(on_processor, rel=1e-4)


@pytest.mark.slow
def test_the_kernel_distance_is_torch_fidelitys(rows: tuple[Rows, Rows]) -> None:
    define_operators()
    from torch_fidelity import metric_kid

    x, y = rows[0][:640], rows[1]
    value, _ = kid.kernel_distance(blocks(x), blocks(y))
    expected = metric_kid.kid_features_to_metric(
        *(torch.from_numpy(part.astype(np.float64)) for part in (x, y)),
        kid_subsets=1,
        kid_subset_size=640,
        kid_kernel="poly",
        kid_kernel_poly_degree=3,
        kid_kernel_poly_gamma=None,
        kid_kernel_poly_coef0=1,
        rng_seed=0,
        verbose=False,
    )["kernel_inception_distance_mean"]
    assert value == pytest.approx(expected, rel=1e-8)


@pytest.mark.slow
@pytest.mark.parametrize("k", [3, 5])
def test_neighbourhoods_are_prdcs(rows: tuple[Rows, Rows], k: int) -> None:
    from prdc import compute_prdc

    real, fake = rows
    found = prdc.neighbourhoods(real, fake, k, DEVICE).values()
    expected = compute_prdc(real.astype(np.float64), fake.astype(np.float64), k)
    assert found == pytest.approx(expected, abs=1e-12)
    assert found == prdc.neighbourhoods(real, fake, k).values()


@pytest.mark.parametrize("held", [True, False])
def test_a_set_gives_its_rows_on_the_device(
    rows: tuple[Rows, Rows], tmp_path: Path, held: bool
) -> None:
    few = rows[0][:5]
    keys = [bytes([number]) * 32 for number in range(5)]
    store = RowStore(tmp_path, {"of": "rows"}, WIDTH, "<f4")
    store.append(keys, few)
    files = {
        str(n): Scanned(tmp_path / f"{n}.png", key.hex(), 8, 8, lossy=False)
        for n, key in enumerate(keys)
    }
    images = ImageFiles("run", tmp_path, "0" * 64, None, files, {})
    features = FeatureSet(images, store, DEVICE, held)
    walks = [list(features.blocks()) for _ in range(2)]
    assert all(block.dtype == torch.float64 for walk in walks for block in walk)
    assert (walks[0][0] is walks[1][0]) == held
    assert torch.cat(walks[1]).numpy() == pytest.approx(few)
