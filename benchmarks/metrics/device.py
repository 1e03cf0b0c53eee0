"""Networks on a device beside their peers, on the same device in the same run.

Images a second from files to rows or distances, the share of the time in which a batch of ours is
under way to, on or back from the device, on CUDA the share in which it computes, a whole `compute`,
and the values beside torch-fidelity's. Random Inception weights of the published shape; LPIPS with
the published ones where they are here.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch

from benchmarks.metrics import device_compute, device_peers, values
from benchmarks.metrics.device_times import DeviceTimes, Ran, run_task
from benchmarks.support.images import write_runs
from benchmarks.support.random_inception import write_random_inception
from metrics.errors import MetricError
from metrics.networks import inception
from metrics.networks.devices import check_device
from metrics.paired import lpips
from metrics.progress import on_stderr
from metrics.weights.registry import WeightRegistry, WeightsFile

PARTS = ("features", "lpips", "values", "compute")
WARM_UP = 32  # images, before a clock is looked at


def main(options: list[str]) -> None:
    """Measure Inception's features, LPIPS and a whole `compute` on one device."""
    chosen = _parse(options)
    try:
        check_device(chosen.device, chosen.precision)
    except MetricError as error:
        raise click.ClickException(str(error)) from None
    # torch-fidelity takes four processes for its files, whatever the machine has.
    warnings.filterwarnings("ignore", message="This DataLoader will create")
    chosen.peers = device_peers.here(chosen.peers)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        found = WeightsFile(write_random_inception(folder / "random.pth"), "random", False)
        with on_stderr("images", chosen.images) as advance:
            fake, real = write_runs(folder, chosen.images, advance=advance)
        click.echo(_setting(chosen))
        if "features" in chosen.parts:
            bench_features(chosen, found, fake)
        if "lpips" in chosen.parts:
            bench_lpips(chosen, fake, real)
        if "values" in chosen.parts:
            bench_values(chosen, found, fake, real)
        if "compute" in chosen.parts:
            device_compute.bench_compute(chosen, found.path, fake, real)


def _parse(options: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="manage.py bench metrics device")
    parser.add_argument("parts", nargs="*", help=f"{' '.join(PARTS)}; without a name, all")
    parser.add_argument(
        "--device", default="cuda" if torch.cuda.is_available() else "cpu", help="cuda, mps or cpu"
    )
    parser.add_argument(
        "--precision", default="fp32", choices=["fp32", "bf16", "tf32"], help="of networks"
    )
    parser.add_argument(
        "--images", type=int, default=128, help="a side, of 256x256 pixels, 0.2 MB a pair of files"
    )
    parser.add_argument(
        "--peers",
        nargs="*",
        default=list(device_peers.PEERS),
        choices=list(device_peers.PEERS),
        metavar="PEER",
        help=f"some of {', '.join(device_peers.PEERS)}; without, all",
    )
    parser.add_argument(
        "--skip-peers", dest="peers", action="store_const", const=[], help="measure only ours"
    )
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 2, help="decode images")
    parser.add_argument("--batch", type=int, default=64, help="of the peers")
    parser.add_argument(
        "--scale", type=int, nargs="*", default=[], help="images a side to carry `compute` to"
    )
    parser.add_argument("--whole", action="store_true", help="run --scale instead of carrying it")
    chosen = parser.parse_args(options)
    unknown = set(chosen.parts) - set(PARTS)
    if unknown:
        parser.error(f"no parts {sorted(unknown)}, expected some of {', '.join(PARTS)}")
    chosen.parts = chosen.parts or list(PARTS)
    return chosen


def _setting(chosen: argparse.Namespace) -> str:
    cuda = chosen.device.startswith("cuda")
    name = torch.cuda.get_device_name(chosen.device) if cuda else chosen.device
    load = ", ".join(f"{one:.1f}" for one in os.getloadavg())
    return (
        f"{name}, torch {torch.__version__}, {chosen.precision}, {chosen.images} images a side, "
        f"{torch.get_num_threads()} threads of torch, load before: {load}"
    )


def _say(what: str, count: int, ours: Ran) -> None:
    line = f"{what}: {count / ours.seconds:.1f} img/s, {100 * ours.under_way:.0f} % of the time"
    line += " a batch is under way"
    if ours.computing is not None:
        line += f", {100 * ours.computing:.0f} % the device computes"
    click.echo(line)


