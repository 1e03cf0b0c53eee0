"""Training: batches drawn by step and example, checkpoints, resume to the bit, for every method.

Every random draw of example k of step n comes from a generator seeded by (seed, n, k), so a
training that was stopped and resumed takes the same steps as one that was not, and several
processes draw what one would.
"""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from generators.errors import ConfigError, naming
from generators.files import alone_in
from generators.nets.device import hardware
from generators.resize import KERNEL
from generators.sampling.perceptual import Features, Lpips, LpipsSource
from generators.training import state as training_state
from generators.training.config import TrainingConfig, computed_by, identity
from generators.training.data import (
    KEPT,
    Ahead,
    Images,
    Listed,
    ahead,
    bytes_digest,
    list_images,
    names_digest,
    open_images,
)
from generators.training.methods.contract import Method, Start
from generators.training.methods.registry import read_training
from generators.training.part import Step
from generators.training.processes import Stop, Workers, number_of, workers
from generators.training.progress import Progress

LARGEST = 65504.0  # of float16, in which weights are published


def train(
    path: Path,
    device: str = "cpu",
    lpips: LpipsSource | None = None,
    *,
    features: Callable[[], Features | str] | None = None,
    start_over: bool = False,
) -> Path:
    """Train what the TOML says and return the checkpoint's path; resumes where it stopped.

    `lpips` gives what scores pairs of validation images beside PSNR, `features` what a perceptual
    loss compares. `start_over` begins anew where
    a training was stopped.

    Raises `ConfigError` for a wrong configuration, or one that does not fit the saved state, and
    `KeyboardInterrupt` after saving when it is stopped.
    """
    config, kind = read_training(path)
    with workers(device) as among, ExitStack() as held:
        if config.batch % among.count:
            raise ConfigError(f"{path}: batch {config.batch} is no multiple of {among.count}")
        with naming(path):
            listed = among.from_first(lambda: list_images(config.data))
        _check_classes(path, config, listed)
        among.from_first(lambda: held.enter_context(alone_in(config.out)))
        memory = KEPT // number_of("LOCAL_WORLD_SIZE", os.environ)
        images, held_back = open_images(config.data, listed, memory)
        scored = lpips is not None and among.rank == 0 and len(held_back)
        torch.manual_seed(config.seed)
        scorer = _scorer(lpips, config.data.size) if lpips and scored else None
        start = Start(path, among, listed.train, scorer)
        start = replace(start, features=features) if features else start
        run = _Run(config, among, kind.begin(config, start), listed)
        if not start_over:
            run.resume(path)
        if among.rank == 0:
            _say(config, listed, images)
        run.loop(images, held_back)
    return config.out / "model.safetensors"


def _scorer(lpips: LpipsSource, size: int) -> Lpips | None:
    """Return what scores images of this size; None, said in a line, where there is nothing."""
    found = lpips(size)
    if not isinstance(found, str):
        return found
    print(f"validation without LPIPS: {found}", file=sys.stderr, flush=True)
    return None


def _say(config: TrainingConfig, listed: Listed, images: Images) -> None:
    left = f", {listed.small} smaller than {config.data.size} pixels left out"
    counts = f"{len(images)} images to train on, {len(listed.held_back)} held back"
    kept = f"; {images.kept} stay in memory, the others are read when drawn"
    notes = left * bool(listed.small) + kept * (images.kept < len(images))
    notes += "".join(f"; {note}" for note in listed.notes)
    print(f"{config.name}: {counts}{notes}", file=sys.stderr, flush=True)


def _check_classes(path: Path, config: TrainingConfig, listed: Listed) -> None:
    if not config.classes or listed.classes == config.classes:
        return
    wanted, found = set(config.classes), set(listed.classes)
    if wanted == found:
        raise ConfigError(f"{path}: model.classes are not in the order of their names")
    if missing := wanted - found:
        reason = f"{min(missing)!r} has no image to train on"
    else:
        reason = f"{min(found - wanted)!r} is none of model.classes"
    raise ConfigError(
        f"{path}: model.classes has {len(wanted)} classes, {config.data.folder} "
        f"{len(found)} sub-folders with images to train on: {reason}"
    )


