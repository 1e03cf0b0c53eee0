"""The whole `compute` beside the peers one after another, and the memory of large runs."""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import click
import numpy as np

from benchmarks.support.images import write_runs
from benchmarks.support.timing import cpu_seconds

NAMES = ("psnr", "ssim", "fid", "inception_score", "kid")
NEIGHBOURS = ("precision", "recall", "density", "coverage")
NETWORKS = ("lpips_alex", "lpips_vgg")
# What no peer computes, and 64-pixel images without labels or users' weights allow.
EFFNET = ("fd", "fd_infinity", "kid", "precision", "recall", "density", "coverage", "class_score")
OURS_ALONE = ("psnr_y", "fid_infinity", *(f"effnet_{name}" for name in EFFNET))


def bench_compute(chosen: argparse.Namespace) -> None:
    """A whole `compute`, then again from the cache, beside the peers; carried to a larger run.

    What the images cost is in proportion to their number, and is measured on a few; statistics are
    not, and are measured at the larger number too, on rows drawn at random. `--whole` computes the
    larger run itself instead, with the metrics that no peer has; the peers are still carried to it.
    """
    from benchmarks.support.random_inception import write_random_inception
    from metrics.weights.registry import WeightRegistry

    networks = [name for name in NETWORKS if WeightRegistry(os.environ).path_of(name)]
    names = (*NAMES, *NEIGHBOURS, *networks)
    with tempfile.TemporaryDirectory() as folder:
        place, count = Path(folder), chosen.images
        weights = write_random_inception(place / "random.pth")
        registry = WeightRegistry(os.environ, unpublished={"inception": weights})
        runs = write_runs(place / "small", count, chosen.side)
        click.echo(f"compute, {count} images of {chosen.side} pixels a side: {', '.join(names)}")
        first, again = _ours(runs, place / "cache", names, registry)
        peers = _peers(runs, weights, networks, registry)
        _say(f"{count} images", first, again, peers)
        ratio = chosen.scale / count
        large = write_runs(place / "large", chosen.scale, chosen.side)
        statistics = [_peer_statistics(number) for number in (count, chosen.scale)]
        carried = (peers - statistics[0]) * ratio + statistics[1]
        if chosen.whole:
            whole = _ours(large, place / "whole", (*names, *OURS_ALONE), registry)
            click.echo(f"and only ours: {', '.join(OURS_ALONE)}")
            first, again = whole
            _say(f"{chosen.scale} images, the peers carried over", first, again, carried)
            return
        cached = from_drawn_rows(_request(large, place / "drawn", names, registry), cpu_seconds)
        ours = (first - again) * ratio + cached
        _say(f"{chosen.scale} images, carried over", ours, cached, carried)


def _say(what: str, first: float, again: float, peers: float) -> None:
    click.echo(
        f"{what}: {first:.1f} s against {peers:.1f} s: {peers / first:.1f} times; again, from the "
        f"cache: {again:.2f} s: {first / again:.0f} times"
    )


def _ours(
    runs: tuple[Path, Path], cache: Path, names: tuple[str, ...], registry: Any
) -> list[float]:
    """Return the CPU seconds of a `compute` on an empty cache, and of the same again."""
    from metrics.compute.compute import compute

    times = []
    for _ in range(2):
        started, began = cpu_seconds(), time.monotonic()
        compute(_request(runs, cache, names, registry))
        times.append(cpu_seconds() - started)
        click.echo(f"  ours: {times[-1]:.1f} s of processors, {time.monotonic() - began:.1f} s")
    return times


def _request(runs: tuple[Path, Path], cache: Path, names: tuple[str, ...], registry: Any) -> Any:
    from metrics.compute.request import Request

    return Request(runs[0], cache, runs[1], metrics=names, registry=registry)


def from_drawn_rows(request: Any, clock: Callable[[], Any]) -> Any:
    """Return the seconds by a clock of a `compute` on rows that are drawn into the cache."""
    from metrics.compute.compute import compute
    from metrics.compute.inputs import open_inputs
    from metrics.compute.plan import make_plan, units_by_item
    from metrics.progress import silent

    inputs = open_inputs(request.run, request.reference, None, workers=2, stage=silent)
    plan = make_plan(request.metrics, request, inputs)

    wanted: dict[Any, list[bytes]] = {}
    for units in units_by_item(plan, inputs):
        for unit in units:
            wanted.setdefault(unit.task, []).append(unit.key)
    for task, keys in wanted.items():
        task.store.append(keys, drawn(len(keys), task.store.width))
    started = clock()
    outcome = compute(request)
    if any(outcome.computed.values()):
        raise SystemExit("rows were computed that should have been in the cache")
    return clock() - started


def drawn(count: int, width: int, seed: int = 0) -> Any:
    """Return seeded rows ``(count, width)`` fp32, not negative, like pooled activations."""
    random = np.random.default_rng(seed)
    return np.abs(random.standard_normal((count, width), dtype=np.float32)) * 0.5


