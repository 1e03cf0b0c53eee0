"""Scores whose rows a Ray cluster made: equal to one process's, to the bit, whoever dies."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Event

import numpy as np
import pytest
from one_ray import drive
from PIL import Image
from skimage import data

from metrics.compute import spread
from metrics.compute.compute import compute
from metrics.compute.export_statistics import export
from metrics.compute.request import Outcome, Request, check_request
from metrics.errors import InputError
from metrics.extraction.one_pass import Done
from metrics.progress import Advance, silent
from metrics.scores import read_scores

NAMES = ("psnr", "ssim", "effnet_fd", "effnet_kid", "effnet_coverage")
IMAGES = 24


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for role, step in (("real", 0), ("fake", 3)):
        (tmp_path / role).mkdir()
        for index in range(IMAGES):
            pixels = data.astronaut()[index * 15 + step : index * 15 + step + 40, 150:190]
            Image.fromarray(pixels).save(tmp_path / role / f"{index:02d}.png")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(spread, "SHARD", 8)
    return tmp_path


def request_of(cache: str, ray: str | None = None) -> Request:
    # Relative paths, as a command line has them.
    return Request(Path("fake"), Path(cache), Path("real"), metrics=NAMES, ray=ray)


def same(one: Outcome, other: Outcome) -> None:
    assert one.scores.scores == other.scores.scores
    assert one.columns == other.columns


@pytest.mark.slow
def test_a_shard_is_what_run_pass_makes_of_it(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker's function, called here: no cluster, the same rows."""
    calls = []

    def in_process(address: str, function: object, given: list[tuple], **_: object) -> Iterator:
        for order, shard in reversed(given):  # a cluster finishes in any order
            calls.append(len(shard))
            yield spread.make_shard(order, shard)
            spread.make_shard(order, shard)  # and may make a shard twice

    expected = compute(request_of("alone"))
    monkeypatch.setattr(spread, "spread", in_process)
    found = compute(request_of("spread", "anywhere"))
    same(found, expected)
    assert found.computed == expected.computed
    assert calls == [8, 8, 8, 8, 8, 8][: len(calls)]
    again = compute(request_of("spread", "anywhere"))
    assert again.computed == {}
    for folder in ("alone", "spread"):
        export(request_of(folder, "anywhere"), "effnet_lite0", Path(f"{folder}.npz"))
    assert Path("alone.npz").read_bytes() == Path("spread.npz").read_bytes()


