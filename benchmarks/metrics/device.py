"""Networks on a device beside their peers, on the same device in the same run.

Images a second from files to rows or distances, and the share of the time in which a batch of ours
is under way to, on or back from the device. Random Inception weights of the published shape; LPIPS
with the published ones where they are here.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.metrics.peers import fidelity_extractor
from benchmarks.support.images import write_runs
from benchmarks.support.random_inception import write_random_inception
from metrics.compute.compute import compute
from metrics.compute.request import Request
from metrics.errors import MetricError
from metrics.extraction.one_pass import Task, Unit, run_pass
from metrics.extraction.row_store import key_of
from metrics.images.pairing import open_images
from metrics.networks import inception
from metrics.networks.devices import check_device, on_processor
from metrics.networks.registry import NetworkSettings
from metrics.paired import lpips
from metrics.weights.registry import WeightRegistry, WeightsFile

WARM_UP = 32  # images, before a clock is looked at


def main(options: list[str]) -> None:
    """Measure Inception's features, LPIPS and a whole `compute` on one device."""
    chosen = _parse(options)
    try:
        check_device(chosen.device, chosen.precision)
    except MetricError as error:
        raise click.ClickException(str(error)) from None
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        found = WeightsFile(write_random_inception(folder / "random.pth"), "random", False)
        fake, real = write_runs(folder, chosen.images)
        click.echo(f"{_name(chosen.device)}, torch {torch.__version__}, {chosen.precision}")
        bench_features(chosen, found, fake)
        bench_lpips(chosen, fake, real)
        bench_compute(chosen, found, fake, real)


def _parse(options: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="manage.py bench device")
    parser.add_argument(
        "--device", default="cuda" if torch.cuda.is_available() else "cpu", help="cuda, mps or cpu"
    )
    parser.add_argument(
        "--precision", default="fp32", choices=["fp32", "bf16", "tf32"], help="of networks"
    )
    parser.add_argument("--images", type=int, default=128, help="a side, of 256x256 pixels")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 2, help="decode images")
    parser.add_argument("--batch", type=int, default=64, help="of the peers")
    return parser.parse_args(options)


def _name(device: str) -> str:
    return torch.cuda.get_device_name(device) if device.startswith("cuda") else device


class Busy:
    """Times in which batches of a task are computed: their union, as a share of the whole."""

    def __init__(self) -> None:
        self.spans: list[tuple[float, float]] = []

    def watch(self, task: Task) -> Task:
        """Return the task with its batches timed."""

        def timed(batch: Any) -> NDArray[Any]:
            started = time.perf_counter()
            rows = task.compute(batch)
            self.spans.append((started, time.perf_counter()))
            return rows

        return replace(task, compute=timed)

    def share(self, seconds: float) -> float:
        """Return which share of `seconds` the spans cover together."""
        covered, until = 0.0, 0.0
        for start, end in sorted(self.spans):
            covered += max(end - max(start, until), 0.0)
            until = max(until, end)
        return covered / seconds


def _run(task: Task, sides: list[Path], workers: int) -> tuple[float, float]:
    """Return seconds and busy share of a task over the images, or pairs, of the folders."""
    opened = [open_images(side).files for side in sides]
    rounds = []
    for item in opened[0]:
        files = tuple(side[item] for side in opened)
        rounds.append([Unit(task, key_of([file.digest for file in files]), files)])
    busy = Busy()
    watched = busy.watch(task)
    rounds = [[replace(unit, task=watched) for unit in units] for units in rounds]
    started = time.perf_counter()
    done = run_pass(rounds, workers=workers)
    seconds = time.perf_counter() - started
    if done.failed:
        raise click.ClickException(str(done.failed))
    return seconds, busy.share(seconds)


def _say(what: str, count: int, ours: tuple[float, float], peer: tuple[str, float] | None) -> None:
    rate = count / ours[0]
    line = f"{what}: {rate:.1f} img/s, a batch under way {100 * ours[1]:.0f} % of the time"
    if peer:
        line += f"; {peer[0]} {count / peer[1]:.1f} img/s: {peer[1] / ours[0]:.1f} times"
    click.echo(line)


