"""A cache, and exported statistics, from before the decoder changed are never used after it."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from manage import run
from metrics.compute.compute import compute
from metrics.compute.request import Request
from metrics.errors import InputError
from metrics.extraction import row_store
from metrics.paired import lpips
from metrics.weights.registry import WeightRegistry

BEFORE = row_store.DECODING - 1
COUNT = 10
ORIENTATION = 0x0112


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with `real` and `fake`: photos that lie on their side."""
    random = np.random.default_rng(0)
    turned = Image.Exif()
    turned[ORIENTATION] = 6
    for role in ("real", "fake"):
        (tmp_path / role).mkdir()
        for index in range(COUNT):
            pixels = random.integers(0, 256, (40, 64, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / role / f"{index}.jpg", exif=turned)
    return tmp_path


def alexnet(path: Path) -> Path:
    """Write LPIPS weights of the published file's shapes, all alike."""
    prefix, stages = lpips.NETWORKS["lpips_alex"]
    nested: dict[str, dict[str, dict[str, np.ndarray]]] = {prefix: {}}
    channels, number = 3, 0
    for index, (_, convolutions) in enumerate(stages):
        for outputs, kernel, _, _ in convolutions:
            weight = np.full((kernel, kernel, channels, outputs), 1e-3, np.float32)
            arrays = {"kernel": weight, "bias": np.zeros(outputs, np.float32)}
            nested[prefix][f"Conv_{number}"] = arrays
            channels, number = outputs, number + 1
        head = np.ones((1, 1, channels, 1), np.float32)
        nested[f"NetLinLayer_{index}"] = {"Conv_0": {"kernel": head}}
    path.write_bytes(pickle.dumps(nested, protocol=4))
    return path


@pytest.mark.slow
@pytest.mark.parametrize(
    ("metric", "task", "rows"),
    [
        ("psnr", "psnr", COUNT),
        ("lpips_alex", "lpips_alex", COUNT),
        ("effnet_fd", "effnet_lite0", 2 * COUNT),
    ],
)
def test_rows_of_the_former_decoder_are_computed_anew(
    folder: Path, monkeypatch: pytest.MonkeyPatch, metric: str, task: str, rows: int
) -> None:
    weights = alexnet(folder / "alexnet.ckpt")
    registry = WeightRegistry({}, unpublished={"lpips_alex": weights})
    request = Request(
        folder / "fake", folder / "cache", folder / "real", metrics=(metric,), registry=registry
    )
    with monkeypatch.context() as before:
        before.setattr(row_store, "DECODING", BEFORE)
        assert compute(request).computed == {task: rows}
        assert compute(request).computed == {}
    assert compute(request).computed == {task: rows}
    assert compute(request).computed == {}


@pytest.mark.slow
def test_statistics_of_the_former_decoder_are_refused(folder: Path) -> None:
    exported, cache = folder / "real.npz", ["--cache", str(folder / "cache")]
    arguments = [str(folder / "real"), str(exported), "--extractor", "effnet_lite0", *cache]
    assert run(["metrics", "statistics", *arguments]) == 0
    request = Request(folder / "fake", folder / "cache", exported, metrics=("effnet_fd",))
    assert compute(request).scores.score("effnet_fd").value > 0
    with np.load(exported) as archive:
        arrays = dict(archive)
    origin = json.loads(str(arrays["origin"]))
    assert origin.pop("decoding") == row_store.DECODING
    np.savez(exported, **arrays | {"origin": np.array(json.dumps(origin))})
    with pytest.raises(InputError, match=r"are of images read by decoder 1, the run's are read by"):
        compute(request)
