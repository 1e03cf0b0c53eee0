"""Networks made ready for extraction: channels last, in fp32 or bf16.

Images go through in batches of one fixed size, the last one filled up with zeros: the arithmetic of
a row then does not depend on how many images came with it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from metrics.errors import InputError, WeightsError
from metrics.extraction.one_pass import ImageTuple, Task
from metrics.extraction.row_store import RowStore
from metrics.images.decode import Image
from metrics.networks.devices import TF32, arithmetic, batch_for, on_processor, sent
from metrics.weights.registry import WeightsFile

# Rows are kept on disk under this number; raise it when the arithmetic of a network changes.
DEFINITION = 4

BATCH = 8  # on a processor: more would leave its cache, and is slower

# What bf16 is called where a network's convolutions are Winograd's: its rows differ from other
# machines' by the rounding of bf16, so that rows and scores of both kinds must not meet.
WINOGRAD = "bf16-winograd"

# A device rounds bf16 in its own way, too: its rows meet only those of its kind.
PRECISIONS = {
    "fp32": torch.float32,
    TF32: torch.float32,
    "bf16": torch.bfloat16,
    WINOGRAD: torch.bfloat16,
    "bf16-cuda": torch.bfloat16,
    "bf16-mps": torch.bfloat16,
}


def precision_on(device: str, precision: str) -> str:
    """Return what a precision is called in scores, computed on this device."""
    if precision == "bf16" and not on_processor(device):
        return f"bf16-{torch.device(device).type}"
    return precision


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
    preprocess: Callable[[Image], Tensor]  # (H, W, 3) uint8 -> (3, S, S)
    network: Callable[[Tensor], Tensor]  # (B, 3, S, S) -> (B, width)
    head: tuple[NDArray[np.float32], NDArray[np.float32]] | None = None  # class weights and bias
    device: str = "cpu"

    @property
    def provenance(self) -> dict[str, Any]:
        """Return what decides a row besides the image, as fields of a score."""
        return {
            "extractor": self.name,
            "weights_digest": self.weights_digest,
            "resize": self.resize,
            "precision": self.precision,
        }

    def logits(self, rows: NDArray[Any]) -> NDArray[Any]:
        """Return the logits ``(N, classes)`` of rows ``(N, width)``. Raises `InputError`."""
        if self.head is None:
            raise InputError(f"{self.name} has no classes")
        weight, bias = self.head
        return np.asarray(rows @ weight.T + bias)

    def features(self, images: Sequence[Image]) -> NDArray[np.float32]:
        """Return the rows ``(N, width)`` fp32 of N images."""
        return self._rows([self.prepare(image) for image in images])

    def prepare(self, image: Image) -> Tensor:
        """Return an image as the network takes it, in its precision."""
        return self.preprocess(image).to(PRECISIONS[self.precision])

    def _rows(self, prepared: Sequence[Tensor]) -> NDArray[np.float32]:
        starts = range(0, len(prepared), self.batch)
        with arithmetic(self.device, self.precision):
            batches = [self._batch(prepared[start : start + self.batch]) for start in starts]
        return np.concatenate(batches)

    def _batch(self, prepared: Sequence[Tensor]) -> NDArray[np.float32]:
        first = prepared[0]
        filled = torch.zeros((self.batch, *first.shape), dtype=first.dtype)
        filled = filled.contiguous(memory_format=torch.channels_last)
        for number, image in enumerate(prepared):
            filled[number] = image
        made = self.network(sent(filled, self.device))[: len(prepared)]
        rows: NDArray[np.float32] = made.float().cpu().numpy()
        return rows

    def task(self, cache: Path) -> Task:
        """Return the extractor as a task of the one pass, with its rows kept below `cache`."""
        space = {
            "extractor": self.name,
            "weights": self.weights_digest,
            "resize": self.resize,
            "precision": self.precision,
            "definition": DEFINITION,
        }
        processor = on_processor(self.device)
        if not processor:  # equal within rounding, and still kept apart
            space["device"] = torch.device(self.device).type

        def prepare(pixels: ImageTuple) -> Tensor:
            return self.prepare(pixels[0])

        store = RowStore(cache, space, self.width, "<f4")
        return Task(self.name, store, self._rows, self.batch, prepare, on_device=not processor)


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
        reason = ": ".join([type(error).__name__, *str(error).splitlines()[:1]])
        raise WeightsError(f"{path}: not a file of {name} weights ({reason})") from None
    if not isinstance(state, dict) or not all(
        isinstance(key, str) and isinstance(value, Tensor) for key, value in state.items()
    ):
        raise WeightsError(f"{path}: holds {type(state).__name__}, expected tensors by name")
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


def extractor(
    name: str,
    module: nn.Module,
    found: WeightsFile,
    preprocess: Callable[[Image], Tensor],
    *,
    width: int,
    resize: str,
    precision: str,
    device: str,
    megabytes: int,
    head: tuple[NDArray[np.float32], NDArray[np.float32]] | None = None,
) -> Extractor:
    """Return a module that holds the weights `found` as an extractor on the device.

    `megabytes`: of an image's maps on an accelerator, with room to spare.
    """
    return Extractor(
        name=name,
        width=width,
        resize=resize,
        precision=precision,
        weights_digest=found.digest,
        published=found.published,
        batch=batch_for(device, BATCH, megabytes),
        preprocess=preprocess,
        network=ready(module, precision, device),
        head=head,
        device=device,
    )


def ready(module: nn.Module, precision: str, device: str = "cpu") -> Callable[[Tensor], Tensor]:
    """Return the module as a function on prepared batches, in the precision, on the device."""
    if precision not in PRECISIONS:
        raise WeightsError(f"precision is {precision!r}, expected one of {', '.join(PRECISIONS)}")
    module = module.to(device, PRECISIONS[precision])
    module = module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return module.requires_grad_(False).eval()
