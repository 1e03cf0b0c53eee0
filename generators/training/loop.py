"""Training: batches drawn by step number, EMA, checkpoints, resume to the bit.

Every random draw of step k comes from a generator seeded by (seed, k), so a training that was
stopped and resumed takes the same steps as one that was not.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from generators.config import Strict, load_config
from generators.diffusion.augmentation import AugmentationConfig, augment
from generators.diffusion.process import diffuse, loss, target, v_weight
from generators.diffusion.schedule import gammas, sample_gammas
from generators.errors import ConfigError
from generators.nets.checkpoint import write_model
from generators.nets.device import usable
from generators.nets.model import Condition, ModelConfig, encode, evaluate, upsample
from generators.nets.unet import UNet, channels_last
from generators.resize import KERNEL
from generators.sampling.perceptual import Lpips, LpipsSource
from generators.training import state as training_state
from generators.training.data import Batch, DataConfig, Images, draw_batch, load_images
from generators.training.progress import Progress
from generators.training.validation import preview
from generators.training.warm_start import begin


class TrainConfig(Strict):
    """A training, as read from TOML. `steps` may be raised later to train on."""

    name: str
    out: Path
    seed: int = Field(default=0, ge=0)
    steps: int = Field(ge=1)
    batch: int = Field(default=16, ge=1)
    rate: float = Field(default=1e-4, gt=0)
    warmup: int = Field(default=100, ge=0)  # steps of linear warm-up
    cooldown: int = Field(default=0, ge=0)  # last steps, over which the rate falls to zero
    ema: float = Field(default=0.999, ge=0, lt=1)
    clip: float = Field(default=1.0, gt=0)  # of the gradient's norm
    power: Literal[1, 2] = 2  # L1 or L2
    weighting: Literal["none", "v"] = "none"  # `v`: the error of x0 weighed by 1 / (1-γ)
    drop_label: float = Field(default=0.0, ge=0, lt=1)  # for classifier-free guidance
    precision: Literal["float32", "bfloat16"] = "bfloat16"
    compile: bool = False  # fuse operations: minutes to start, then about 1.8 times faster
    checkpoint_every: int = Field(default=500, ge=1)
    sample_every: int = Field(default=1000, ge=1)
    licence: str = "unstated"  # of the weights, for the model card
    start_from: Path | None = None  # a checkpoint to begin with, in place of random weights
    model: ModelConfig
    data: DataConfig
    augmentation: AugmentationConfig = AugmentationConfig()


@dataclass(frozen=True)
class Workers:
    """This process among those that train together (torchrun)."""

    rank: int = 0
    count: int = 1

    def agree(self, loss: Tensor, stop: bool) -> tuple[Tensor, bool]:
        """Return the mean loss of all processes, and whether any of them was asked to stop."""
        if self.count == 1:
            return loss, stop
        both = torch.stack([loss / self.count, torch.tensor(float(stop), device=loss.device)])
        torch.distributed.all_reduce(both)
        return both[0], bool(both[1] > 0)


def train(path: Path, device: str = "cpu", lpips: LpipsSource | None = None) -> Path:
    """Train what the TOML says and return the checkpoint's path; resumes where it stopped.

    `lpips` gives what scores pairs of validation images beside PSNR.

    Raises `ConfigError` for a wrong configuration, or one that does not fit the saved state, and
    `KeyboardInterrupt` after saving when it is stopped.
    """
    config = check(path, load_config(path, TrainConfig))
    place = usable(device)
    with _workers(device) as workers:
        if config.batch % workers.count:
            raise ConfigError(f"{path}: batch {config.batch} is no multiple of {workers.count}")
        images, held_back = load_images(config.data)
        _check_classes(path, config, images)
        run = _Run(config, place, workers)
        if lpips is not None and workers.rank == 0 and len(held_back):
            run.score_by(lpips(config.model.size))
        run.begin_or_resume(path)
        if workers.rank == 0:
            _say(config, images, held_back)
        run.loop(images, held_back)
    return config.out / "model.safetensors"


def _say(config: TrainConfig, images: Images, held_back: Images) -> None:
    small = images.small + held_back.small
    left = f", {small} smaller than {config.data.size} pixels left out" if small else ""
    counts = f"{len(images)} images to train on, {len(held_back)} held back{left}"
    print(f"{config.name}: {counts}", file=sys.stderr, flush=True)


def check(path: Path, config: TrainConfig) -> TrainConfig:
    """Return the configuration if its parts fit each other, else raise `ConfigError`."""
    model, data = config.model, config.data
    if model.factor != data.factor:
        raise ConfigError(f"{path}: data.factor is {data.factor}, model.factor is {model.factor}")
    if model.size != data.size:
        raise ConfigError(f"{path}: data.size is {data.size}, model.size is {model.size}")
    if (data.patch or data.size) % model.net.stride:
        raise ConfigError(f"{path}: the training size must be a multiple of {model.net.stride}")
    if config.weighting == "v" and model.prediction != "x0":
        raise ConfigError(f"{path}: weighting 'v' is for prediction 'x0', not {model.prediction!r}")
    if model.net.level_embedding != config.augmentation.noise:
        raise ConfigError(f"{path}: model.net.level_embedding and augmentation.noise must agree")
    if model.net.classes != len(model.classes):
        raise ConfigError(
            f"{path}: model.net.classes is {model.net.classes}, "
            f"model.classes lists {len(model.classes)}"
        )
    return config


def _check_classes(path: Path, config: TrainConfig, images: Images) -> None:
    if config.model.classes and images.classes != config.model.classes:
        found = ", ".join(images.classes[:3])
        raise ConfigError(f"{path}: model.classes are not the data's sub-folders ({found}, …)")


class _Run:
    """The state of one training."""

    def __init__(self, config: TrainConfig, device: torch.device, workers: Workers) -> None:
        torch.manual_seed(config.seed)
        self.lpips: Lpips | None = None
        self.origin: dict[str, Any] = {}
        self.config, self.device, self.workers = config, device, workers
        net = channels_last(UNet(config.model.net), device)
        self.net, self.step, self.images = net, 0, 0
        self.ema = {name: value.clone() for name, value in net.state_dict().items()}
        self.optimizer = torch.optim.Adam(net.parameters(), lr=config.rate, fused=True)
        self.table = gammas(config.model.schedule)
        self.parallel: nn.Module = net
        if workers.count > 1:
            self.parallel = nn.parallel.DistributedDataParallel(net)
        if config.compile:
            self.parallel.compile(dynamic=False)

    def score_by(self, lpips: Lpips | str) -> None:
        """Validate by LPIPS too, or say why not."""
        if isinstance(lpips, str):
            print(f"validation without LPIPS: {lpips}", file=sys.stderr, flush=True)
        else:
            self.lpips = lpips

    def begin_or_resume(self, path: Path) -> None:
        """Load the saved state, if there is one that fits, or what the training starts from."""
        if self.config.start_from is not None:
            self.origin = begin(self.net, self.ema, path, self.config.start_from)
        state = self.config.out / "state.safetensors"
        if state.exists():
            identity = _identity(self.config)
            self.step, self.images = training_state.read(
                state, path, identity, net=self.net, ema=self.ema, optimizer=self.optimizer
            )

    def loop(self, images: Images, held_back: Images) -> None:
        """Train to the last step, saving on the way and when stopped."""
        asked, stopped = _Stop(), False
        with asked, Progress(self.config, self.step, self.workers.rank) as progress:
            while self.step < self.config.steps and not stopped:
                value, stopped = self.workers.agree(self._train_step(images), bool(asked))
                self.step += 1
                self.images += self.config.batch
                progress.update(self.step, value)
                if self.step % self.config.checkpoint_every == 0:
                    self.save()
                if self.step % self.config.sample_every == 0 or self.step == self.config.steps:
                    self._preview(held_back, progress)
        self.save()
        if stopped:
            raise KeyboardInterrupt

    def _train_step(self, images: Images) -> Tensor:
        value = self._loss(images)
        value.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.net.parameters(), self.config.clip)
        for group in self.optimizer.param_groups:
            group["lr"] = _rate(self.config, self.step)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self._average()
        return value.detach()

    def _loss(self, images: Images) -> Tensor:
        config = self.config
        draws = torch.Generator().manual_seed(_step_seed(config.seed, self.step))
        batch = draw_batch(images, config.data, config.batch, draws)
        example = _example(config, batch, self.table, draws)
        mine = slice(self.workers.rank, None, self.workers.count)
        y, gamma, wanted, condition = example.part(mine, self.device)
        with torch.autocast(
            self.device.type, torch.bfloat16, enabled=config.precision == "bfloat16"
        ):
            output = evaluate(self.parallel, y, gamma, condition)
        return loss(output, wanted, config.power, _weight(config, gamma))

    def _average(self) -> None:
        decay = min(self.config.ema, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            averages = list(self.ema.values())
            torch._foreach_lerp_(averages, list(self.net.state_dict().values()), 1 - decay)

    def save(self) -> None:
        """Write the state to resume from, then the model; rank 0 only."""
        if self.workers.rank:
            return
        identity = _identity(self.config)
        state, done = self.config.out / "state.safetensors", (self.step, self.images)
        training_state.write(
            state, identity, done, net=self.net, ema=self.ema, optimizer=self.optimizer
        )
        facts = {"name": self.config.name, "steps": self.step, "seed": self.config.seed}
        facts |= {"images": self.images, "licence": self.config.licence, "reduction": KERNEL}
        facts |= self.origin
        write_model(self.config.out / "model.safetensors", self.ema, self.config.model, facts)

    def _preview(self, held_back: Images, progress: Progress) -> None:
        if self.workers.rank == 0:
            net = channels_last(UNet(self.config.model.net), self.device)
            net.load_state_dict(self.ema)
            progress.note(preview(net.eval(), self.config, held_back, self.step, self.lpips))


@dataclass(frozen=True)
class _Example:
    y: Tensor
    gamma: Tensor
    wanted: Tensor
    condition: Condition

    def part(self, cut: slice, device: torch.device) -> tuple[Tensor, Tensor, Tensor, Condition]:
        """Return one process's share, on its device."""

        def take(value: Tensor | None) -> Tensor | None:
            return None if value is None else value[cut].to(device)

        condition = self.condition
        mine = Condition(take(condition.up), take(condition.label), take(condition.level))
        return self.y[cut].to(device), self.gamma[cut].to(device), self.wanted[cut].to(device), mine


