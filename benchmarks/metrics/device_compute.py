"""A whole `compute` on a device beside torch-fidelity's own entrance, at any number of images.

What images cost is in proportion to their number and is measured on a few; what statistics cost is
not, and is measured at the larger number, on rows drawn at random. Times that are put together from
both are called *carried*; `--whole` runs the larger number itself.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import torch

from benchmarks.metrics import device_peers, whole
from benchmarks.metrics.device_times import watched_compute
from benchmarks.support.images import write_runs
from metrics.compute.compute import compute
from metrics.compute.request import Request
from metrics.networks.registry import NetworkSettings
from metrics.progress import on_stderr
from metrics.weights.registry import WeightRegistry

NAMES = ("fid", "kid", "inception_score")  # what torch-fidelity computes in one pass
SMALL = 16  # pixels a side of images that are only names for drawn rows


def request_of(chosen: argparse.Namespace, weights: Path, cache: Path, *runs: Path) -> Request:
    """Return the request of a `compute` of this benchmark."""
    return Request(
        runs[0],
        cache,
        runs[1],
        metrics=NAMES,
        registry=WeightRegistry(os.environ, unpublished={"inception": weights}),
        networks=NetworkSettings(chosen.precision, device=chosen.device),
        workers=chosen.workers,
    )


@dataclass(frozen=True)
class Times:
    """Seconds from files to scores: of ours, of ours again from the cache, of the peer.

    `peer` is None where it was not asked for, `under_way` the share of the time of ours in which a
    batch was, None where the time was carried.
    """

    first: float
    again: float
    peer: float | None
    under_way: float | None = None


def bench_compute(chosen: argparse.Namespace, weights: Path, fake: Path, real: Path) -> None:
    """Print a `compute` of a run against its reference and the same by the peer, and carry both."""
    click.echo(f"compute: {', '.join(NAMES)}, from files to scores")
    few = _measured(chosen, weights, fake, real)
    _say(f"{chosen.images} images a side", chosen, chosen.images, few)
    for count in chosen.scale:
        with tempfile.TemporaryDirectory() as scratch:
            if chosen.whole:
                with on_stderr("images", count) as advance:
                    runs = write_runs(Path(scratch), count, advance=advance)
                many = _measured(chosen, weights, *runs)
                _say(f"{count:,} images a side", chosen, count, many)
            else:
                many = _carried(chosen, weights, count, few, Path(scratch))
                _say(f"{count:,} images a side, carried", chosen, count, many)


def _measured(chosen: argparse.Namespace, weights: Path, fake: Path, real: Path) -> Times:
    with tempfile.TemporaryDirectory() as cache, watched_compute() as busy:
        request = request_of(chosen, weights, Path(cache), fake, real)
        first, again = (_seconds(lambda: compute(request, on_stderr)) for _ in range(2))
    return Times(first, again, _of_peer(chosen, weights, fake, real), busy.share(first))


def _of_peer(chosen: argparse.Namespace, weights: Path, fake: Path, real: Path) -> float | None:
    if "torch-fidelity" not in chosen.peers:
        return None
    from benchmarks.metrics import peers

    cuda = chosen.device.startswith("cuda")
    images = device_peers.count(fake, real)
    with device_peers.counted("torch-fidelity", images, peers.NETWORK):
        return _seconds(lambda: peers.fidelity(weights, fake, real, cuda=cuda))


def _carried(
    chosen: argparse.Namespace, weights: Path, count: int, few: Times, scratch: Path
) -> Times:
    """Return the times of `count` images a side, put together as the module says.

    Loading the network is in both times of ours, so that it falls out; the peer's is measured.
    """
    with on_stderr("names of images", count) as advance:
        runs = write_runs(scratch / "named", count, SMALL, advance)
    request = request_of(chosen, weights, scratch / "cache", *runs)
    again = whole.from_drawn_rows(request, time.perf_counter)
    if few.peer is None:
        return carry(few, count / chosen.images, again=again, load=0, statistics=(0, 0))
    from benchmarks.metrics import peers

    load = _seconds(lambda: peers.fidelity_extractor(weights))
    before, after = (_peer_statistics(number) for number in (chosen.images, count))
    return carry(few, count / chosen.images, again=again, load=load, statistics=(before, after))


def carry(
    few: Times, ratio: float, *, again: float, load: float, statistics: tuple[float, float]
) -> Times:
    """Return the times of `ratio` times as many images.

    `again` is measured at the larger number; `load` and `statistics`, of both numbers, are the
    peer's: what is left of its time are its images.
    """
    before, after = statistics
    peer = None if few.peer is None else load + (few.peer - load - before) * ratio + after
    return Times((few.first - few.again) * ratio + again, again, peer)


def _peer_statistics(count: int) -> float:
    from benchmarks.metrics import peers

    f, r, logits = (
        whole.drawn(count, width, seed) for seed, width in enumerate((2048, 2048, 1008))
    )
    return _seconds(lambda: peers.of_features(f, r, logits))


def _seconds(step: Callable[[], Any]) -> float:
    started = time.perf_counter()
    step()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - started


def _say(what: str, chosen: argparse.Namespace, count: int, times: Times) -> None:
    line = f"  {what}: {times.first:.1f} s, {2 * count / times.first:.1f} img/s"
    if times.under_way is not None:
        line += f", {100 * times.under_way:.0f} % of the time a batch is under way"
    line += f"; again, from the cache, {times.again:.1f} s"
    if times.peer is not None:
        elsewhere = chosen.device.partition(":")[0] not in ("cpu", "cuda")
        line += f"; torch-fidelity{' on the processor' * elsewhere} {times.peer:.1f} s: "
        line += f"{times.peer / times.first:.1f} times"
    click.echo(line)
