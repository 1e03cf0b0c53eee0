"""LPIPS 0.1 (Zhang et al. 2018) with AlexNet or VGG16, from weights stored as numpy arrays."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from metrics.errors import WeightsError
from metrics.extraction.one_pass import ImageTuple, Task
from metrics.extraction.row_store import RowStore
from metrics.images.decode import Image
from metrics.networks.devices import accumulator, arithmetic, batch_for, on_processor, sent
from metrics.networks.extractor import check_finite
from metrics.networks.fused_conv import FusedConv
from metrics.paired.psnr import crop
from metrics.weights.registry import WeightRegistry, WeightsFile

# Values are kept on disk under this number; raise it when the arithmetic changes.
DEFINITION = 2

BATCH = 8  # on a processor
PAIRS_ON_DEVICE = 64  # that wait for an accelerator; how many fit at a time depends on their size
# The scaling layer of the reference implementation, for pixels in -1..1.
SHIFT = (-0.030, -0.088, -0.188)
SCALE = (0.458, 0.448, 0.450)
_EPSILON = 1e-10

# A stage ends at a layer whose activations are compared: its max pool (kernel, stride) if it has
# one, then its convolutions (outputs, kernel, stride, padding), each followed by a ReLU.
Stage = tuple[tuple[int, int] | None, tuple[tuple[int, int, int, int], ...]]

ALEX: tuple[Stage, ...] = (
    (None, ((64, 11, 4, 2),)),
    ((3, 2), ((192, 5, 1, 2),)),
    ((3, 2), ((384, 3, 1, 1),)),
    (None, ((256, 3, 1, 1),)),
    (None, ((256, 3, 1, 1),)),
)
VGG16: tuple[Stage, ...] = (
    (None, ((64, 3, 1, 1),) * 2),
    ((2, 2), ((128, 3, 1, 1),) * 2),
    ((2, 2), ((256, 3, 1, 1),) * 3),
    ((2, 2), ((512, 3, 1, 1),) * 3),
    ((2, 2), ((512, 3, 1, 1),) * 3),
)
NETWORKS = {"lpips_alex": ("AlexNet_0", ALEX), "lpips_vgg": ("VGG16_0", VGG16)}


class _Arrays(pickle.Unpickler):
    """An unpickler that can make numpy arrays and nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in {
            ("numpy.core.multiarray", "_reconstruct"),
            ("numpy._core.multiarray", "_reconstruct"),
        }:
            return np._core.multiarray._reconstruct  # type: ignore[attr-defined]
        if module == "numpy" and name in ("ndarray", "dtype"):
            return getattr(np, name)
        raise pickle.UnpicklingError(f"{module}.{name} is not allowed")


def read_arrays(stream: BinaryIO) -> dict[str, NDArray[np.float32]]:
    """Return path -> array from a pickle of nested dictionaries of arrays, or raise its error."""
    flat: dict[str, NDArray[np.float32]] = {}

    def walk(node: Any, path: str) -> None:
        if isinstance(node, dict):
            for key, value in node.items():
                walk(value, f"{path}/{key}" if path else str(key))
        elif isinstance(node, np.ndarray):
            flat[path] = node
        else:
            raise pickle.UnpicklingError(f"{path} is a {type(node).__name__}, not an array")

    walk(_Arrays(stream).load(), "")
    return flat


def read_file(path: Path) -> dict[str, NDArray[np.float32]]:
    """Return path -> array of a file of LPIPS weights. Raises `WeightsError`."""
    try:
        with path.open("rb") as stream:
            arrays = read_arrays(stream)
    except (pickle.UnpicklingError, EOFError, ValueError, KeyError, IndexError) as error:
        raise WeightsError(f"{path}: not a file of LPIPS weights ({error})") from None
    check_finite({key: torch.from_numpy(value) for key, value in arrays.items()}, str(path))
    return arrays