def _example(config: TrainConfig, batch: Batch, table: Tensor, draws: torch.Generator) -> _Example:
    model, up, level = config.model, None, None
    if model.task != "image":
        low, level = augment(batch.low, config.augmentation, table, draws)
        up = upsample(low, model.factor)
    x0 = encode(model, batch.high, up)
    condition = Condition(up, _labels(config, batch, draws), level)
    if model.task == "regression":
        zeros = torch.zeros(len(x0))
        return _Example(torch.zeros_like(x0), zeros, x0, condition)
    gamma = sample_gammas(table, torch.rand(2, len(x0), generator=draws))
    noise = torch.randn(x0.shape, generator=draws)
    wanted = target(model.prediction, x0, noise, gamma)
    return _Example(diffuse(x0, noise, gamma), gamma, wanted, condition)


def _labels(config: TrainConfig, batch: Batch, draws: torch.Generator) -> Tensor | None:
    classes = config.model.net.classes
    if not classes:
        return None
    dropped = torch.rand(len(batch.labels), generator=draws) < config.drop_label
    return torch.where(dropped, classes, batch.labels)


def _weight(config: TrainConfig, gamma: Tensor) -> Tensor | None:
    return v_weight(gamma) if config.weighting == "v" else None


def _rate(config: TrainConfig, step: int) -> float:
    rise = min(1.0, (step + 1) / (config.warmup + 1))
    fall = min(1.0, (config.steps - step) / (config.cooldown + 1))
    return config.rate * rise * fall


