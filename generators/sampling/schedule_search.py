"""`schedule search`: choose a few-step grid by a metric on held-out images (SR3, section 2.4).

The candidates are grids that start at γ_first, end at γ_last and are spaced in log-SNR with a power
that crowds them towards one end. SR3 searches by FID. Here the metric is LPIPS, which the caller
hands over (generators know no feature net), the distance of log power spectra (missing detail and
left-over noise both show in it, but grain is rewarded) or the mean squared error.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import torch
from pydantic import Field, field_validator
from torch import Tensor

from generators import progress as on_stderr
from generators.config import Strict, load_config, refuse_unused
from generators.diffusion.schedule import gammas
from generators.errors import ConfigError, SettingError, naming
from generators.files import write_atomically
from generators.images.item_names import IdRule
from generators.manifest import open_run
from generators.nets.model import ModelConfig
from generators.nets.tensors import to_unit
from generators.pixels import read_image
from generators.progress import progress
from generators.resize import downsample
from generators.sampling.perceptual import Lpips, LpipsSource, lpips_mean
from generators.sampling.stage import Loaded, Stage, load_stage

Gamma = Annotated[float, Field(gt=0, lt=1)]


class SearchConfig(Strict):
    """What is searched: a checkpoint, held-out images at full size, the candidates."""

    stage: Stage
    images: Path  # a run, or a folder, of real images; the inputs are made by shrinking them
    ids: IdRule = "stem"  # of a plain folder's items: the file's stem, or its whole path
    out: Path  # a TOML file with the chosen `levels`
    count: int = Field(default=8, ge=1)  # images
    seed: int = Field(default=0, ge=0)
    metric: Literal["lpips", "spectrum", "mse"] = "spectrum"
    gamma_first: tuple[Gamma, ...] = (0.001, 0.003, 0.01, 0.03)
    gamma_last: tuple[Gamma, ...] = (0.9, 0.97, 0.99, 0.998)
    power: tuple[Annotated[float, Field(gt=0)], ...] = (0.7, 1.0, 1.4)

    @field_validator("stage")
    @classmethod
    def _has_no_grid_yet(cls, stage: Stage) -> Stage:
        refuse_unused(stage, ["levels", "grid"], "but the search is for the levels")
        return stage


Grid = tuple[float, ...]
Distance = Callable[[Tensor, Tensor], float]  # of images (N, 3, H, W) in [-1, 1] and real ones


def search(
    path: Path,
    device: str = "cpu",
    lpips: LpipsSource | None = None,
    say: Callable[[str], None] = print,
) -> Grid:
    """Return the best grid, after saying every candidate's score and writing the file `out`.

    `lpips` gives what scores pairs of images for `metric = "lpips"`. Raises `ConfigError` for a
    wrong configuration, or when LPIPS is asked for and cannot be had.
    """
    config = load_config(path, SearchConfig)
    with naming(path):
        stage = load_stage(config.stage, "stage 0", ("sr",), device, strict=False)
    distance = _distance(path, config.metric, stage.model.size, lpips)
    with naming(path):
        real, low = _pairs(config, stage.model)
    best: tuple[float, Grid] | None = None
    grids = list(candidates(config, stage.model, config.stage.evaluations))
    with progress("schedule search", len(grids)) as advance:
        for grid in grids:
            score = distance(_made(config, stage, grid, low), real)
            say(f"{score:.5f}  γ {', '.join(f'{gamma:.4g}' for gamma in grid)}")
            best = min(best or (score, grid), (score, grid))
            advance(1)
    if best is None:
        raise ConfigError(f"{path}: no candidate grids within the schedule of the checkpoint")
    write_atomically(config.out, _report(config, stage, *best).encode())
    say(f"best {best[0]:.5f}, written to {config.out}")
    return best[1]


def candidates(config: SearchConfig, model: ModelConfig, count: int) -> Iterator[Grid]:
    """Yield the grids within the range of γ that the net was trained on."""
    table = gammas(model.schedule)
    least, most = float(table[-1]), float(table[0])
    for first, last, power in itertools.product(
        config.gamma_first, config.gamma_last, config.power
    ):
        if least <= first < last <= most:
            yield spaced(first, last, power, count)


def spaced(first: float, last: float, power: float, count: int) -> Grid:
    """Return `count` levels from `first` to `last`; a power over 1 crowds them towards noise."""
    start, end = math.log(first / (1 - first)), math.log(last / (1 - last))
    shares = [(k / max(1, count - 1)) ** power for k in range(count)]
    return tuple(1 / (1 + math.exp(-(start + (end - start) * share))) for share in shares)


def spectrum_distance(made: Tensor, real: Tensor) -> float:
    """Return the mean absolute difference of log10 power spectra, radially averaged, per image."""
    return float((_spectrum(made) - _spectrum(real)).abs().mean())


def _spectrum(images: Tensor) -> Tensor:
    size = min(images.shape[-2:])
    grey = images[..., :size, :size].mean(dim=1)
    power = torch.fft.fftshift(torch.fft.fft2(grey).abs().square(), dim=(-2, -1))
    axis = torch.arange(size) - size // 2
    radius = (axis[:, None] ** 2 + axis[None] ** 2).sqrt().round().long().clamp(max=size // 2)
    rings = torch.zeros(len(images), size // 2 + 1)
    rings.index_add_(1, radius.flatten(), power.flatten(1))
    counts = torch.bincount(radius.flatten(), minlength=size // 2 + 1)
    return torch.log10(rings / counts + 1e-6)


def _mse(made: Tensor, real: Tensor) -> float:
    return float((made - real).square().mean())


def _distance(path: Path, metric: str, size: int, lpips: LpipsSource | None) -> Distance:
    if metric != "lpips":
        return {"spectrum": spectrum_distance, "mse": _mse}[metric]
    found: Lpips | str = lpips(size) if lpips else "needs to be run by manage.py"
    if isinstance(found, str):
        raise ConfigError(f"{path}: metric 'lpips': {found}")
    return partial(lpips_mean, found)


def _made(config: SearchConfig, stage: Loaded, grid: Grid, low: Tensor) -> Tensor:
    searched = replace(stage, settings=replace(stage.settings, levels=grid))
    size = (low.shape[-2] * stage.model.factor, low.shape[-1] * stage.model.factor)
    seeds = [config.seed + number for number in range(len(low))]
    made = [
        searched.draw(seeds[k : k + 4], size, low=low[k : k + 4]) for k in range(0, len(low), 4)
    ]
    return torch.cat(made)


def _pairs(config: SearchConfig, model: ModelConfig) -> tuple[Tensor, Tensor]:
    if not config.images.is_dir():
        raise SettingError(f"images {config.images}: no such folder, expected a run or images")
    run = open_run(config.images, config.ids)
    on_stderr.say(run.notes)
    if len(run.files) < config.count:
        raise SettingError(
            f"{config.images}: holds {len(run.files)} images, expected count = {config.count}"
        )
    real, low = [], []
    for item, file in list(run.files.items())[: config.count]:
        pixels = read_image(file)
        if pixels.shape[:2] != (model.size, model.size):
            raise SettingError(
                f"{config.images}: item {item!r} is {pixels.shape[1]}x{pixels.shape[0]}, "
                f"expected {model.size}x{model.size}"
            )
        real.append(torch.from_numpy(pixels.copy()))
        low.append(torch.from_numpy(downsample(pixels, model.factor)))
    to_nchw = (torch.stack(side).permute(0, 3, 1, 2) for side in (real, low))
    high, small = (to_unit(side) for side in to_nchw)
    return high, small


def _report(config: SearchConfig, stage: Loaded, score: float, grid: Grid) -> str:
    levels = ",\n  ".join(f"{gamma:.8f}" for gamma in grid)
    return (
        f"# Found by `schedule search`: {config.metric} {score:.5f} on {config.count} images of "
        f"{config.images.name},\n# checkpoint {stage.digest}, sampler {config.stage.sampler}.\n"
        f"levels = [\n  {levels},\n]\n"
    )