def _beside(name: str, count: int, ours: Ran, seconds: float, rows: Any = None) -> None:
    line = f"  {name}: {count / seconds:.1f} img/s, ours {seconds / ours.seconds:.1f} times as fast"
    if rows is not None:
        apart = np.abs(ours.rows - rows).max() / np.abs(rows).max()
        line += f"; features {apart:.1e} of the largest apart"
    click.echo(line)


def bench_features(chosen: argparse.Namespace, found: WeightsFile, fake: Path) -> None:
    """Inception's 2048 features of all files, beside torch-fidelity's and clean-fid's."""
    ours = _features(chosen, found, fake, clean=False)
    _say("Inception features", chosen.images, ours)
    if chosen.device == "mps":
        click.echo("  torch-fidelity: computes on CUDA and processors only, left out")
    elif "torch-fidelity" in chosen.peers:
        peer = device_peers.fidelity_features(found.path, chosen.device)
        _time_features("torch-fidelity", peer, chosen, ours, fake)
    ours = _features(chosen, found, fake, clean=True)
    _say("Inception features, clean-fid's resize", chosen.images, ours)
    if "clean-fid" in chosen.peers:
        sizes = {"batch": chosen.batch, "workers": chosen.workers}
        peer = device_peers.clean_fid_features(found.path, chosen.device, **sizes)
        _time_features("clean-fid", peer, chosen, ours, fake)


def _features(chosen: argparse.Namespace, found: WeightsFile, fake: Path, *, clean: bool) -> Ran:
    network = inception.load(found, chosen.precision, clean=clean, device=chosen.device)
    with tempfile.TemporaryDirectory() as cache:
        run_task(network.task(Path(cache) / "warm"), [_few(fake)], chosen.workers, "to warm up")
        if not chosen.device.startswith("cuda"):
            return run_task(network.task(Path(cache)), [fake], chosen.workers, "ours")
        device = DeviceTimes()
        ran = run_task(device.watch(network).task(Path(cache)), [fake], chosen.workers, "ours")
        return replace(ran, computing=device.share(ran.seconds))


def _time_features(
    name: str, peer: device_peers.Features, chosen: argparse.Namespace, ours: Ran, fake: Path
) -> None:
    peer(_few(fake))
    started = time.perf_counter()
    rows = peer(fake)
    _beside(name, chosen.images, ours, time.perf_counter() - started, rows)


def _few(folder: Path) -> Path:
    """Return a folder beside this one with some of its images, to warm up with."""
    few = folder.with_name(f"{folder.name}-few")
    few.mkdir(exist_ok=True)
    for path in sorted(folder.glob("*.png"))[:WARM_UP]:
        (few / path.name).write_bytes(path.read_bytes())
    return few


def bench_lpips(chosen: argparse.Namespace, fake: Path, real: Path) -> None:
    """LPIPS with VGG16 of all pairs, beside the `lpips` package and pyiqa."""
    registry = WeightRegistry(os.environ)
    if registry.lacking("lpips_vgg"):
        click.echo("LPIPS: its weights are not here, `metrics weights fetch lpips`")
        return
    where = ("lpips_vgg", registry, 0, chosen.device)
    warm = [_few(fake), _few(real)]
    with tempfile.TemporaryDirectory() as cache:
        run_task(lpips.task(*where, Path(cache) / "warm"), warm, chosen.workers, "to warm up")
        ours = run_task(lpips.task(*where, Path(cache)), [fake, real], chosen.workers, "ours")
    _say("LPIPS, VGG16, pairs", chosen.images, ours)
    for name, peer in device_peers.pairs_of(chosen.peers, chosen.device, chosen.batch):
        peer(*warm)
        started = time.perf_counter()
        peer(fake, real)
        _beside(name, chosen.images, ours, time.perf_counter() - started)


def bench_values(chosen: argparse.Namespace, found: WeightsFile, fake: Path, real: Path) -> None:
    """Each metric's value beside torch-fidelity's, of the same files on the same device."""
    if "torch-fidelity" not in chosen.peers:
        return
    click.echo(f"values in fp32\n  {values.HEADER}")
    for one in values.values(found.path, fake, real, chosen.device):
        click.echo(f"  {one.line()}")
