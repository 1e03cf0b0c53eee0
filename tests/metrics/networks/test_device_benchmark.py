"""What `bench device` makes of its clocks, where there is no device to look at."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from benchmarks.metrics import device_times
from benchmarks.metrics.device_compute import Times, carry
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


def test_a_larger_number_is_carried_from_a_measured_one() -> None:
    # 10 images: ours 5 s, of them 1 for statistics and loading; the peer 20 s, of them 2 for
    # loading and 3 for statistics. 100 images: statistics take 4 and 7 s.
    found = carry(Times(5, 1, 20), 10, again=4, load=2, statistics=(3, 7))
    assert found == Times(4 * 10 + 4, 4, 2 + 15 * 10 + 7)