@pytest.mark.slow
def test_bad_files_are_refused_together(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def in_process(address: str, function: object, given: list[tuple], **_: object) -> Iterator:
        for name in ("03", "20"):  # damaged after they were looked at
            path = Path("fake") / f"{name}.png"
            path.write_bytes(path.read_bytes()[:-30] + b"x" * 30)
        yield from (spread.make_shard(*call) for call in given)

    monkeypatch.setattr(spread, "spread", in_process)
    with pytest.raises(InputError, match=r"^2 unusable files: .*03\.png.*; .*20\.png"):
        compute(request_of("cache", "anywhere"))


@pytest.mark.slow
def test_a_machine_that_computes_in_another_way_is_refused(
    runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def elsewhere(address: str, function: object, given: list[tuple], **_: object) -> Iterator:
        order, shard = given[0]
        changed = {change: order.__dict__ | {change: value} for change, value in CHANGES.items()}
        for fields in changed.values():
            with pytest.raises(InputError, match=r"machine .* of the cluster"):
                spread.make_shard(spread.Order(**fields), shard)
        yield from (spread.make_shard(*call) for call in given)

    monkeypatch.setattr(spread, "spread", elsewhere)
    assert compute(request_of("cache", "anywhere")).failed == {}


CHANGES = {"versions": {"torch": "0.1"}, "spaces": {"effnet_lite0": "another"}}


@pytest.mark.usefixtures("runs")
def test_without_a_cluster_the_address_is_named() -> None:
    # Also where all rows are cached, so that no cluster is needed.
    for address in ("local:none", "local:0", "local:"):
        with pytest.raises(InputError, match=rf"--ray {address}: expected local, local:N"):
            check_request(request_of("cache", address))


@pytest.mark.integration
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_any_number_of_workers_gives_equal_statistics(
    ray: Callable[[int], str], runs: Path
) -> None:
    expected = compute(request_of("alone"))
    export(request_of("alone"), "effnet_lite0", Path("alone.npz"))
    for workers in (1, 2, 4):
        cache = f"of-{workers}"
        same(compute(request_of(cache, ray(workers))), expected)
        export(request_of(cache), "effnet_lite0", Path(f"{cache}.npz"))
        assert Path(f"{cache}.npz").read_bytes() == Path("alone.npz").read_bytes()


class DriverDied(Exception):
    """Stands for a driver that ends half-way."""


@pytest.mark.integration
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_killed_worker_loses_nothing(ray: Callable[[int], str], runs: Path) -> None:
    expected = compute(request_of("alone"))
    over = Event()
    with ThreadPoolExecutor(1) as beside:
        killed = beside.submit(_kill_a_worker, over)
        try:
            same(compute(request_of("killed", ray(1))), expected)
        finally:
            over.set()
    assert killed.result()


@pytest.mark.slow
def test_a_new_driver_goes_on_where_the_last_one_died(
    runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def in_process(address: str, function: object, given: list[tuple], **_: object) -> Iterator:
        yield from (spread.make_shard(*call) for call in given)

    @contextmanager
    def dies(title: str, total: int) -> Iterator[Advance]:
        def advance(count: int) -> None:
            if title == "scoring":
                raise DriverDied

        yield advance

    expected = compute(request_of("alone"))
    monkeypatch.setattr(spread, "spread", in_process)
    with pytest.raises(DriverDied):
        compute(request_of("driver", "anywhere"), dies)
    found = compute(request_of("driver", "anywhere"), silent)
    same(found, expected)
    assert 0 < sum(found.computed.values()) < sum(expected.computed.values())


@pytest.mark.integration
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_killed_command_goes_on_with_the_shards_that_are_missing(
    ray: Callable[[int], str], runs: Path
) -> None:
    ray(1)
    expected = compute(request_of("alone"))
    command = ["metrics", "compute", "fake", "--reference", "real", "--cache", "driven"]
    command += ["--metrics", ",".join(NAMES), "-o", "out"]
    first = drive(*command, dies_after=2, shard=8)
    assert not Path("out").exists()
    second = drive(*command, shard=8)
    assert (len(first), sum(first) + sum(second)) == (2, sum(expected.computed.values()))
    assert read_scores(Path("out")).scores == expected.scores.scores
    for cache in ("alone", "driven"):
        export(request_of(cache), "effnet_lite0", Path(f"{cache}.npz"))
    assert Path("driven.npz").read_bytes() == Path("alone.npz").read_bytes()
    assert drive(*command, shard=8) == []


def _kill_a_worker(over: Event) -> list[int]:
    """Kill the workers as soon as one computes a shard; return which, none if none was seen."""
    while not (found := _workers()) and not over.is_set():
        time.sleep(0.01)
    for process in found:
        os.kill(process, signal.SIGKILL)
    return found


def _workers() -> list[int]:
    """Return the processes below this one that are computing a shard."""
    found, waiting = [], [os.getpid()]
    while waiting:
        pid = waiting.pop()
        try:
            lists = list(Path(f"/proc/{pid}/task").glob("*/children"))
            waiting += [int(child) for path in lists for child in path.read_text().split()]
            if Path(f"/proc/{pid}/cmdline").read_bytes().startswith(b"ray::make_shard"):
                found.append(pid)
        except OSError:
            continue
    return found


def test_done_is_empty_without_units() -> None:
    request = Request(Path("a"), Path("b"), ray="nowhere")
    assert spread.scored([], request, spread.Tasks((), ()), lambda _: None) == Done()
    assert np.lcm(spread.SHARD, 8) == spread.SHARD