class _Run:
    """The state of one training."""

    def __init__(
        self, config: TrainingConfig, among: Workers, method: Method, listed: Listed
    ) -> None:
        self.config, self.among, self.method = config, among, method
        self.computed_by = computed_by(config, among.device)
        seen = {"images": names_digest(listed), "images' bytes": bytes_digest(listed)}
        seen |= dict(method.stands_on)
        self.made = identity(config), self.computed_by | seen
        self.saved = 0
        self.step, self.images = 0, 0

    def resume(self, path: Path) -> None:
        """Load the saved state, if there is one; it must fit the configuration `path`."""
        state = self.config.out / "state.safetensors"
        if state.exists():
            found = training_state.read(state, path, self.made, self.method.parts)
            self.step, self.images = found
            self.saved = self.step
            if self.step > self.config.steps:
                raise ConfigError(
                    f"{path}: steps is {self.config.steps}, but {self.config.out} has been trained "
                    f"for {self.step}: expected as many or more"
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
                values, stopped = self.among.agree(self._train_step(batches), bool(asked))
                self.step += 1
                self._refuse_losses(values)
                self.images += config.batch
                progress.update(self.step, values)
                if self.step % config.checkpoint_every == 0:
                    self.keep()
                if self.step % config.sample_every == 0 or self.step == config.steps:
                    self._preview(held_back, progress)
        self.keep()
        if stopped:
            raise KeyboardInterrupt

    def _train_step(self, batches: Ahead) -> Mapping[str, Tensor]:
        batch, draws = batches.batch(self.step)
        try:
            return self.method.step(Step(self.step, batch, draws, self.config, self.among))
        except torch.linalg.LinAlgError:  # type: ignore[attr-defined]  # of weights that are no numbers any more
            raise self._diverged(self.step + 1, "the weights are not finite") from None

    def _refuse_losses(self, values: Mapping[str, Tensor]) -> None:
        for name, value in values.items():
            if not math.isfinite(float(value)):
                raise self._diverged(self.step, f"{name} is {float(value)}")

    def keep(self) -> None:
        """Save, unless the training has diverged: then raise `ConfigError`."""
        for part in self.method.parts.values():
            for name, value in {**part.net.state_dict(), **part.averages}.items():
                if not bool(value.isfinite().all()):
                    raise self._diverged(self.step, f"weight {name} is not finite")
            for name, weight in part.net.named_parameters():
                both = torch.stack([weight.detach(), part.averages.get(name, weight.detach())])
                if both.abs().max() > LARGEST:
                    raise self._diverged(self.step, f"weight {name} is beyond {LARGEST:g}")
        self.save()

    def _diverged(self, step: int, found: str) -> ConfigError:
        kept = f"what step {self.saved} left is kept" if self.saved else "nothing was saved"
        return ConfigError(
            f"{self.config.name}: step {step}: {found}: the training has diverged, perhaps of too "
            f"high a rate ({self.config.rate:g}); {kept}"
        )

    def save(self) -> None:
        """Write the state to resume from, then the model; rank 0 only."""
        self.saved = self.step
        if self.among.rank:
            return
        config, done = self.config, (self.step, self.images)
        training_state.write(config.out / "state.safetensors", self.made, done, self.method.parts)
        facts = {"name": config.name, "steps": self.step, "seed": config.seed}
        facts |= {"images": self.images, "licence": config.licence, "reduction": KERNEL}
        facts |= {"computed_by": self.computed_by | self._place()} | dict(self.method.facts)
        self.method.write(config.out / "model.safetensors", facts)

    def _place(self) -> dict[str, str]:
        return {"hardware": hardware(self.among.device), "processes": str(self.among.count)}

    def _preview(self, held_back: Images, progress: Progress) -> None:
        if self.among.rank == 0:
            progress.note(self.method.preview(held_back, self.step))
