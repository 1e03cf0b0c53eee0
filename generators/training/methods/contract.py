"""How to add a training method.

A method says what one step of a training does, with which nets. The loop
(`generators.training.loop`) does the rest for all of them: images, batches and random draws by
step number, averages, the state to resume from (to the bit), validation, progress, several
processes, Ctrl-C, a full disk. Write one module in `generators/training/methods` with

1. a configuration, subclass of `TrainingConfig`, with ``method: Literal["my_method"]`` and the
   method's own keys;
2. ``check(path, config)``: raises `ConfigError` when the parts of a configuration do not fit;
3. ``begin(config, start) -> Method``: makes the nets, each with its optimizer as a `Part`, and says
   what a step does with them;
4. ``card(config, log)``: what the model card says of it;

and add a row to `METHODS` in `generators/training/methods/registry.py`. A GAN:

    def begin(config: GanTraining, start: Start) -> Method:
        maker = Part(Maker(config).to(start.among.device), config, start.among)
        judge = Part(Judge(config).to(start.among.device), config, start.among, averaged=False)

        def step(at: Step) -> dict[str, Tensor]:
            real, z = at.batch.high.to(start.among.device), at.draws.randn(config.z)
            made = maker.parallel(z)
            judged = judge.update(hinge(judge.parallel(real), judge.parallel(made.detach())), at)
            return {"loss": maker.update(-judge.parallel(made).mean(), at), "judge": judged}

        return Method(parts={"net": maker, "judge": judge}, step=step, preview=…, write=…)

Rules that make a training resume to the bit and give the same for any number of processes:

* Everything random comes from `at.draws` (one generator for each example), or from torch's own
  generator after `at.seed_torch(stage)`.
* What lasts from step to step is in a part: its net's parameters and buffers, its optimizer, its
  averages. Nothing is kept elsewhere; what depends on the step's number is computed from it.
* Under torchrun a process sees only its share of a batch: what a net computes from the whole batch
  (batch norm, minibatch standard deviation) is then of that share. Losses of single examples follow
  the loss of one process to float32's rounding.
* A net that does not train (a frozen autoencoder, a perceptual loss) is no part. What it is goes
  into `stands_on`, by its file's digest, so that a training never goes on upon another.

Methods of several phases (first without, then with the adversarial loss; an autoencoder, then its
prior) choose by `at.number` what to update, or are two trainings of which the second names the
first one's file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from generators.sampling.perceptual import Features, Lpips
from generators.training.config import TrainingConfig
from generators.training.data import Images
from generators.training.part import Part, Step
from generators.training.processes import Workers


@dataclass(frozen=True)
class Start:
    """What a method begins with: the TOML's path, the processes, the files that it trains on.

    `lpips` scores validation images. `features` gives a perceptual loss its network, or says why
    there is none.
    """

    path: Path
    among: Workers
    files: Sequence[Path] = ()
    lpips: Lpips | None = None
    features: Callable[[], Features | str] = lambda: "the command gave none"


@dataclass(frozen=True)
class Method:
    """A training's nets, and what its steps do with them.

    `step` updates the parts and returns what to log, first the loss by which it is judged; the
    values are scalars without a graph. `preview(held_back, step)` returns validation figures and
    may write samples into the configuration's `out`. `write(path, facts)` writes the model file.
    """

    parts: Mapping[str, Part]
    step: Callable[[Step], Mapping[str, Tensor]]
    preview: Callable[[Images, int], dict[str, float]]
    write: Callable[[Path, dict[str, Any]], object]
    facts: Mapping[str, Any] = field(default_factory=dict)  # for the model file, besides the loop's
    stands_on: Mapping[str, str] = field(default_factory=dict)  # what must not change underneath


@dataclass(frozen=True)
class Kind:
    """An entry of the registry.

    `card(config, log)` returns the rows ``makes``, ``parameters`` and ``validation`` of the model
    card; `log` holds the validation figures in the order of the steps.
    """

    Config: type[TrainingConfig]
    check: Callable[[Path, Any], None]
    begin: Callable[[Any, Start], Method]
    card: Callable[[Any, list[dict[str, Any]]], dict[str, str]]


def parameters_of(make: Callable[[], nn.Module]) -> str:
    """Return what a model card says of a net's size, counted without allocating the net."""
    with torch.device("meta"):
        count = sum(weight.numel() for weight in make().parameters())
    return f"{count / 1e6:.2f} million"


def last_with(log: Sequence[dict[str, Any]], name: str) -> dict[str, Any] | None:
    """Return the last entry of a training's log that holds this figure, None for none."""
    return next((entry for entry in reversed(log) if name in entry), None)