def bench_features(chosen: argparse.Namespace, found: WeightsFile, fake: Path) -> None:
    """Inception's 2048 features of all files, beside torch-fidelity's extractor."""
    network = inception.load(found, chosen.precision, device=chosen.device)
    with tempfile.TemporaryDirectory() as cache:
        _run(network.task(Path(cache) / "warm"), [_few(fake)], chosen.workers)
        ours = _run(network.task(Path(cache)), [fake], chosen.workers)
    peer = fidelity_extractor(found.path).to(chosen.device)
    _fidelity(peer, _few(fake), chosen)
    started = time.perf_counter()
    _fidelity(peer, fake, chosen)
    spent = time.perf_counter() - started
    _say("Inception features", chosen.images, ours, ("torch-fidelity", spent))


def _few(folder: Path) -> Path:
    """Return a folder beside this one with some of its images, to warm up with."""
    few = folder.with_name(f"{folder.name}-few")
    few.mkdir(exist_ok=True)
    for path in sorted(folder.glob("*.png"))[:WARM_UP]:
        (few / path.name).write_bytes(path.read_bytes())
    return few


def _fidelity(peer: Any, folder: Path, chosen: argparse.Namespace) -> None:
    """Read with Pillow in worker threads, as its loader does, and extract in batches."""
    from concurrent.futures import ThreadPoolExecutor

    from PIL import Image

    def read(path: Path) -> NDArray[np.uint8]:
        return np.asarray(Image.open(path).convert("RGB"))

    paths = sorted(folder.glob("*.png"))
    with ThreadPoolExecutor(chosen.workers) as pool, torch.inference_mode():
        images = pool.map(read, paths)
        for start in range(0, len(paths), chosen.batch):
            size = min(chosen.batch, len(paths) - start)
            batch = np.stack([next(images) for _ in range(size)])
            peer(torch.from_numpy(batch).permute(0, 3, 1, 2).to(chosen.device))[0].cpu()


def bench_lpips(chosen: argparse.Namespace, fake: Path, real: Path) -> None:
    """LPIPS with VGG16 of all pairs, beside the `lpips` package."""
    registry = WeightRegistry(os.environ)
    if registry.lacking("lpips_vgg"):
        click.echo("LPIPS: its weights are not here, `metrics weights fetch lpips`")
        return
    where = ("lpips_vgg", registry, 0, chosen.device)
    with tempfile.TemporaryDirectory() as cache:
        warm = [_few(fake), _few(real)]
        _run(lpips.task(*where, Path(cache) / "warm"), warm, chosen.workers)
        ours = _run(lpips.task(*where, Path(cache)), [fake, real], chosen.workers)
    run_peer = _lpips_peer(chosen)
    run_peer(*warm)
    started = time.perf_counter()
    run_peer(fake, real)
    peer = ("the lpips package", time.perf_counter() - started)
    _say("LPIPS, VGG16, pairs", chosen.images, ours, peer)


def _lpips_peer(chosen: argparse.Namespace) -> Callable[[Path, Path], None]:
    import lpips as package
    from PIL import Image

    with contextlib.redirect_stdout(io.StringIO()):
        model = package.LPIPS(net="vgg", pnet_rand=True, verbose=False).to(chosen.device).eval()
    size = max(1, chosen.batch // 8) if not on_processor(chosen.device) else 8

    def tensor(paths: list[Path]) -> torch.Tensor:
        pixels = np.stack([np.asarray(Image.open(path).convert("RGB")) for path in paths])
        return torch.from_numpy(pixels).permute(0, 3, 1, 2).to(chosen.device).float() / 127.5 - 1

    def run(fake: Path, real: Path) -> None:
        names = sorted(path.name for path in fake.glob("*.png"))
        with torch.inference_mode():
            for start in range(0, len(names), size):
                part = names[start : start + size]
                model(*(tensor([side / name for name in part]) for side in (fake, real))).cpu()

    return run


def bench_compute(chosen: argparse.Namespace, found: WeightsFile, fake: Path, real: Path) -> None:
    """A whole `compute` of a run against its reference: files to scores."""
    names = ("psnr", "ssim", "fid", "kid", "precision", "recall", "inception_score")
    with tempfile.TemporaryDirectory() as cache:
        request = Request(
            fake,
            Path(cache),
            real,
            metrics=names,
            registry=WeightRegistry(os.environ, unpublished={"inception": found.path}),
            networks=NetworkSettings(chosen.precision, device=chosen.device),
            workers=chosen.workers,
        )
        started = time.perf_counter()
        compute(request)
        first = time.perf_counter() - started
        started = time.perf_counter()
        compute(request)
        again = time.perf_counter() - started
    both = 2 * chosen.images
    click.echo(
        f"compute of {', '.join(names)}: {chosen.images} images a side in {first:.1f} s "
        f"({both / first:.1f} img/s); again, from the cache, {again:.1f} s"
    )
