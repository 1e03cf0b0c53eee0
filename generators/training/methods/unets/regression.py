"""Regression: the same U-Net predicts the image from the input, in one evaluation (SR3, 4.1)."""

from __future__ import annotations

from generators.diffusion.schedule import gammas
from generators.training.methods.contract import Method, Start
from generators.training.methods.unets.examples import Examples, plain
from generators.training.methods.unets.unet import UNetTraining, unet_method
from generators.training.part import Step


def begin(config: UNetTraining, start: Start) -> Method:
    """Return the training: no noise, the error of the image itself."""
    table = gammas(config.model.schedule)  # of the augmentation's levels

    def examples(at: Step) -> Examples:
        return plain(config, at.batch, table, at.draws)

    return unet_method(config, start, examples)
