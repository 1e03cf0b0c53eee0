"""Metrics beside their peers: features, distances, SSIM, PSNR, a whole `compute`, and memory."""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np
from PIL import Image

# Of Inception, for one image: 5.713 billion multiply-adds.
GFLOP = 11.43

PARTS = ("features", "frechet", "ssim", "psnr", "compute", "memory")


ONE_CORE = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


def main(options: list[str]) -> None:
    """Run the parts named in `options`, all by default, each in a process of one thread."""
    chosen = _parse(options)
    rest = [option for option in options if option not in chosen.parts]
    for part in chosen.parts or PARTS:
        command = [sys.executable, "-W", "ignore", "-m", "benchmarks.metrics", part, *rest]
        subprocess.run(command, check=True, env=os.environ | ONE_CORE)


def _parse(options: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench metrics")
    parser.add_argument("parts", nargs="*", default=[], help=" ".join(PARTS))
    parser.add_argument(
        "--images", type=int, default=128, help="of `features`; a side of `compute`"
    )
    parser.add_argument("--rounds", type=int, default=3, help="of alternating timings")
    parser.add_argument("--precision", nargs="*", default=["fp32", "bf16"], help="of `features`")
    return parser.parse_args(options)


def cpu_seconds() -> float:
    """Return the CPU time of this process and its children: a busy machine does not change it."""
    return sum(os.times()[:4])


def alternate(
    ours: Callable[[], Any], theirs: Callable[[], Any], rounds: int
) -> tuple[float, float]:
    """Return the median CPU seconds of both, on one thread, timed in turn."""
    ours(), theirs()
    times: list[list[float]] = [[], []]
    for _ in range(rounds):
        for kept, function in zip(times, (ours, theirs), strict=True):
            started = cpu_seconds()
            function()
            kept.append(cpu_seconds() - started)
    return float(np.median(times[0])), float(np.median(times[1]))


def _print(what: str, ours: float, theirs: float, unit: str = "s") -> None:
    click.echo(f"{what}: {ours:.4g} {unit} against {theirs:.4g} {unit}: {theirs / ours:.1f} times")


def conv_rate(precision: str) -> float:
    """Return the GFLOP/s of a convolution that suits the processor: a ceiling for networks."""
    import torch

    kind = {"fp32": torch.float32, "bf16": torch.bfloat16}[precision]
    conv = torch.nn.Conv2d(256, 256, 3, padding=1, dtype=kind).requires_grad_(False)
    images = torch.randn(8, 256, 35, 35, dtype=kind).contiguous(memory_format=torch.channels_last)
    conv = conv.to(memory_format=torch.channels_last)
    times = []
    for _ in range(8):
        started = cpu_seconds()
        for _ in range(4):
            conv(images)
        times.append((cpu_seconds() - started) / 4)
    return float(2 * 8 * 35 * 35 * 256 * 256 * 9 / min(times) / 1e9)


def bench_features(chosen: argparse.Namespace) -> None:
    """Inception features, from files to rows, beside torch-fidelity's default path."""
    from benchmarks.metrics_peers import fidelity_extractor, fidelity_files
    from benchmarks.random_inception import write_random_inception

    with tempfile.TemporaryDirectory() as folder:
        weights = write_random_inception(Path(folder) / "random.pth")
        fake, _ = write_runs(Path(folder), chosen.images)
        peer = fidelity_extractor(weights)
        kept: dict[str, Any] = {}
        times: dict[str, list[float]] = {}
        for _ in range(chosen.rounds):
            for name in ("peer", *chosen.precision):
                started = cpu_seconds()
                if name == "peer":
                    kept[name] = fidelity_files(peer, fake)
                else:
                    kept[name] = _our_features(fake, weights, name)
                times.setdefault(name, []).append(cpu_seconds() - started)
        _print_features(kept, times, chosen)


def _our_features(folder: Path, weights: Path, precision: str) -> Any:
    """Return the features of a folder's images ``(N, 2048)`` in the order of their names."""
    from metrics import inception
    from metrics.cache import key_of
    from metrics.onepass import Unit, run_pass
    from metrics.pairs import open_images
    from metrics.weights import Found

    with tempfile.TemporaryDirectory() as cache:
        task = inception.load(Found(weights, "random", False), precision).task(Path(cache))
        files = open_images(folder).files
        keys = {item: key_of([files[item].digest]) for item in sorted(files)}
        run_pass([[Unit(task, key, (files[item],))] for item, key in keys.items()])
        return task.store.rows(list(keys.values()))


def _print_features(kept: Any, times: dict[str, list[float]], chosen: argparse.Namespace) -> None:
    peer = float(np.median(times["peer"]))
    reference, count = kept["peer"], chosen.images
    before = _halves_fid(reference)
    for name in chosen.precision:
        ours = float(np.median(times[name]))
        _print(f"Inception {name}, {count} files of 256x256", ours, peer)
        moved = np.abs(kept[name] - reference).max() / np.abs(reference).max()
        change = _halves_fid(kept[name]) - before
        ceiling = conv_rate(name)
        click.echo(
            f"  {count / ours:.2f} img/s a core against {count / peer:.2f}; all of it at the rate "
            f"of a 3x3 convolution, {ceiling:.0f} GFLOP/s, would be {ceiling / GFLOP:.1f} img/s; "
            f"features moved {moved:.1e} of the largest, FID {before:.4f} by {change:+.1e}"
        )


def _halves_fid(features: Any) -> float:
    """Return the FID, by torch-fidelity, between the two halves of a set of features."""
    from benchmarks.metrics_peers import metric_fid

    half = len(features) // 2
    wide = features.astype(np.float64)
    parts = [
        {"mu": one.mean(0), "sigma": np.cov(one, rowvar=False)}
        for one in (wide[:half], wide[half:])
    ]
    value = metric_fid.fid_statistics_to_metric(*parts, verbose=False)
    return float(value["frechet_inception_distance"])


def bench_frechet(chosen: argparse.Namespace) -> None:
    """The Fréchet distance of 2048 features beside scipy's matrix root."""
    import scipy.linalg

    from metrics import frechet, moments

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
    from benchmarks.metrics_peers import ssim_of
    from benchmarks.random_inception import crops
    from metrics.ssim import ssim

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

    from benchmarks.random_inception import crops
    from metrics.psnr import psnr

    x, y = crops(2)
    times = alternate(
        lambda: [psnr(x, y) for _ in range(100)],
        lambda: [peak_signal_noise_ratio(y, x) for _ in range(100)],
        chosen.rounds,
    )
    _print("PSNR, 256x256 RGB", times[0] * 10, times[1] * 10, "ms")


def write_runs(folder: Path, count: int, side: int = 256) -> tuple[Path, Path]:
    """Write `count` crops and blurred ones as two folders of PNGs, and return both folders."""
    from benchmarks.random_inception import crops

    real, fake = folder / "real", folder / "fake"
    for place in (real, fake):
        place.mkdir(parents=True)
    for index, pixels in enumerate(crops(count, side)):
        image = Image.fromarray(pixels)
        image.save(real / f"{index:05d}.png", compress_level=1)
        small = image.resize((side // 4, side // 4), Image.Resampling.BICUBIC)
        blurred = small.resize((side, side), Image.Resampling.BICUBIC)
        blurred.save(fake / f"{index:05d}.png", compress_level=1)
    return fake, real


def bench_compute(chosen: argparse.Namespace) -> None:
    """A whole `compute`, then again from the cache, beside the peers called one after another."""
    from benchmarks.random_inception import write_random_inception
    from metrics.compute import Request, compute
    from metrics.weights import Shelf

    names = ["psnr", "ssim", "fid", "inception_score", "kid"]
    names += ["precision", "recall", "density", "coverage"]
    networks = [name for name in ("lpips_alex", "lpips_vgg") if Shelf(os.environ).look(name)]
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        weights = write_random_inception(place / "random.pth")
        fake, real = write_runs(place, chosen.images)
        shelf = Shelf(os.environ, unpublished={"inception": weights})
        request = Request(fake, place / "cache", real, metrics=tuple(names + networks), shelf=shelf)
        times = []
        for _ in range(2):
            started = cpu_seconds()
            compute(request)
            times.append(cpu_seconds() - started)
        peers = _peers(fake, real, weights, networks, shelf)
        what = f"compute, {chosen.images} images a side, {', '.join(names + networks)}"
        _print(what, times[0], peers)
        _print("  again, from the cache, against the first", times[1], times[0])


def _peers(fake: Path, real: Path, weights: Path, networks: Sequence[str], shelf: Any) -> float:
    from benchmarks import metrics_peers as peers

    started = cpu_seconds()
    pair = sorted(fake.iterdir()), sorted(real.iterdir())
    extractor = peers.fidelity_extractor(weights)
    steps: list[tuple[str, Callable[[], Any]]] = [
        ("PSNR", lambda: peers.psnr(*pair)),
        ("SSIM", lambda: peers.ssim(*pair)),
        ("FID, IS, KID", lambda: peers.distributions(extractor, *pair)),
        ("prdc", lambda: peers.neighbours(extractor, *pair)),
    ]
    for name in networks:
        net = peers.lpips_net(name, shelf.find(name))
        steps.append((name, lambda net=net: peers.lpips_mean(net, *pair)))
    for name, step in steps:
        begun = cpu_seconds()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            step()
        click.echo(f"  peer {name}: {cpu_seconds() - begun:.1f} s")
    return cpu_seconds() - started


def bench_memory(chosen: argparse.Namespace) -> None:
    """Peak memory of 1,000 and of 20,000 images, each in a process of its own."""
    del chosen
    for count in (1000, 20_000):
        code = f"from benchmarks.metrics import peak; peak({count})"
        subprocess.run([sys.executable, "-c", code], check=True)


def peak(count: int) -> None:
    """Print the peak memory of PSNR and SSIM of `count` pairs, and of the statistics of features.

    The features are drawn at random and put into the cache, because it is the pass and the
    statistics that see all images; a network sees 32 at a time.
    """
    from metrics import frechet, kid
    from metrics.cache import RowStore
    from metrics.compute import Request, compute
    from metrics.moments import over

    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        fake, real = write_runs(place, count, 64)
        request = Request(fake, place / "cache", real, metrics=("psnr", "ssim"))
        before = _megabytes()
        compute(request)
        paired = _megabytes()
        stores = [RowStore(place, {"set": name}, 2048, "<f4") for name in "ab"]
        random = np.random.default_rng(0)
        keys = [index.to_bytes(32, "big") for index in range(count)]
        for store in stores:
            for start in range(0, count, 1000):
                rows = random.standard_normal((1000, 2048), dtype=np.float32)
                store.append(keys[start : start + 1000], rows)
        a, b = (over(store.blocks(keys)) for store in stores)
        frechet.distance(a, b)
        few = keys[: min(count, 4000)]
        kid.kernel_distance(lambda: stores[0].blocks(few), lambda: stores[1].blocks(few))
        click.echo(
            f"memory, {count} images: {before:.0f} MB at the start, {paired:.0f} MB after the "
            f"pass, {_megabytes():.0f} MB after the statistics of 2048 features"
        )


def _megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _part(options: list[str]) -> None:
    chosen = _parse(options)
    globals()[f"bench_{chosen.parts[0]}"](chosen)


if __name__ == "__main__":
    _part(sys.argv[1:])
