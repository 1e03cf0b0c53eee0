"""An Inception file with random weights, for timings and tests where the published one is absent.

Kaiming weights with the batch norms calibrated on one batch of real crops, so that activations have
the published network's scale. Scores made from it are stamped "unpublished weights".
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from benchmarks.support import published_inception
from benchmarks.support.images import crops
from metrics.networks import inception


def write_random_inception(path: Path, seed: int = 0) -> Path:
    """Write a state dict like the published file's and return its path."""
    torch.manual_seed(seed)
    layers = published_inception.network()
    for part in layers.modules():
        if isinstance(part, nn.Conv2d):
            nn.init.kaiming_normal_(part.weight)
        if isinstance(part, nn.BatchNorm2d):
            part.momentum = 1.0
    layers.train()
    with torch.no_grad():
        layers(torch.stack([inception.preprocess(image) for image in crops(3)]))
    state = layers.state_dict()
    state["fc.weight"] = torch.randn(inception.CLASSES, inception.WIDTH) / 10
    state["fc.bias"] = torch.zeros(inception.CLASSES)
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(state, path)
    return path
