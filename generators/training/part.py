"""A part of a training: a net that it changes, with its optimizer and its averages."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from generators.diffusion.noise import Draws, draw_seed
from generators.training.config import TrainingConfig
from generators.training.data import Batch
from generators.training.processes import Workers

Optimizer = Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer]


@dataclass(frozen=True)
class Step:
    """One step of a training: its number, this process's examples and their draws."""

    number: int
    batch: Batch
    draws: Draws
    config: TrainingConfig
    among: Workers

    def rate(self, highest: float) -> float:
        """Return the learning rate: it rises with the warm-up and falls in the cool-down."""
        config = self.config
        rise = min(1.0, (self.number + 1) / (config.warmup + 1))
        fall = min(1.0, (config.steps - self.number) / (config.cooldown + 1))
        return highest * rise * fall

    def seed_torch(self, stage: str) -> None:
        """Seed torch's own generator, from which dropout draws: the same after a resumption.

        Another in each process. `stage` keeps several uses of one step apart.
        """
        torch.manual_seed(draw_seed(self.config.seed, self.number, f"{stage}/{self.among.rank}"))

    def autocast(self) -> torch.autocast:
        """Return the context in which nets compute in the training's precision."""
        half = self.config.precision == "bfloat16"
        return torch.autocast(self.among.device.type, torch.bfloat16, enabled=half)


class Part:
    """A net that a training changes, its optimizer and its exponential averages.

    `net` lies on the device already. `optimizer` makes one of parameters; by default it is Adam.
    `rate` is the highest learning rate and `ema` the averages' decay, by default the
    configuration's. `averaged`: False for a net of which no averages are wanted (a discriminator).

    The losses go through `parallel` where gradients are wanted: it is the net, whose gradients are
    the mean of all processes' under torchrun.
    """

    def __init__(
        self,
        net: nn.Module,
        config: TrainingConfig,
        among: Workers,
        *,
        optimizer: Optimizer | None = None,
        rate: float | None = None,
        ema: float | None = None,
        averaged: bool = True,
    ) -> None:
        self.net, self.clip = net, config.clip
        self.rate = config.rate if rate is None else rate
        self.ema = config.ema if ema is None else ema
        kept = net.state_dict() if averaged else {}
        self.averages = {name: value.clone() for name, value in kept.items()}
        make = optimizer or (lambda them: torch.optim.Adam(them, lr=self.rate, fused=True))
        self.optimizer = make(net.parameters())
        self.parallel = among.parallel(net)
        if config.compile:
            self.parallel.compile(dynamic=False)

    def update(self, loss: Tensor, at: Step) -> Tensor:
        """Take the optimizer's step down `loss`, then average; return the loss without a graph."""
        # The loss of another part may have passed through this net and left gradients.
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.net.parameters(), self.clip)
        for group in self.optimizer.param_groups:
            group["lr"] = at.rate(self.rate)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self._average(at.number)
        return loss.detach()

    def _average(self, step: int) -> None:
        decay = min(self.ema, (1 + step) / (10 + step))
        now = self.net.state_dict()
        pairs = [(average, now[name]) for name, average in self.averages.items()]
        smooth = [pair for pair in pairs if pair[0].is_floating_point()]
        if not pairs:
            return
        with torch.no_grad():
            torch._foreach_lerp_([a for a, _ in smooth], [v for _, v in smooth], 1 - decay)
            for average, value in pairs:
                if not average.is_floating_point():  # a counter
                    average.copy_(value)