def _step_seed(seed: int, step: int) -> int:
    digest = hashlib.sha256(f"train/{seed}/{step}".encode()).digest()
    return int.from_bytes(digest[:7], "big")


def _identity(config: TrainConfig) -> str:
    # What must not change between stopping and resuming; how long and how fast to go on may.
    rhythm = ("steps", "batch", "rate", "cooldown", "compile", "checkpoint_every", "sample_every")
    # A key newer than some saved states: it counts where it is set.
    unset = () if config.start_from else ("start_from",)
    free = ("name", "out", "licence", *rhythm, *unset)
    text = config.model_dump_json(exclude=dict.fromkeys(free, True) | {"data": {"folder"}})
    return hashlib.sha256(text.encode()).hexdigest()


class _Stop:
    """True once Ctrl-C or SIGTERM was received; the step in flight is finished first."""

    def __init__(self) -> None:
        self.asked = False

    def __enter__(self) -> _Stop:
        signals = (signal.SIGINT, signal.SIGTERM)
        self.before = {number: signal.signal(number, self._ask) for number in signals}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)

    def __bool__(self) -> bool:
        return self.asked

    def _ask(self, *_: object) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True


@contextlib.contextmanager
def _workers(device: str) -> Iterator[Workers]:
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield Workers()
        return
    torch.distributed.init_process_group("gloo" if device == "cpu" else "nccl")
    try:
        yield Workers(torch.distributed.get_rank(), torch.distributed.get_world_size())
    finally:
        torch.distributed.destroy_process_group()
