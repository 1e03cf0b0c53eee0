"""Networks on a device: the path of an accelerator on the processor, and what is refused."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data

from benchmarks.support.images import crops
from benchmarks.support.random_inception import write_random_inception
from manage import run
from metrics.compute import compute as compute_module
from metrics.compute import export_statistics
from metrics.compute.compute import compute
from metrics.compute.request import Request
from metrics.errors import InputError, MetricError
from metrics.extraction.one_pass import IN_FLIGHT, Task, Unit, run_pass
from metrics.extraction.row_store import RowStore
from metrics.images.decode import scan
from metrics.networks import devices, effnet, extractor, fused_conv, inception
from metrics.networks.registry import NetworkSettings
from metrics.paired import lpips
from metrics.weights.registry import WeightRegistry, WeightsFile

ACCELERATORS = ["cuda"] if torch.cuda.is_available() else []
ACCELERATORS += ["mps"] if torch.backends.mps.is_available() else []


@pytest.fixture
def as_if(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the processor for an accelerator: every call of that path, and no oneDNN operators."""
    for module in (devices, extractor, inception, lpips):
        monkeypatch.setattr(module, "on_processor", lambda _device: False)
    monkeypatch.setattr(devices, "_memory", lambda _device: 2.0**30)
    for module in (compute_module, export_statistics):
        monkeypatch.setattr(module, "reduces", lambda _device: torch.device("cpu"))
    monkeypatch.setattr(fused_conv, "has_fused_operators", lambda _dtype: False)


@pytest.fixture(scope="module")
def random_inception(tmp_path_factory: pytest.TempPathFactory) -> WeightsFile:
    path = write_random_inception(tmp_path_factory.mktemp("weights") / "random.pth")
    return WeightsFile(path, "random", False)


@pytest.mark.slow
def test_inception_gives_the_same_features(
    random_inception: WeightsFile, request: pytest.FixtureRequest
) -> None:
    images = crops(5, 64)
    expected = inception.load(random_inception, "fp32").features(images)
    request.getfixturevalue("as_if")
    network = inception.load(random_inception, "fp32")
    assert network.batch == 4  # 2**30 / 4 over 40 MB, as a power of two
    found = network.features(images)
    assert np.abs(found - expected).max() < 1e-4 * np.abs(expected).max()


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    for role, step in (("real", 0), ("fake", 3)):
        (tmp_path / role).mkdir()
        for index in range(11):
            pixels = data.astronaut()[index * 20 + step : index * 20 + step + 40, 150:190]
            Image.fromarray(pixels).save(tmp_path / role / f"{index:02d}.png")
    return tmp_path


def request_of(runs: Path, *names: str, device: str = "cpu", precision: str = "fp32") -> Request:
    return Request(
        runs / "fake",
        runs / "cache",
        runs / "real",
        metrics=names,
        networks=NetworkSettings(precision, device=device),
    )


@pytest.mark.slow
def test_a_whole_computation_is_the_processors(runs: Path, request: pytest.FixtureRequest) -> None:
    names = ["effnet_fd", "effnet_kid", "effnet_coverage", "psnr"]
    if not WeightRegistry(os.environ).lacking("lpips_alex"):
        names.append("lpips_alex")
    expected = compute(request_of(runs, *names))
    request.getfixturevalue("as_if")
    found = compute(request_of(runs, *names))
    assert found.failed == {}
    networks = {name for name in names if name.startswith("lpips")} | {"effnet_lite0"}
    assert set(found.computed) == networks  # rows of a device are kept apart from the processor's
    for one, other in zip(found.scores.scores, expected.scores.scores, strict=True):
        assert one.value == pytest.approx(other.value, rel=1e-4)
        assert one.precision == other.precision
    again = compute(request_of(runs, *names))
    assert again.computed == {}


@pytest.mark.skipif(not ACCELERATORS, reason="not for this processor: no accelerator")
@pytest.mark.parametrize("device", ACCELERATORS)
def test_an_accelerator_gives_the_processors_values(runs: Path, device: str) -> None:
    names = ["effnet_fd", "effnet_kid"]
    names += [] if WeightRegistry(os.environ).lacking("lpips_vgg") else ["lpips_vgg"]
    expected, found = (compute(request_of(runs, *names, device=d)) for d in ("cpu", device))
    for one, other in zip(found.scores.scores, expected.scores.scores, strict=True):
        assert one.value == pytest.approx(other.value, rel=1e-3)
        assert one.precision == other.precision == "fp32"


@pytest.mark.parametrize(
    ("device", "where"), [("cpu", None), ("mps", None), ("cuda:1", torch.device("cuda:1"))]
)
def test_features_are_reduced_where_fp64_is(device: str, where: torch.device | None) -> None:
    assert devices.reduces(device) == where


def test_rows_stay_on_the_device_when_they_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "_memory", lambda _device: 80 * 2.0**30)
    assert devices.holds("cuda", 2 * 50_000 * 2048)
    assert not devices.holds("cuda", 2 * 1_000_000 * 2048)


def test_bf16_of_a_device_is_a_precision_of_its_own() -> None:
    assert extractor.precision_on("cpu", "bf16") == "bf16"
    assert extractor.precision_on("cuda:1", "bf16") == "bf16-cuda"
    assert extractor.precision_on("mps", "bf16") == "bf16-mps"
    assert extractor.precision_on("cuda", "fp32") == "fp32"
    assert set(extractor.PRECISIONS) >= {"tf32", "bf16-cuda", "bf16-mps"}