def _peers(runs: tuple[Path, Path], weights: Path, networks: list[str], registry: Any) -> float:
    from benchmarks.metrics import peers

    fake, real = runs
    pair = sorted(fake.iterdir()), sorted(real.iterdir())
    steps: list[tuple[str, Callable[[], Any]]] = [
        ("scikit-image PSNR", lambda: peers.psnr(*pair)),
        ("scikit-image SSIM", lambda: peers.ssim(*pair)),
        ("torch-fidelity FID, IS, KID", lambda: peers.fidelity(weights, fake, real)),
        ("torch-fidelity features, prdc", lambda: peers.neighbours(weights, fake, real)),
    ]
    for name in networks:
        net = peers.lpips_net(name, registry.find(name))
        steps.append((f"lpips {name}", partial(peers.lpips_mean, net, *pair)))
    return sum(_timed(name, step) for name, step in steps)


def _peer_statistics(count: int) -> float:
    """Return the CPU seconds of what the peers compute from the features of `count` images."""
    from benchmarks.metrics import peers

    f, r = drawn(count, 2048), drawn(count, 2048, 1) * 1.1
    logits = drawn(count, 1008)
    one = _timed(f"FID, IS, KID of {count} rows", lambda: peers.of_features(f, r, logits))
    return one + _timed(f"prdc of {count} rows", lambda: peers.precision_recall(r, f, 5))


def _timed(name: str, step: Callable[[], Any]) -> float:
    started = cpu_seconds()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        step()
    spent = cpu_seconds() - started
    click.echo(f"  peer {name}: {spent:.1f} s")
    return spent


def bench_memory(chosen: argparse.Namespace) -> None:
    """Peak memory of smaller and larger runs, each in a process of its own."""
    pairs = [("peak", count, 32) for count in chosen.counts]
    pairs += [("network_peak", count, 256) for count in (chosen.images // 8, chosen.images)]
    for function, count, side in pairs:
        with tempfile.TemporaryDirectory() as folder:
            # The images are drawn here, so that they do not count in the child's peak.
            write_runs(Path(folder), count, side)
            code = f"from benchmarks.metrics.whole import {function} as f; f({folder!r}, {count})"
            subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True)


def peak(folder: str, count: int) -> None:
    """Print the peak memory of PSNR and SSIM of `count` pairs, and of the statistics of features.

    The features are drawn at random and put into the cache, because it is the pass and the
    statistics that see all images; a network sees 8 at a time.
    """
    from metrics.compute.compute import compute
    from metrics.compute.request import Request
    from metrics.distribution import frechet
    from metrics.distribution import kernel as kid
    from metrics.distribution import neighbourhoods as prdc
    from metrics.distribution.moments import over
    from metrics.extraction.row_store import RowStore

    place = Path(folder)
    before = _megabytes()
    names = ("psnr", "ssim")
    compute(Request(place / "fake", place / "cache", place / "real", metrics=names))
    paired = _megabytes()
    stores = [RowStore(place, {"set": name}, 2048, "<f4") for name in "ab"]
    keys = [index.to_bytes(32, "big") for index in range(count)]
    for seed, store in enumerate(stores):
        for start in range(0, count, 1000):
            some = keys[start : start + 1000]
            store.append(some, drawn(len(some), 2048, 1000 * seed + start))
    a, b = (over(store.blocks(keys)) for store in stores)
    frechet.distance(a, b)
    after = _megabytes()
    few = keys[:5000]  # it takes one block against one block, and time in their square
    kid.kernel_distance(lambda: stores[0].blocks(few), lambda: stores[1].blocks(few))
    kernel = _megabytes()
    chosen = [keys[n] for n in prdc.subset(count)]
    prdc.neighbourhoods(stores[0].rows(chosen), stores[1].rows(chosen))
    click.echo(
        f"memory, {count} pairs: {before:.0f} MB at the start, {paired:.0f} MB after PSNR and "
        f"SSIM, {after:.0f} MB after the Fréchet distance of 2048 features, {kernel:.0f} MB after "
        f"KID (at most 5,000 rows), {_megabytes():.0f} MB after precision "
        f"and recall (at most 10,000 rows a side)"
    )


def network_peak(folder: str, count: int) -> None:
    """Print the peak memory of Inception, and of LPIPS if it is here, over `count` pairs."""
    from benchmarks.support.random_inception import write_random_inception
    from metrics.compute.compute import compute
    from metrics.compute.request import Request
    from metrics.weights.registry import WeightRegistry

    place = Path(folder)
    weights = write_random_inception(place / "random.pth")
    before = _megabytes()
    registry = WeightRegistry(os.environ, unpublished={"inception": weights})
    names = ("fid", *[name for name in NETWORKS if registry.path_of(name)])
    request = Request(
        place / "fake", place / "cache", place / "real", metrics=names, registry=registry
    )
    compute(request)
    click.echo(
        f"memory, {', '.join(names)} of {count} pairs of 256x256: {before:.0f} MB at the "
        f"start, {_megabytes():.0f} MB at the end"
    )


def _megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


PARTS: Mapping[str, Callable[[argparse.Namespace], None]] = {
    "compute": bench_compute,
    "memory": bench_memory,
}
