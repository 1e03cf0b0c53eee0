"""Diffusion: the U-Net learns to undo noise of every level (SR3, CDM)."""

from __future__ import annotations

from torch import Tensor

from generators.diffusion.process import v_weight
from generators.diffusion.schedule import gammas
from generators.training.methods.contract import Method, Start
from generators.training.methods.unets.examples import Examples, noised
from generators.training.methods.unets.unet import UNetTraining, unet_method
from generators.training.part import Step


def begin(config: UNetTraining, start: Start) -> Method:
    """Return the training; its error may be weighed as if the net predicted v."""
    table = gammas(config.model.schedule)

    def examples(at: Step) -> Examples:
        return noised(config, at.batch, table, at.draws)

    def weight(gamma: Tensor) -> Tensor | None:
        return v_weight(gamma) if config.weighting == "v" else None

    return unet_method(config, start, examples, weight)
