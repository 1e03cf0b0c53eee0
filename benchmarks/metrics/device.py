"""Networks on a device beside their peers, on the same device in the same run.

Images a second from files to rows or distances, the share of the time in which a batch of ours is
under way to, on or back from the device, on CUDA the share in which it computes, a whole `compute`,
and the values beside torch-fidelity's. Random Inception weights of the published shape; LPIPS with
the published ones where they are here. Each measurement is written down at once (`--into`), so that
an interrupted run goes on.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch

from benchmarks.metrics import device_compute, device_peers, values
from benchmarks.metrics.device_times import DeviceTimes, Ran, run_task, timed
from benchmarks.metrics.measured import Measured
from benchmarks.support.random_inception import write_random_inception
from metrics.errors import MetricError
from metrics.networks import inception
from metrics.networks.devices import check_device
from metrics.paired import lpips
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
        chosen.into = chosen.into or Path(scratch)
        chosen.into.mkdir(parents=True, exist_ok=True)
        chosen.measured = Measured(chosen.into / "measured.jsonl", _setting(chosen))
        weights = write_random_inception(Path(scratch) / "random.pth")
        found = WeightsFile(weights, "random", False)
        fake, real = device_compute.runs_of(chosen.into, chosen.images)
        click.echo(_words(chosen))
        if "features" in chosen.parts:
            bench_features(chosen, found, fake)
        if "lpips" in chosen.parts:
            bench_lpips(chosen, fake, real)
        if "values" in chosen.parts:
            bench_values(chosen, found, fake, real)
        if "compute" in chosen.parts:
            device_compute.bench_compute(chosen, found.path)


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
    parser.add_argument(
        "--whole", type=int, default=0, metavar="N", help="run ours on a --scale of up to N images"
    )
    parser.add_argument(
        "--whole-peer", type=int, default=0, metavar="N", help="run torch-fidelity, too, up to N"
    )
    parser.add_argument(
        "--into",
        type=Path,
        metavar="FOLDER",
        help="keep images and measurements here, and go on with what is missing",
    )
    chosen = parser.parse_args(options)
    unknown = set(chosen.parts) - set(PARTS)
    if unknown:
        parser.error(f"no parts {sorted(unknown)}, expected some of {', '.join(PARTS)}")
    chosen.parts = chosen.parts or list(PARTS)
    return chosen


def _setting(chosen: argparse.Namespace) -> dict[str, Any]:
    """Return what makes two measurements of one name the same."""
    cuda = chosen.device.startswith("cuda")
    return {
        "device": torch.cuda.get_device_name(chosen.device) if cuda else chosen.device,
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "precision": chosen.precision,
        "workers": chosen.workers,
        "batch": chosen.batch,
    }


def _words(chosen: argparse.Namespace) -> str:
    setting = _setting(chosen)
    load = ", ".join(f"{one:.1f}" for one in os.getloadavg())
    return (
        f"{setting['device']}, torch {torch.__version__}, {chosen.precision}, {chosen.images} "
        f"images a side, {setting['threads']} threads of torch, load before: {load}"
    )


def _named(chosen: argparse.Namespace, what: str) -> str:
    return f"{what}, {chosen.images} images"


def _say(what: str, count: int, ours: Ran) -> None:
    line = f"{what}: {_rate(count, ours.seconds, ours.processor)}"
    line += f", {100 * ours.under_way:.0f} % of the time a batch is under way"
    if ours.computing is not None:
        line += f", {100 * ours.computing:.0f} % the device computes"
    click.echo(line)


def _rate(count: int, seconds: float, processor: float) -> str:
    return f"{count / seconds:.1f} img/s, {count / processor:.2f} a second of one core"


def _beside(name: str, count: int, ours: Ran, found: dict[str, Any]) -> None:
    line = f"  {name}: {_rate(count, found['seconds'], found['processor'])}; ours "
    line += f"{found['seconds'] / ours.seconds:.1f} times as fast by the clock, "
    line += f"{found['processor'] / ours.processor:.1f} by the processor's time"
    if "apart" in found:
        line += f"; features {found['apart']:.1e} of the largest apart"
    click.echo(line)


def bench_features(chosen: argparse.Namespace, found: WeightsFile, fake: Path) -> None:
    """Inception's 2048 features of all files, beside torch-fidelity's and clean-fid's."""
    what = "Inception features"
    ours = _kept(chosen, what, lambda: _features(chosen, found, fake, clean=False))
    if chosen.device == "mps":
        click.echo("  torch-fidelity: computes on CUDA and processors only, left out")
    elif "torch-fidelity" in chosen.peers:
        load = partial(device_peers.fidelity_features, found.path, chosen.device)
        _time_features("torch-fidelity", load, chosen, ours, fake)
    what = "Inception features, clean-fid's resize"
    ours = _kept(chosen, what, lambda: _features(chosen, found, fake, clean=True))
    if "clean-fid" in chosen.peers:
        sizes = {"batch": chosen.batch, "workers": chosen.workers}
        load = partial(device_peers.clean_fid_features, found.path, chosen.device, **sizes)
        _time_features("clean-fid", load, chosen, ours, fake)


