"""Metrics beside their peers: features, distances, SSIM, PSNR, a whole `compute`, and memory."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import click
import numpy as np

from benchmarks.support.images import crops, write_runs
from benchmarks.support.timing import alternate, cpu_seconds

# Of Inception, for one image: 5.713 billion multiply-adds.
GFLOP = 11.43

PARTS = ("features", "frechet", "ssim", "psnr", "compute", "memory")


ONE_CORE = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


def main(options: list[str]) -> None:
    """Run the parts named in `options`, all by default, each in a process of its own.

    `device` is a benchmark of its own, with options of its own.
    """
    if options[:1] == ["device"]:
        from benchmarks.metrics import device

        device.main(options[1:])
        return
    chosen = _parse(options)
    rest = [option for option in options if option not in chosen.parts]
    for part in chosen.parts or PARTS:
        command = [sys.executable, "-W", "ignore", "-m", "benchmarks.metrics.micro", part, *rest]
        subprocess.run(command, check=True, env=os.environ | ({} if chosen.machine else ONE_CORE))


def _parse(options: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="manage.py bench metrics",
        epilog="`manage.py bench metrics device --help`: networks and scores on one device",
    )
    parser.add_argument("parts", nargs="*", default=[], help=" ".join(PARTS))
    parser.add_argument("--images", type=int, default=128, help="of `features` and `compute`")
    parser.add_argument("--machine", action="store_true", help="all cores; `features` by the clock")
    parser.add_argument("--side", type=int, default=64, help="of the images of `compute`")
    parser.add_argument("--scale", type=int, default=5000, help="images `compute` is carried to")
    parser.add_argument("--whole", action="store_true", help="`compute` on all of --scale")
    parser.add_argument("--counts", type=int, nargs="*", default=[1000, 20_000], help="`memory`")
    parser.add_argument("--rounds", type=int, default=3, help="of alternating timings")
    from metrics.networks.devices import takes_bf16

    here = ["fp32", *(["bf16"] if takes_bf16() else [])]
    parser.add_argument("--precision", nargs="*", default=here, help="of `features`")
    chosen = parser.parse_args(options)
    unknown = sorted(set(chosen.parts) - set(PARTS))
    if unknown:
        parser.error(f"no parts {unknown}, expected some of {', '.join(PARTS)}, or first `device`")
    return chosen


def _print(what: str, ours: float, theirs: float, unit: str = "s") -> None:
    ratio = f"{theirs / ours:.1f} times" if ours > 0 else "too quick to be compared"
    click.echo(f"{what}: {ours:.4g} {unit} against {theirs:.4g} {unit}: {ratio}")


def conv_rate(precision: str) -> float:
    """Return the GFLOP/s of a convolution that suits the processor: a ceiling for networks."""
    import torch

    kind = {"fp32": torch.float32, "bf16": torch.bfloat16}[precision]
    conv = torch.nn.Conv2d(256, 256, 3, padding=1, dtype=kind).requires_grad_(False)
    images = torch.randn(8, 256, 35, 35, dtype=kind).contiguous(memory_format=torch.channels_last)
    conv = conv.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    times = []
    for _ in range(8):
        started = cpu_seconds()
        for _ in range(4):
            conv(images)
        times.append((cpu_seconds() - started) / 4)
    return float(2 * 8 * 35 * 35 * 256 * 256 * 9 / min(times) / 1e9)


def bench_features(chosen: argparse.Namespace) -> None:
    """Inception features, from files to rows, beside torch-fidelity's default path."""
    from benchmarks.metrics.peers import fidelity_extractor, fidelity_files
    from benchmarks.support.random_inception import write_random_inception
    from metrics.networks import inception
    from metrics.weights.registry import WeightsFile

    with tempfile.TemporaryDirectory() as folder:
        weights = write_random_inception(Path(folder) / "random.pth")
        found = WeightsFile(weights, "random", False)
        networks = {name: inception.load(found, name) for name in chosen.precision}
        fake, _ = write_runs(Path(folder), chosen.images)
        peer = fidelity_extractor(weights)
        clock = time.monotonic if chosen.machine else cpu_seconds
        kept: dict[str, Any] = {}
        times: dict[str, list[float]] = {}
        for _ in range(chosen.rounds):
            for name in ("peer", *chosen.precision):
                started = clock()
                if name == "peer":
                    kept[name] = fidelity_files(peer, fake)
                else:
                    kept[name] = _our_features(fake, networks[name])
                times.setdefault(name, []).append(clock() - started)
        _print_features(kept, times, chosen)


