"""Networks made ready for extraction: batch norms folded, channels last, bf16 or compiled if asked.

Images go through in batches of one fixed size, the last one filled up with zeros: the arithmetic of
a row then does not depend on how many images came with it.
"""

from __future__ import annotations

import copy
import logging
import shutil
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from metrics.cache import RowStore
from metrics.decode import Image
from metrics.errors import WeightsError
from metrics.onepass import Pixels, Task

_log = logging.getLogger(__name__)

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16}


@dataclass(frozen=True, eq=False)
class Extractor:
    """A network that gives one row of features for an image."""

    name: str
    width: int
    resize: str  # how images are brought to the network's size
    precision: str
    weights_digest: str
    published: bool  # whether the weights are the published ones
    batch: int
    preprocess: Callable[[Image], Tensor]  # (H, W, 3) uint8 -> (3, S, S) fp32
    network: Callable[[Tensor], Tensor]  # (B, 3, S, S) -> (B, width)
    head: tuple[NDArray[np.float32], NDArray[np.float32]] | None = None  # class weights and bias

    def features(self, images: Sequence[Image]) -> NDArray[np.float32]:
        """Return the rows ``(N, width)`` fp32 of N images."""
        rows = []
        with torch.inference_mode():
            for start in range(0, len(images), self.batch):
                part = torch.stack([self.preprocess(x) for x in images[start : start + self.batch]])
                filled = part.new_zeros((self.batch, *part.shape[1:]))
                filled[: len(part)] = part
                prepared = filled.to(PRECISIONS[self.precision], memory_format=torch.channels_last)
                rows.append(self.network(prepared)[: len(part)].float().numpy())
        return np.concatenate(rows)

    def task(self, cache: Path) -> Task:
        """Return the extractor as a task of the one pass, with its rows kept below `cache`."""
        space = {
            "extractor": self.name,
            "weights": self.weights_digest,
            "resize": self.resize,
            "precision": self.precision,
        }

        def compute(batch: Sequence[Pixels]) -> NDArray[Any]:
            return self.features([pixels[0] for pixels in batch])

        return Task(self.name, RowStore(cache, space, self.width, "<f4"), compute, self.batch)


def check_finite(state: Mapping[str, Tensor], name: str) -> None:
    """Raise `WeightsError`, naming the first tensor, if any weight is not finite."""
    for key, tensor in state.items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise WeightsError(f"{name}: tensor {key} holds values that are not finite")


def load_state(path: Path, name: str) -> dict[str, Tensor]:
    """Return a state dict read without running code from it. Raises `WeightsError`."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        reason = str(error).splitlines()[0]
        raise WeightsError(f"{path}: not a file of {name} weights ({reason})") from None
    if not isinstance(state, dict):
        raise WeightsError(f"{path}: holds {type(state).__name__}, expected a state dict")
    check_finite(state, str(path))
    return state


def fill(module: nn.Module, state: Mapping[str, Tensor], path: Path) -> None:
    """Load a state dict into a module. Raises `WeightsError` naming the first key that differs."""
    wanted = module.state_dict()
    # Files from before PyTorch 0.4.1 lack the counters of the batch norms.
    lacking = [k for k in wanted if k not in state and not k.endswith("num_batches_tracked")]
    extra = [k for k in state if k not in wanted]
    odd = [k for k in state if k in wanted and state[k].shape != wanted[k].shape]
    if lacking or extra or odd:
        first = (lacking + extra + odd)[0]
        raise WeightsError(f"{path}: does not fit the network, first at {first!r}")
    module.load_state_dict(dict(state), strict=False)


def fold(module: nn.Module, pairs: Sequence[tuple[str, str]]) -> nn.Module:
    """Return a copy with batch norms folded into the convolutions before them.

    `pairs` names (convolution, batch norm) attributes that may occur together in a submodule.
    """
    folded = copy.deepcopy(module).eval()
    for part in folded.modules():
        for convolution, norm in pairs:
            conv, bn = getattr(part, convolution, None), getattr(part, norm, None)
            if isinstance(conv, nn.Conv2d) and isinstance(bn, nn.BatchNorm2d):
                setattr(part, convolution, _fused(conv, bn))
                setattr(part, norm, nn.Identity())
    return folded


def _fused(conv: nn.Conv2d, bn: nn.BatchNorm2d) -> nn.Conv2d:
    # In fp64, so that folding costs no more than the rounding of the weights themselves.
    fused = fuse_conv_bn_eval(conv.double(), bn.double())
    return fused.float()


def ready(module: nn.Module, precision: str, *, compiled: bool) -> Callable[[Tensor], Tensor]:
    """Return the module as a function on prepared batches, in the precision."""
    if precision not in PRECISIONS:
        raise WeightsError(f"precision is {precision!r}, expected one of {', '.join(PRECISIONS)}")
    module = module.to(PRECISIONS[precision])
    module = module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return optimise(module.requires_grad_(False).eval(), compiled=compiled)


def optimise(module: nn.Module, *, compiled: bool) -> Callable[..., Tensor]:
    """Return the module as a function, compiled if asked and if there is a C++ compiler.

    Without one the plain module is returned: the rows agree to about 1e-5 relative, only the speed
    differs.
    """
    if not compiled or not any(shutil.which(name) for name in ("c++", "g++", "clang++")):
        return module
    from torch._inductor import config
    from torch._inductor.exc import InductorError

    def run(*batches: Tensor) -> Tensor:
        with config.patch(freezing=True), warnings.catch_warnings():
            # Inductor and the tracer warn about their own internals, which nobody here can change.
            warnings.simplefilter("ignore")
            try:
                result: Tensor = network[0](*batches)
            except InductorError as error:
                # A process killed while it compiled leaves a broken file in Inductor's own cache.
                reason = str(error).splitlines()[0]
                _log.warning("the network runs uncompiled, compiling it failed: %s", reason)
                network[0] = module
                result = module(*batches)
        return result

    network: list[Callable[..., Tensor]] = [torch.compile(module)]
    return run