def _kept(chosen: argparse.Namespace, what: str, run: Callable[[], Ran]) -> Ran:
    """Return what ours took, its rows kept in a file beside the measurements, and say it."""
    file = chosen.into / f"{what}, {chosen.device}, {chosen.precision}, {chosen.images}.npy"

    def measure() -> dict[str, Any]:
        ran = run()
        np.save(file, ran.rows)
        return {
            "seconds": ran.seconds,
            "under_way": ran.under_way,
            "computing": ran.computing,
            "busy": ran.processor,
        }

    numbers = chosen.measured.of(_named(chosen, what), measure)
    ran = Ran(
        numbers["seconds"],
        numbers["under_way"],
        np.load(file),
        numbers["computing"],
        numbers["busy"],
    )
    _say(what, chosen.images, ran)
    return ran


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
    name: str,
    load: Callable[[], device_peers.Features],
    chosen: argparse.Namespace,
    ours: Ran,
    fake: Path,
) -> None:
    def measure() -> dict[str, Any]:
        peer = load()
        peer(_few(fake))
        rows, numbers = timed(lambda: peer(fake))
        apart = np.abs(ours.rows - rows).max() / np.abs(rows).max()
        return numbers | {"apart": float(apart)}

    _beside(
        name,
        chosen.images,
        ours,
        chosen.measured.of(_named(chosen, f"features by {name}"), measure),
    )


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

    def measure() -> Ran:
        with tempfile.TemporaryDirectory() as cache:
            run_task(lpips.task(*where, Path(cache) / "warm"), warm, chosen.workers, "to warm up")
            return run_task(lpips.task(*where, Path(cache)), [fake, real], chosen.workers, "ours")

    ours = _kept(chosen, "LPIPS, VGG16, pairs", measure)
    for name, load in device_peers.pairs_of(chosen.peers, chosen.device, chosen.batch):

        def peers(load: Callable[[], device_peers.Pairs] = load) -> dict[str, Any]:
            peer = load()
            peer(*warm)
            return timed(lambda: peer(fake, real))[1]

        _beside(
            name, chosen.images, ours, chosen.measured.of(_named(chosen, f"LPIPS by {name}"), peers)
        )


def bench_values(chosen: argparse.Namespace, found: WeightsFile, fake: Path, real: Path) -> None:
    """Each metric's value beside torch-fidelity's, of the same files on the same device."""
    if "torch-fidelity" not in chosen.peers:
        return
    click.echo(f"values in fp32\n  {values.HEADER}")

    def measure() -> dict[str, Any]:
        found_values = values.values(found.path, fake, real, chosen.device)
        return {one.name: (float(one.ours), float(one.theirs)) for one in found_values}

    kept = chosen.measured.of(_named(chosen, "values"), measure)
    for name in values.NAMES:
        click.echo(f"  {values.Beside(name, *kept[name]).line()}")
