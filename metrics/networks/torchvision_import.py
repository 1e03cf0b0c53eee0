"""Let torchvision be imported beside a torch build it was not compiled for.

The package index has no CPU build of torchvision, and the ordinary one beside a CPU torch stops at
import with ``operator torchvision::nms does not exist``. torch-fidelity imports torchvision and
uses none of its compiled operators, so it is enough that their names exist. With a matching
torchvision this does nothing.
"""

from __future__ import annotations

import importlib.util
from functools import cache
from pathlib import Path


@cache
def cure() -> object:
    """Define the operators whose compiled half cannot be loaded, before torchvision is imported."""
    import torch

    spec = importlib.util.find_spec("torchvision")
    for compiled in Path(spec.origin or "").parent.glob("_C*.so") if spec else ():
        try:
            torch.ops.load_library(compiled)  # type: ignore[no-untyped-call]
            return None
        except OSError:
            break
    library = torch.library.Library("torchvision", "DEF")  # type: ignore[no-untyped-call]
    for name in ("nms", "qnms"):
        schema = f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
        library.define(schema)  # type: ignore[no-untyped-call]
    return library  # kept by the cache: the operators vanish with it