def _our_features(folder: Path, network: Any) -> Any:
    """Return the features of a folder's images ``(N, 2048)`` in the order of their names."""
    from metrics.extraction.one_pass import Unit, run_pass
    from metrics.extraction.row_store import key_of
    from metrics.images.pairing import open_images

    with tempfile.TemporaryDirectory() as cache:
        task = network.task(Path(cache))
        files = open_images(folder).files
        keys = {item: key_of([files[item].digest]) for item in sorted(files)}
        run_pass([[Unit(task, key, (files[item],))] for item, key in keys.items()])
        return task.store.rows(list(keys.values()))


def _print_features(kept: Any, times: dict[str, list[float]], chosen: argparse.Namespace) -> None:
    peer = float(np.median(times["peer"]))
    reference, count = kept["peer"], chosen.images
    before, where = _halves_fid(reference), "" if chosen.machine else " a core"
    for name in chosen.precision:
        ours = float(np.median(times[name]))
        _print(f"Inception {name}, {count} files of 256x256", ours, peer)
        moved = np.abs(kept[name] - reference).max() / np.abs(reference).max()
        change = _halves_fid(kept[name]) - before
        ceiling = conv_rate(name)
        click.echo(
            f"  {count / ours:.2f} img/s{where} against {count / peer:.2f}; all of it at the rate "
            f"of a 3x3 convolution, {ceiling:.0f} GFLOP/s, would be {ceiling / GFLOP:.1f} img/s; "
            f"features moved {moved:.1e} of the largest, FID {before:.4f} by {change:+.1e}"
        )


def _halves_fid(features: Any) -> float:
    """Return the FID, by torch-fidelity, between the two halves of a set of features."""
    from benchmarks.metrics.peers import fid_of_statistics

    half = len(features) // 2
    wide = features.astype(np.float64)
    parts = [
        {"mu": one.mean(0), "sigma": np.cov(one, rowvar=False)}
        for one in (wide[:half], wide[half:])
    ]
    return fid_of_statistics(*parts)


def bench_frechet(chosen: argparse.Namespace) -> None:
    """The Fréchet distance of 2048 features beside scipy's matrix root."""
    import scipy.linalg

    from metrics.distribution import frechet, moments

    random = np.random.default_rng(0)
    mixing = random.standard_normal((2048, 2048)) / 45
    a = moments.of_rows(random.standard_normal((5000, 2048)) @ mixing)
    b = moments.of_rows(random.standard_normal((5000, 2048)) @ mixing * 1.1 + 0.1)

    def peer() -> float:
        gap = a.mean - b.mean
        root = scipy.linalg.sqrtm(a.covariance @ b.covariance).real
        traces = np.trace(a.covariance) + np.trace(b.covariance)
        return float(gap @ gap + traces - 2 * np.trace(root))

    times = alternate(lambda: frechet.distance(a, b), peer, min(chosen.rounds, 1))
    _print("Fréchet distance, 2048 features", *times)
    click.echo(f"  values differ by {abs(frechet.distance(a, b) / peer() - 1):.1e} relative")


def bench_ssim(chosen: argparse.Namespace) -> None:
    """SSIM of 256x256 RGB beside scikit-image."""
    from benchmarks.metrics.peers import ssim_of
    from metrics.paired.ssim import ssim

    x, y = crops(2)
    times = alternate(
        lambda: [ssim(x, y) for _ in range(20)],
        lambda: [ssim_of(x, y) for _ in range(20)],
        chosen.rounds,
    )
    _print("SSIM, 256x256 RGB", times[0] * 50, times[1] * 50, "ms")


def bench_psnr(chosen: argparse.Namespace) -> None:
    """PSNR of 256x256 RGB beside scikit-image."""
    from skimage.metrics import peak_signal_noise_ratio

    from metrics.paired.psnr import psnr

    x, y = crops(2)
    times = alternate(
        lambda: [psnr(x, y) for _ in range(100)],
        lambda: [peak_signal_noise_ratio(y, x) for _ in range(100)],
        chosen.rounds,
    )
    _print("PSNR, 256x256 RGB", times[0] * 10, times[1] * 10, "ms")


def _part(options: list[str]) -> None:
    chosen = _parse(options)
    name = chosen.parts[0]
    if name in ("compute", "memory"):
        from benchmarks.metrics import whole

        whole.PARTS[name](chosen)
    else:
        globals()[f"bench_{name}"](chosen)


if __name__ == "__main__":
    _part(sys.argv[1:])
