"""A whole `compute` on a device beside torch-fidelity's own entrance, at any number of images.

What images cost is in proportion to their number and is measured on a few; what statistics cost is
not, and is measured at the larger number, on rows drawn at random. Times that are put together from
both are called *carried*; `--whole` and `--whole-peer` run larger numbers themselves.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import click
import numpy as np

from benchmarks.metrics import device_peers, whole
from benchmarks.metrics.device_times import timed, watched_compute
from benchmarks.support.images import write_runs
from benchmarks.support.timing import cpu_seconds
from metrics.compute.compute import compute
from metrics.compute.request import Request
from metrics.networks.registry import NetworkSettings
from metrics.progress import on_stderr
from metrics.weights.registry import WeightRegistry

Seconds = dict[str, float]  # by the clock, and of processors
KEYS = ("seconds", "processor")
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
class Ours:
    """What a `compute` of so many images a side took, and the same again from the cache."""

    images: int
    first: Seconds
    again: Seconds
    under_way: float | None = None  # share of the time in which a batch was; None of carried times


@dataclass(frozen=True)
class Peers:
    """What torch-fidelity took for so many images a side."""

    images: int
    whole: Seconds


def bench_compute(chosen: argparse.Namespace, weights: Path) -> None:
    """Print a `compute` of a run against its reference beside the peer's, and carry both.

    A larger number is carried from the largest that was run.
    """
    click.echo(f"compute: {', '.join(NAMES)}, from files to scores")
    ours, peer = _ours(chosen, weights, chosen.images), _peer(chosen, weights, chosen.images)
    _say(chosen, ours, "", peer, "")
    for count in sorted(chosen.scale):
        run, of_ours = count <= max(chosen.whole, chosen.whole_peer), ""
        if run:
            ours = now = _ours(chosen, weights, count)
        else:
            now, of_ours = _carried(chosen, weights, ours, count), f", carried from {ours.images:,}"
        beside, of_peer = peer, ""
        if peer is not None and count <= chosen.whole_peer:
            peer = beside = _peer(chosen, weights, count)
        elif peer is not None:
            beside, of_peer = (
                _carried_peer(chosen, weights, peer, count),
                f", carried from {peer.images:,}",
            )
        _say(chosen, now, of_ours, beside, of_peer)


def runs_of(into: Path, images: int) -> tuple[Path, Path]:
    """Return folders of so many outputs and real images, drawn unless they are there."""
    place = into / f"images-{images}"
    if not place.exists():
        half = into / f"images-{images}-half"
        shutil.rmtree(half, ignore_errors=True)
        with on_stderr("images", images) as advance:
            write_runs(half, images, advance=advance)
        half.rename(place)
    return place / "fake", place / "real"


def _ours(chosen: argparse.Namespace, weights: Path, images: int) -> Ours:
    def measure() -> dict[str, Any]:
        runs = runs_of(chosen.into, images)
        with tempfile.TemporaryDirectory() as cache, watched_compute() as busy:
            request = request_of(chosen, weights, Path(cache), *runs)
            first, again = (timed(lambda: compute(request, on_stderr))[1] for _ in range(2))
        return {"first": first, "again": again, "under_way": busy.share(first["seconds"])}

    found = chosen.measured.of(f"compute of {images} images a side", measure)
    return Ours(images, **found)


def _peer(chosen: argparse.Namespace, weights: Path, images: int) -> Peers | None:
    if "torch-fidelity" not in chosen.peers:
        return None

    def measure() -> dict[str, Any]:
        from benchmarks.metrics import peers

        runs = runs_of(chosen.into, images)
        cuda = chosen.device.startswith("cuda")
        with device_peers.counted("torch-fidelity", device_peers.count(*runs), peers.NETWORK):
            return timed(lambda: peers.fidelity(weights, *runs, cuda=cuda))[1]

    found = chosen.measured.of(f"{images} images a side by torch-fidelity", measure)
    return Peers(images, found)


def _carried(chosen: argparse.Namespace, weights: Path, few: Ours, count: int) -> Ours:
    """Return the times of ours, put together as the module says.

    Loading the network is in both times of ours, so that it falls out.
    """

    def measure() -> dict[str, Any]:
        with tempfile.TemporaryDirectory() as scratch:
            with on_stderr("names of images", count) as advance:
                runs = write_runs(Path(scratch) / "named", count, SMALL, advance)
            request = request_of(chosen, weights, Path(scratch) / "cache", *runs)
            return dict(zip(KEYS, map(float, whole.from_drawn_rows(request, _clocks)), strict=True))

    again = chosen.measured.of(f"statistics of {count} drawn rows a side", measure)
    return carry(few, count, again)


def carry(few: Ours, count: int, again: Seconds) -> Ours:
    """Return the times of more images; `again` is measured at their number."""
    ratio = count / few.images
    first = {key: (few.first[key] - few.again[key]) * ratio + again[key] for key in KEYS}
    return Ours(count, first, again)


def _carried_peer(chosen: argparse.Namespace, weights: Path, few: Peers, count: int) -> Peers:
    from benchmarks.metrics import peers

    of = chosen.measured.of
    load = of(
        "torch-fidelity's loading", lambda: timed(lambda: peers.fidelity_extractor(weights))[1]
    )
    before, after = (
        of(f"torch-fidelity's statistics of {number} rows", partial(_peer_statistics, number))
        for number in (few.images, count)
    )
    return carry_peer(few, count, load, (before, after))


def carry_peer(few: Peers, count: int, load: Seconds, statistics: tuple[Seconds, Seconds]) -> Peers:
    """Return the peer's times of more images: what is not loading or statistics are its images.

    `statistics` are measured at both numbers.
    """
    before, after = statistics
    ratio = count / few.images
    images = {key: (few.whole[key] - load[key] - before[key]) * ratio for key in KEYS}
    return Peers(count, {key: load[key] + images[key] + after[key] for key in KEYS})


def _peer_statistics(count: int) -> Seconds:
    from benchmarks.metrics import peers

    f, r, logits = (
        whole.drawn(count, width, seed) for seed, width in enumerate((2048, 2048, 1008))
    )
    return timed(lambda: peers.of_features(f, r, logits))[1]


def _clocks() -> Any:
    return np.array([time.perf_counter(), cpu_seconds()])


def _say(
    chosen: argparse.Namespace, ours: Ours, of_ours: str, peer: Peers | None, of_peer: str
) -> None:
    first, again, images = ours.first, ours.again, 2 * ours.images
    line = f"  {ours.images:,} images a side{of_ours}: {_words(first)}, "
    line += f"{images / first['seconds']:.1f} img/s"
    if ours.under_way is not None:
        line += f", {100 * ours.under_way:.0f} % of the time a batch is under way"
    line += f"; again, from the cache, {_words(again)}"
    if peer is not None:
        elsewhere = chosen.device.partition(":")[0] not in ("cpu", "cuda")
        line += f"; torch-fidelity{' on the processor' * elsewhere}{of_peer} {_words(peer.whole)}: "
        line += f"{peer.whole['seconds'] / first['seconds']:.1f} times by the clock, "
        line += f"{peer.whole['processor'] / first['processor']:.1f} by the processor's time"
    click.echo(line)


def _words(times: Seconds) -> str:
    return f"{times['seconds']:.1f} s ({times['processor']:.1f} of processors)"
