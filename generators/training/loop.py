"""Training: batches drawn by step and example, EMA, checkpoints, resume to the bit.

Every random draw of example k of step n comes from a generator seeded by (seed, n, k), so a
training that was stopped and resumed takes the same steps as one that was not, and several
processes draw what one would.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from generators.config import load_config
from generators.diffusion.noise import draw_seed
from generators.diffusion.process import loss
from generators.diffusion.schedule import gammas
from generators.errors import ConfigError
from generators.nets.checkpoint import write_model
from generators.nets.device import hardware
from generators.nets.model import evaluate
from generators.nets.unet import UNet, channels_last
from generators.resize import KERNEL
from generators.sampling.perceptual import Lpips, LpipsSource
from generators.training import state as training_state
from generators.training.config import TrainConfig, check, computed_by, identity
from generators.training.data import KEPT, Ahead, Images, Listed, ahead, list_images, open_images
from generators.training.examples import examples, rate, weight
from generators.training.processes import Stop, Workers, workers
from generators.training.progress import Progress
from generators.training.validation import preview
from generators.training.warm_start import begin


def train(
    path: Path,
    device: str = "cpu",
    lpips: LpipsSource | None = None,
    *,
    start_over: bool = False,
) -> Path:
    """Train what the TOML says and return the checkpoint's path; resumes where it stopped.

    `lpips` gives what scores pairs of validation images beside PSNR. `start_over` begins anew where
    a training was stopped.

    Raises `ConfigError` for a wrong configuration, or one that does not fit the saved state, and
    `KeyboardInterrupt` after saving when it is stopped.
    """
    config = check(path, load_config(path, TrainConfig))
    with workers(device) as among:
        if config.batch % among.count:
            raise ConfigError(f"{path}: batch {config.batch} is no multiple of {among.count}")
        listed = among.from_first(lambda: list_images(config.data))
        _check_classes(path, config, listed)
        memory = KEPT // int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
        images, held_back = open_images(config.data, listed, memory)
        run = _Run(config, among)
        if lpips is not None and among.rank == 0 and len(held_back):
            run.score_by(lpips(config.model.size))
        run.begin_or_resume(path, start_over)
        if among.rank == 0:
            _say(config, listed, images)
        run.loop(images, held_back)
    return config.out / "model.safetensors"


def _say(config: TrainConfig, listed: Listed, images: Images) -> None:
    left = f", {listed.small} smaller than {config.data.size} pixels left out"
    counts = f"{len(images)} images to train on, {len(listed.held_back)} held back"
    kept = f"; {images.kept} stay in memory, the others are read when drawn"
    notes = left * bool(listed.small) + kept * (images.kept < len(images))
    notes += "".join(f"; {note}" for note in listed.notes)
    print(f"{config.name}: {counts}{notes}", file=sys.stderr, flush=True)


def _check_classes(path: Path, config: TrainConfig, listed: Listed) -> None:
    if config.model.classes and listed.classes != config.model.classes:
        found = ", ".join(listed.classes[:3])
        raise ConfigError(f"{path}: model.classes are not the data's sub-folders ({found}, …)")


class _Run:
    """The state of one training."""

    def __init__(self, config: TrainConfig, among: Workers) -> None:
        torch.manual_seed(config.seed)
        self.lpips: Lpips | None = None
        self.origin: dict[str, Any] = {}
        self.config, self.device, self.among = config, among.device, among
        self.computed_by = computed_by(config, among.device)
        net = channels_last(UNet(config.model.net), among.device)
        self.net, self.step, self.images = net, 0, 0
        self.ema = {name: value.clone() for name, value in net.state_dict().items()}
        self.optimizer = torch.optim.Adam(net.parameters(), lr=config.rate, fused=True)
        self.table = gammas(config.model.schedule)
        self.parallel = among.parallel(net)
        if config.compile:
            self.parallel.compile(dynamic=False)

    def score_by(self, lpips: Lpips | str) -> None:
        """Validate by LPIPS too, or say why not."""
        if isinstance(lpips, str):
            print(f"validation without LPIPS: {lpips}", file=sys.stderr, flush=True)
        else:
            self.lpips = lpips

    def begin_or_resume(self, path: Path, start_over: bool) -> None:
        """Load the saved state, if there is one that fits, or what the training starts from."""
        if self.config.start_from is not None:
            self.origin = begin(self.net, self.ema, path, self.config.start_from)
        state = self.config.out / "state.safetensors"
        if state.exists() and not start_over:
            self.step, self.images = training_state.read(
                state,
                path,
                (identity(self.config), self.computed_by),
                net=self.net,
                ema=self.ema,
                optimizer=self.optimizer,
            )

    def loop(self, images: Images, held_back: Images) -> None:
        """Train to the last step, saving on the way and when stopped."""
        asked, stopped, config = Stop(), False, self.config
        share = self.among.share(config.batch)
        shown = Progress(
            config.name, config.out / "log.jsonl", config.steps, config.batch, self.step
        )
        with (
            asked,
            shown.on(self.among.rank == 0) as progress,
            ahead(images, config.data, config.seed, share) as batches,
        ):
            while self.step < config.steps and not stopped:
                value, stopped = self.among.agree(self._train_step(batches), bool(asked))
                self.step += 1
                self.images += config.batch
                progress.update(self.step, value)
                if self.step % config.checkpoint_every == 0:
                    self.save()
                if self.step % config.sample_every == 0 or self.step == config.steps:
                    self._preview(held_back, progress)
        self.save()
        if stopped:
            raise KeyboardInterrupt

    def _train_step(self, batches: Ahead) -> Tensor:
        value = self._loss(batches)
        value.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.net.parameters(), self.config.clip)
        for group in self.optimizer.param_groups:
            group["lr"] = rate(self.config, self.step)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self._average()
        return value.detach()

    def _loss(self, batches: Ahead) -> Tensor:
        config = self.config
        batch, draws = batches.batch(self.step)
        mine = examples(config, batch, self.table, draws).to(self.device)
        if config.model.net.dropout:
            # Dropout draws from torch's own generator: the same after a resumption, and another
            # in each process.
            torch.manual_seed(draw_seed(config.seed, self.step, f"dropout/{self.among.rank}"))
        with torch.autocast(
            self.device.type, torch.bfloat16, enabled=config.precision == "bfloat16"
        ):
            output = evaluate(self.parallel, mine.y, mine.gamma, mine.condition)
        return loss(output, mine.wanted, config.power, weight(config, mine.gamma))

    def _average(self) -> None:
        decay = min(self.config.ema, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            averages = list(self.ema.values())
            torch._foreach_lerp_(averages, list(self.net.state_dict().values()), 1 - decay)

    def save(self) -> None:
        """Write the state to resume from, then the model; rank 0 only."""
        if self.among.rank:
            return
        config, done = self.config, (self.step, self.images)
        training_state.write(
            config.out / "state.safetensors",
            (identity(config), self.computed_by),
            done,
            net=self.net,
            ema=self.ema,
            optimizer=self.optimizer,
        )
        facts = {"name": config.name, "steps": self.step, "seed": config.seed}
        facts |= {"images": self.images, "licence": config.licence, "reduction": KERNEL}
        facts |= {"computed_by": self.computed_by | self._place()} | self.origin
        write_model(config.out / "model.safetensors", self.ema, config.model, facts)

    def _place(self) -> dict[str, str]:
        return {"hardware": hardware(self.device), "processes": str(self.among.count)}

    def _preview(self, held_back: Images, progress: Progress) -> None:
        if self.among.rank == 0:
            net = channels_last(UNet(self.config.model.net), self.device)
            net.load_state_dict(self.ema)
            progress.note(preview(net.eval(), self.config, held_back, self.step, self.lpips))