class Lpips(nn.Module):
    """The distance between two batches of images, per pair."""

    def __init__(self, stages: Sequence[nn.Sequential], heads: Sequence[Tensor]) -> None:
        """Take the network cut after each compared layer, and a head ``(channels,)`` each."""
        super().__init__()
        self.stages = nn.ModuleList(stages)
        for number, head in enumerate(heads):
            self.register_buffer(f"head_{number}", head)
        self.register_buffer("shift", torch.tensor(SHIFT).view(1, 3, 1, 1))
        self.register_buffer("scale", torch.tensor(SCALE).view(1, 3, 1, 1))

    @property
    def heads(self) -> list[Tensor]:
        """Return the heads, one for each stage."""
        return [self.get_buffer(f"head_{number}") for number in range(len(self.stages))]

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Return the distances ``(N,)`` of images ``(N, 3, H, W)`` in -1..1 (eq. 1)."""
        count = len(x)
        both = (torch.cat([x, y]) - self.get_buffer("shift")) / self.get_buffer("scale")
        wide = accumulator(x.device)
        total = torch.zeros(count, dtype=wide, device=x.device)
        for stage, head in zip(self.stages, self.heads, strict=True):
            both = stage(both)
            unit = both / (both.square().sum(1, keepdim=True).sqrt() + _EPSILON)
            difference = (unit[:count] - unit[count:]).square()
            weighted = torch.einsum("nchw,c->nhw", difference, head)
            total += weighted.mean((1, 2), dtype=wide)
        return total


def filled_stages(
    arrays: Mapping[str, NDArray[np.float32]],
    prefix: str,
    plan: Sequence[Stage],
    pool_of: Callable[[tuple[int, int], int], nn.Module],
) -> list[nn.Sequential]:
    """Return the stages of a plan filled from arrays; ``pool_of`` takes a pool and its channels.

    Raises `KeyError` for a missing array.
    """
    stages, channels, number = [], 3, 0
    for pool, convolutions in plan:
        layers: list[nn.Module] = [pool_of(pool, channels)] if pool else []
        for outputs, kernel, stride, padding in convolutions:
            conv = nn.Conv2d(channels, outputs, kernel, stride, padding)
            fill_conv(conv, arrays, f"{prefix}/Conv_{number}")
            layers.append(FusedConv(conv, "relu"))
            channels, number = outputs, number + 1
        stages.append(nn.Sequential(*layers))
    return stages


def build(arrays: Mapping[str, NDArray[np.float32]], prefix: str, plan: Sequence[Stage]) -> Lpips:
    """Return the network of a plan filled from arrays. Raises `KeyError` for a missing array."""
    stages = filled_stages(arrays, prefix, plan, lambda pool, _: nn.MaxPool2d(*pool))
    heads = [
        torch.from_numpy(arrays[f"NetLinLayer_{index}/Conv_0/kernel"].ravel().copy())
        for index in range(len(plan))
    ]
    model = Lpips(stages, heads).requires_grad_(False).eval()
    return model.to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]


def fill_conv(conv: nn.Conv2d, arrays: Mapping[str, NDArray[np.float32]], key: str) -> None:
    """Give a convolution its kernel and bias. Raises `KeyError` for a missing array."""
    # The file stores kernels as height, width, input, output.
    kernel = torch.from_numpy(arrays[f"{key}/kernel"]).permute(3, 2, 0, 1).contiguous()
    bias = torch.from_numpy(arrays[f"{key}/bias"])
    conv.weight = nn.Parameter(kernel, requires_grad=False)
    conv.bias = nn.Parameter(bias.clone(), requires_grad=False)


def load(name: str, found: WeightsFile) -> Lpips:
    """Return the network `lpips_alex` or `lpips_vgg`. Raises `WeightsError`."""
    try:
        return build(read_file(found.path), *NETWORKS[name])
    except KeyError as error:
        raise WeightsError(f"{found.path}: lacks the array {error} of {name}") from None


def vgg_features(found: WeightsFile) -> nn.Sequential:
    """Return VGG16 up to relu5_3, for losses: images ``(N, 3, H, W)`` in -1..1, with gradients.

    Raises `WeightsError`.
    """
    model = load("lpips_vgg", found)
    layers: list[nn.Module] = [_Scaled()]
    for stage in model.stages:
        for layer in stage.children():
            # The fused convolutions of the metric compute no gradients.
            layers += [layer.conv, nn.ReLU()] if isinstance(layer, FusedConv) else [layer]
    return nn.Sequential(*layers).requires_grad_(False).eval()


class _Scaled(nn.Module):
    """The reference implementation's scaling layer."""

    shift: Tensor
    scale: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("shift", torch.tensor(SHIFT).view(1, 3, 1, 1))
        self.register_buffer("scale", torch.tensor(SCALE).view(1, 3, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return (x - self.shift) / self.scale


Distance = Callable[[Tensor, Tensor], Tensor]


def distances(
    model: Distance, pairs: Sequence[ImageTuple], device: str = "cpu"
) -> NDArray[np.float64]:
    """Return the distances ``(N,)`` of N pairs of uint8 images, pairs of one size at a time."""
    result = np.empty(len(pairs))
    order = sorted(range(len(pairs)), key=lambda index: pairs[index][0].shape)
    for _, members in groupby(order, key=lambda index: pairs[index][0].shape):
        group = list(members)
        size = batch_for(device, BATCH, _megabytes(pairs[group[0]][0]))
        for start in range(0, len(group), size):
            part = group[start : start + size]
            result[part] = _batch(model, [pairs[index] for index in part], size, device)
    return result


def _megabytes(image: Image) -> float:
    """Return what a pair's maps take on an accelerator: VGG16's largest, and what is made of it."""
    height, width = image.shape[:2]
    return float(2 * 8 * 64 * 4 * height * width) / 2**20


def _batch(
    model: Distance, pairs: Sequence[ImageTuple], size: int, device: str
) -> NDArray[np.float64]:
    filled = [*pairs, *[pairs[-1]] * (size - len(pairs))]  # one batch size, one arithmetic
    with arithmetic(device, "fp32"):
        x, y = (sent(_tensor([pair[side] for pair in filled]), device) for side in (0, 1))
        values: NDArray[np.float64] = model(x, y).cpu().double().numpy()
    return values[: len(pairs)]


def _tensor(images: Sequence[Image]) -> Tensor:
    stacked = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2)
    return stacked.to(torch.float32, memory_format=torch.channels_last) / 127.5 - 1


def task(name: str, registry: WeightRegistry, border: int, device: str, cache: Path) -> Task:
    """Return LPIPS as a task of the one pass."""
    found = registry.find(name)
    model = load(name, found).to(device)
    space = {"metric": name, "weights": found.digest, "border": border, "precision": "fp32"}
    space["definition"] = DEFINITION
    return distance_task(name, model, space, border=border, device=device, cache=cache)


def distance_task(
    name: str,
    model: Distance,
    space: Mapping[str, Any],
    *,
    border: int,
    device: str,
    cache: Path,
) -> Task:
    """Return a distance of two images by a network on a device as a task of the one pass."""
    processor = on_processor(device)
    space = dict(space) | ({} if processor else {"device": torch.device(device).type})

    def compute(batch: Sequence[ImageTuple]) -> NDArray[Any]:
        cropped = [(crop(x, border), crop(y, border)) for x, y in batch]
        return distances(model, cropped, device)[:, None]

    store = RowStore(cache, space, 1, "<f8")
    waiting = BATCH if processor else PAIRS_ON_DEVICE
    return Task(name, store, compute, waiting, on_device=not processor)
