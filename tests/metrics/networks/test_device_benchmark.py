"""What `bench metrics device` makes of its clocks, where there is no device to look at."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks.metrics import (
    device,
    device_compute,
    device_peers,
    device_times,
    micro,
    peers,
    values,
)
from benchmarks.metrics.device_compute import Ours, Peers, carry, carry_peer, runs_of
from benchmarks.metrics.measured import Measured
from metrics.networks import effnet
from metrics.weights.registry import WeightRegistry


@pytest.mark.parametrize(
    ("spans", "seconds"),
    [
        ([], 0),
        ([(1, 2), (4, 6)], 3),
        ([(4, 6), (1, 2)], 3),
        ([(1, 4), (2, 3)], 3),
        ([(1, 3), (2, 5)], 4),
        ([(-2, -1), (-1, 0)], 2),
    ],
)
def test_spans_that_overlap_count_once(spans: list[tuple[float, float]], seconds: float) -> None:
    assert device_times.union(spans) == seconds


class Event:
    """A CUDA event on a device whose clock goes on by 100 ms from one event to the next."""

    now = 0.0

    def __init__(self, *, enable_timing: bool) -> None:
        assert enable_timing

    def record(self) -> None:
        Event.now += 100
        self.at = Event.now

    def elapsed_time(self, other: Event) -> float:
        return other.at - self.at


@pytest.mark.slow
def test_the_devices_own_events_tell_how_busy_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "Event", Event)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: None)
    network = effnet.load(WeightRegistry({}).find("effnet_lite0"), "fp32")
    times = device_times.DeviceTimes()
    watched = times.watch(network)
    images: Any = torch.zeros(2, 3, 224, 224)
    with torch.inference_mode():
        for _ in range(3):  # each takes 100 ms, and 100 pass between two
            assert torch.equal(watched.network(images), network.network(images))
    assert times.share(1.0) == pytest.approx(0.3)


def test_peers_that_cannot_be_imported_are_named_with_the_reason(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def imported(name: str) -> None:
        if name == "cleanfid.fid":
            raise ModuleNotFoundError("No module named 'cleanfid'")
        if name == "pyiqa.archs.lpips_arch":  # it is there, and what it needs is not
            raise ImportError("No module named 'cv2'")

    monkeypatch.setattr(device_peers, "import_module", imported)
    assert device_peers.here(list(device_peers.PEERS)) == {"torch-fidelity", "lpips"}
    assert capsys.readouterr().out.splitlines() == [
        "left out: clean-fid (No module named 'cleanfid'; pip install --no-deps clean-fid)",
        "left out: pyiqa (No module named 'cv2'; "
        "pip install --no-deps pyiqa opencv-python-headless)",
    ]
    assert device_peers.here(["lpips"]) == {"lpips"}
    assert device_peers.here([]) == frozenset()
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("benchmark", [device, micro])
def test_parts_that_are_not_there_are_refused(
    benchmark: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        benchmark.main(["features", "sharpness"])
    assert "no parts ['sharpness'], expected some of features, " in capsys.readouterr().err


def test_peers_are_chosen() -> None:
    assert device._parse([]).peers == list(device_peers.PEERS)
    assert device._parse(["features", "--skip-peers"]).peers == []
    assert device._parse(["--peers", "lpips", "pyiqa"]).peers == ["lpips", "pyiqa"]


def test_a_peer_shows_how_far_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    counts: list[int] = []

    @contextmanager
    def noted(title: str, total: int) -> Iterator[Callable[[int], None]]:
        counts.extend([len(title), total])
        yield counts.append

    class Net(torch.nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return images + 1

    monkeypatch.setattr(device_peers, "on_stderr", noted)
    with device_peers.counted("peer", 5, Net):
        for batch in (3, 2):
            assert torch.equal(Net()(torch.zeros(batch)), torch.ones(batch))
    Net()(torch.zeros(9))  # after it, nobody counts
    assert counts == [4, 5, 3, 2]


def both(seconds: float) -> dict[str, float]:
    return {"seconds": seconds, "processor": 2 * seconds}


def test_a_larger_number_is_carried_from_a_measured_one() -> None:
    # 10 images: ours 5 s, of them 1 for statistics and loading; the peer 20 s, of them 2 for
    # loading and 3 for statistics. 100 images: statistics take 4 and 7 s.
    ours = carry(Ours(10, both(5), both(1), 0.9), 100, both(4))
    assert ours == Ours(100, both(4 * 10 + 4), both(4))
    peer = carry_peer(Peers(10, both(20)), 100, both(2), (both(3), both(7)))
    assert peer == Peers(100, both(2 + 15 * 10 + 7))


def test_a_measurement_is_written_at_once_and_taken_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, made = tmp_path / "measured.jsonl", []

    def measure() -> dict[str, Any]:
        made.append(file.read_text() if file.exists() else "")
        return {"seconds": float(len(made))}

    first = Measured(file, {"device": "cpu"})
    assert [first.of(name, measure)["seconds"] for name in ("a", "b", "a")] == [1, 2, 1]
    assert made[1].count("\n") == 1  # "a" was written before "b" was begun
    file.write_text(file.read_text() + '{"name": "c", "fou')  # killed while it wrote
    again = Measured(file, {"device": "cpu"})
    assert [again.of(name, measure)["seconds"] for name in ("b", "c")] == [2, 3]
    assert "b: measured at " in capsys.readouterr().err
    assert Measured(file, {"device": "cpu"}).of("c", measure) == {"seconds": 3}
    assert Measured(file, {"device": "mps"}).of("a", measure) == {"seconds": 4}


def test_images_are_drawn_once_and_never_by_halves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "images-2-half" / "fake").mkdir(parents=True)  # left by a run that was killed
    fake, real = runs_of(tmp_path, 2)
    assert (len(list(fake.iterdir())), len(list(real.iterdir()))) == (2, 2)
    monkeypatch.setattr(device_compute, "write_runs", None)
    assert runs_of(tmp_path, 2) == (fake, real)


@pytest.fixture
def instant(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put what takes time out of the benchmark: all else of it is what is tested."""
    rows = np.ones((2, 3))
    ran = device_times.Ran(1.0, 0.5, rows, processor=2.0)
    took = device_times.timed(lambda: None)[1]
    network = SimpleNamespace(task=lambda _: None)
    beside = [values.Beside(name, 1.0, 1.0) for name in values.NAMES]
    for place, name, stand_in in (
        (device, "write_random_inception", lambda path: path),
        (device, "run_task", lambda *_: ran),
        (device.inception, "load", lambda *_, **__: network),
        (device.lpips, "task", lambda *_: None),
        (device.WeightRegistry, "lacking", lambda *_: ""),
        (device_peers, "import_module", lambda _: None),
        (device_peers, "fidelity_features", lambda *_: lambda _: rows),
        (device_peers, "clean_fid_features", lambda *_, **__: lambda _: rows),
        (device_peers, "_pair_by_pair", lambda *_, **__: lambda *_: None),
        (values, "values", lambda *_: beside),
        (device_compute, "compute", lambda *_: None),
        (device_compute.whole, "from_drawn_rows", lambda *_: np.array([1.0, 2.0])),
        (device_compute, "_peer_statistics", lambda _: took),
        (peers, "fidelity", lambda *_, **__: {}),
        (peers, "fidelity_extractor", lambda _: None),
    ):
        monkeypatch.setattr(place, name, stand_in)


@pytest.mark.slow
def test_the_benchmark_says_what_was_carried_and_measures_nothing_twice(
    instant: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--device", "cpu", "--images", "2", "--into", str(tmp_path / "into")]
    device.main([*options, "--scale", "3", "20", "--whole", "3"])
    said = capsys.readouterr().out
    for words in (
        "Inception features: 2.0 img/s, 1.00 a second of one core",
        "  torch-fidelity: ",
        "  clean-fid: ",
        "features 0.0e+00 of the largest apart",
        "LPIPS, VGG16, pairs: ",
        "  lpips: ",
        "  pyiqa: ",
        "fid                           1              1   0.0e+00",
        "  2 images a side: ",
        "  3 images a side: ",
        "torch-fidelity, carried from 2 ",
        "  20 images a side, carried from 3: ",
    ):
        assert words in said
    measured = (tmp_path / "into" / "measured.jsonl").read_text()
    device.main([*options, "--scale", "3", "20", "--whole", "3"])
    assert (tmp_path / "into" / "measured.jsonl").read_text() == measured
    again = [line for line in capsys.readouterr().out.splitlines() if "load before" not in line]
    assert again == [line for line in said.splitlines() if "load before" not in line]
