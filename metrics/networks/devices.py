"""Where networks compute: the processor, or an accelerator, with the same calls.

On the processor nothing here does anything. On an accelerator fp32 is fp32: TF32, which cuDNN takes
for convolutions unless it is told not to, has to be asked for, and is a precision of its own.
Batches are as large as a share of the device's memory allows; that share is of all its memory and
not of what is free, so that one device always takes batches of one size.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor

from metrics.errors import InputError

TF32 = "tf32"
PRECISIONS = ("fp32", "bf16", TF32)
_SHARE = 1 / 4  # of the device's memory, for one batch: two are in flight, besides the weights
_LARGEST = 256
_streams = threading.local()


def check_device(device: str, precision: str = "fp32") -> None:
    """Raise `InputError` unless this torch can compute on the device, in the precision."""
    if not re.fullmatch(r"cpu|mps|cuda(:\d+)?", device):
        raise InputError(f"device is {device!r}, expected cpu, cuda, cuda:N or mps")
    if precision not in PRECISIONS:
        raise InputError(f"precision is {precision!r}, expected {', '.join(PRECISIONS)}")
    kind = device.partition(":")[0]
    if precision == TF32 and kind != "cuda":
        raise InputError(f"precision tf32 is of CUDA devices, the device is {device!r}")
    if precision == "bf16" and kind == "cpu" and not takes_bf16():
        raise InputError(
            "precision bf16: this processor has no AVX-512 and would only imitate it, use fp32"
        )
    if kind == "cuda" and not torch.cuda.is_available():
        built = torch.version.cuda or "no CUDA"
        raise InputError(f"device {device}: torch {torch.__version__} ({built}) finds none here")
    if kind == "cuda" and torch.device(device).index not in (None, *range(_count())):
        raise InputError(f"device {device}: there are {_count()} CUDA devices, numbered from 0")
    if kind == "mps" and not torch.backends.mps.is_available():
        raise InputError(f"device mps: torch {torch.__version__} finds none here")


def takes_bf16() -> bool:
    """Return whether oneDNN multiplies bf16 here, which needs AVX-512.

    Elsewhere torch imitates bf16: slower than fp32, and an image's features depend on its batch.
    """
    supported: Any = getattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", None)
    return supported is None or bool(supported())


def _count() -> int:
    return torch.cuda.device_count()


def on_processor(device: str) -> bool:
    """Return whether a device is the processor."""
    return device == "cpu"


def accumulator(device: torch.device) -> torch.dtype:
    """Return the widest floating type of a device: MPS has no fp64."""
    return torch.float32 if device.type == "mps" else torch.float64


def reduces(device: str) -> torch.device | None:
    """Return the device that reduces features in fp64, None for numpy on the processor.

    That is CUDA: MPS has no fp64, and a distance in fp32 has no digits left.
    """
    return torch.device(device) if device.startswith("cuda") else None


def holds(device: str, numbers: int) -> bool:
    """Return whether so many fp64 numbers fit in a quarter of the device's memory."""
    return on_processor(device) or numbers * 8 <= _memory(device) * _SHARE


def batch_for(device: str, on_cpu: int, megabytes: float) -> int:
    """Return how many images go through at a time, each taking so much of the device's memory."""
    if on_processor(device):
        return on_cpu
    room = _memory(device) * _SHARE / (megabytes * 2**20)
    size = _LARGEST
    while size > 1 and size > room:
        size //= 2
    return size


def _memory(device: str) -> float:
    if device.startswith("cuda"):
        return float(torch.cuda.get_device_properties(torch.device(device)).total_memory)
    return float(torch.mps.recommended_max_memory())


def sent(batch: Tensor, device: str) -> Tensor:
    """Return a batch on the device; to CUDA from pinned memory, so that the copy can overlap."""
    if on_processor(device):
        return batch
    if device.startswith("cuda"):
        return batch.pin_memory().to(device, non_blocking=True)
    return batch.to(device)


@contextmanager
def without_tf32(device: str) -> Iterator[None]:
    """Compute inside in the precision that the tensors have, and nothing coarser."""
    if device.startswith("cuda"):
        _allow_tf32(False)
    yield


def _allow_tf32(allowed: bool) -> None:
    torch.backends.cudnn.allow_tf32 = allowed
    torch.backends.cuda.matmul.allow_tf32 = allowed


@contextmanager
def arithmetic(device: str, precision: str) -> Iterator[None]:
    """Compute inside in this precision, without gradients, on a stream of this thread's own."""
    with torch.inference_mode(), _stream(device):
        if device.startswith("cuda"):
            # Said before every batch: the switches are the process's, and others may move them.
            _allow_tf32(precision == TF32)
        yield


def _stream(device: str) -> Any:
    if not device.startswith("cuda"):
        return nullcontext()
    found: dict[str, Any] = _streams.__dict__.setdefault("by_device", {})
    if device not in found:
        found[device] = torch.cuda.Stream(torch.device(device))  # type: ignore[no-untyped-call]
        # The weights were sent on the device's default stream.
        found[device].wait_stream(torch.cuda.default_stream(torch.device(device)))
    return torch.cuda.stream(found[device])