@pytest.mark.parametrize("precision", ["fp32", "tf32"])
def test_tf32_is_taken_only_when_it_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, precision: str
) -> None:
    # What CUDA reads before each convolution and each product; no CUDA is needed to set it.
    monkeypatch.setattr(devices, "_stream", lambda _device: devices.nullcontext())
    before = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = True
    with devices.arithmetic("cuda", precision):
        switches = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
    torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = before
    assert switches == ((precision == "tf32"),) * 2


@pytest.mark.parametrize(
    ("memory", "megabytes", "batch"), [(80, 40, 256), (8, 40, 32), (8, 64, 32), (0.1, 40, 1)]
)
def test_batches_are_as_large_as_memory_allows(
    monkeypatch: pytest.MonkeyPatch, memory: float, megabytes: float, batch: int
) -> None:
    monkeypatch.setattr(devices, "_memory", lambda _device: memory * 2**30)
    assert devices.batch_for("cuda", 8, megabytes) == batch
    assert devices.batch_for("cpu", 8, megabytes) == 8


@pytest.mark.slow
@pytest.mark.parametrize(
    ("device", "precision", "words"),
    [
        ("gpu", "fp32", "device is 'gpu', expected cpu, cuda, cuda:N or mps"),
        ("cpu", "tf32", "precision tf32 is of CUDA devices, the device is 'cpu'"),
        pytest.param(
            "cuda", "fp32", r"device cuda: torch .* finds none here",
            marks=pytest.mark.skipif("cuda" in ACCELERATORS, reason="CUDA is here"),
        ),
        pytest.param(
            "mps", "fp32", "device mps: torch .* finds none here",
            marks=pytest.mark.skipif("mps" in ACCELERATORS, reason="MPS is here"),
        ),
    ],
)  # fmt: skip
def test_a_device_that_is_not_there_is_refused_before_the_work(
    runs: Path, device: str, precision: str, words: str
) -> None:
    with pytest.raises(InputError, match=words):
        compute(request_of(runs, "effnet_fd", device=device, precision=precision))
    assert not list((runs / "cache").glob("rows/*/rows.bin"))


@pytest.mark.slow
@pytest.mark.skipif("cuda" in ACCELERATORS, reason="CUDA is here")
def test_the_commands_say_so_in_one_line(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = runs / "cas.toml"
    config.write_text(f'test = "{runs}/real"\nreal = "{runs}/real"\n')
    for arguments in (
        [
            "compute",
            str(runs / "fake"),
            "--reference",
            str(runs / "real"),
            "--metrics",
            "effnet_fd",
        ],
        ["statistics", str(runs / "real"), str(runs / "a.npz"), "--extractor", "effnet_lite0"],
        ["cas", str(config), "-o", str(runs / "cas")],
    ):
        assert run(["metrics", *arguments, "--device", "cuda"]) == 1
        error = capsys.readouterr().err
        assert "device cuda: torch" in error
        assert error.count("\n") == 1


def units_of(folder: Path, task: Task) -> list[list[Unit]]:
    files = [scan(path) for path in sorted(folder.iterdir())]
    return [[Unit(task, bytes.fromhex(file.digest), (file,))] for file in files]


def means(batch: Sequence[Any]) -> np.ndarray:
    return np.array([[pixels.mean()] for (pixels,) in batch])


def test_two_batches_are_under_way_at_a_time(runs: Path) -> None:
    together = threading.Barrier(IN_FLIGHT)

    def compute_both(batch: Sequence[Any]) -> np.ndarray:
        together.wait(timeout=30)  # breaks unless the other batch has begun
        return means(batch)

    stores = [RowStore(runs / name, {"of": "means"}, 1, "<f8") for name in ("ahead", "plain")]
    ahead = Task("ahead", stores[0], compute_both, batch=2, on_device=True)
    rounds = units_of(runs / "fake", ahead)[:8]
    done = run_pass(rounds, workers=2)
    plain = Task("plain", stores[1], means, batch=2)
    run_pass(units_of(runs / "fake", plain)[:8], workers=2)
    assert done.computed == {"ahead": 8}
    for name in ("rows.bin", "index.bin"):  # stored in the order of the files
        one, other = ((store.folder / name).read_bytes() for store in stores)
        assert one == other


@pytest.mark.slow
def test_a_device_that_fails_is_named_and_the_others_go_on(runs: Path) -> None:
    def fails(batch: Sequence[Any]) -> np.ndarray:
        raise RuntimeError("CUDA error: out of memory\nmore lines")

    store = RowStore(runs / "store", {"of": "nothing"}, 1, "<f8")
    bad = Task("bad", store, fails, batch=2, on_device=True)
    good = Task("good", RowStore(runs / "good", {"of": "means"}, 1, "<f8"), means, batch=2)
    rounds = [[*a, *b] for a, b in zip(
        units_of(runs / "fake", bad), units_of(runs / "fake", good), strict=True
    )]  # fmt: skip
    done = run_pass(rounds)
    assert done.failed == {"bad": "RuntimeError: CUDA error: out of memory"}
    assert done.computed == {"good": 11}


@pytest.mark.slow
def test_weights_stay_whole_on_the_way(as_if: None) -> None:
    found = WeightRegistry(os.environ).find("effnet_lite0")
    network = effnet.load(found, "fp32", device="cpu")
    assert network.batch == 8
    assert network.provenance["precision"] == "fp32"
    with pytest.raises(MetricError, match="precision is 'fp16'"):
        effnet.load(found, "fp16")


def test_a_processor_without_bf16_refuses_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "takes_bf16", lambda: False)
    with pytest.raises(InputError, match=r"bf16: this processor has no AVX-512.*use fp32"):
        devices.check_device("cpu", "bf16")
    devices.check_device("cpu", "fp32")
