"""Let torchvision be imported beside a torch build it was not compiled for.

The package index has no CPU build of torchvision, and the ordinary one beside a CPU torch stops at
import with ``operator torchvision::nms does not exist``. The peers of tests and benchmarks
(torch-fidelity, lpips, timm, diffusers) import torchvision and use none of its compiled operators,
so it is enough that their names exist. With a matching torchvision, or none, this does nothing.
The product imports neither torchvision nor anything that needs it.
"""

from __future__ import annotations

import importlib.util
from functools import cache
from pathlib import Path

import torch


@cache
def define_operators() -> object:
    """Define the operators whose compiled half cannot be loaded, before torchvision is imported."""
    spec = importlib.util.find_spec("torchvision")
    if spec is None:
        return None
    for compiled in Path(spec.origin or "").parent.glob("_C*.so"):
        try:
            torch.ops.load_library(compiled)
            return None
        except OSError:
            break
    library = torch.library.Library("torchvision", "DEF")
    for name in ("nms", "qnms"):
        schema = f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
        library.define(schema)
    return library  # kept by the cache: the operators vanish with it
