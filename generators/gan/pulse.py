"""PULSE (Menon et al., CVPR 2020): search for a latent whose image, made smaller, is the input.

The search walks on spheres: each layer's vector and each trainable noise image keeps the length it
was drawn with. The vectors v are standard normal; those of the net are w = LeakyReLU(σ·v + μ),
where μ and σ are the moments of the mapping network's output before its last activation. The cost
is 100 · L2 + 0.05 · GEOCROSS, and L2 is bounded from below by what counts as found.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from generators.errors import GeneratorError
from generators.gan.stylegan import GAIN, SLOPE, StyleGan, StyleGanConfig

SAMPLES, CHUNK = 1_000_000, 10_000  # latents of which the moments are taken
SEED = 0  # of those latents
L2, GEOCROSS = 100.0, 0.05  # the cost's weights
PAIRS = 8.0  # GEOCROSS is divided by it
TINY = 1e-9


@dataclass(frozen=True)
class Search:
    """How to search; the defaults are those of the authors' code, `tolerance` is the paper's ε.

    `rate` is Adam's highest; `noises` is how many noise inputs, from the first, are searched, too.
    """

    steps: int = 100
    rate: float = 0.4
    tolerance: float = 1e-3
    noises: int = 5


@dataclass(frozen=True)
class Moments:
    """Mean and standard deviation ``(w,)`` of the mapping's output before its last activation."""

    mean: Tensor
    deviation: Tensor

    def styles(self, v: Tensor) -> Tensor:
        """Return the net's vectors of normal ones, before the activation's gain."""
        return F.leaky_relu(v * self.deviation + self.mean, SLOPE)


@dataclass(frozen=True)
class Found:
    """The best image of a search ``(3, S, S)`` in -1..1 and its L2 to the input, of 0..1 pixels."""

    image: Tensor
    error: float
    step: int  # at which it was


def moments(net: StyleGan, config: StyleGanConfig, samples: int = SAMPLES) -> Moments:
    """Return the mapping network's moments, of standard normal latents of a fixed seed."""
    generator = torch.Generator().manual_seed(SEED)
    total, squares = (torch.zeros(config.w, dtype=torch.float64) for _ in range(2))
    with torch.inference_mode():
        for first in range(0, samples, CHUNK):
            count = min(CHUNK, samples - first)
            w = net.mapping(torch.randn(count, config.z, generator=generator)) / GAIN
            before = F.leaky_relu(w, 1 / SLOPE).double()
            total += before.sum(0)
            squares += before.square().sum(0)
    mean = total / samples
    variance = (squares - samples * mean.square()) / (samples - 1)
    return Moments(mean.float(), variance.sqrt().float())


def geocross(vectors: Tensor) -> Tensor:
    """Return GEOCROSS of vectors ``(N, layers, d)``: d·θ² / 8, the mean over all pairs of layers.

    θ is the angle between two layers' vectors of one length; with unequal lengths it is larger. A
    layer with itself is a pair. Both are so in the authors' code.
    """
    one, other = vectors[:, :, None], vectors[:, None, :]
    # The angle by both diagonals: stable near 0 and near π, unlike the cosine's inverse.
    apart = ((one - other).square().sum(-1) + TINY).sqrt()
    along = ((one + other).square().sum(-1) + TINY).sqrt()
    angle = 2 * torch.atan2(apart, along)
    return angle.square().mean((1, 2)) * vectors.shape[-1] / PAIRS


def rate_factor(step: int, steps: int) -> float:
    """Return the learning rate's factor: up to 1, down to 1/10, in the last tenth to 1/1000.

    The authors' ``linear1cycledrop``.
    """
    long = 0.9 * steps
    if step < long:
        return (9 * (1 - abs(step / long - 0.5) * 2) + 1) / 10
    return 0.1 + (step - long) / (0.1 * steps) * (0.001 - 0.1)


class Sphere:
    """Tensors of which each row keeps the length that it begins with."""

    def __init__(self, tensors: Sequence[Tensor]) -> None:
        # A vector of each layer; of a noise image the whole is one.
        self.tensors = [tensor.clone().requires_grad_() for tensor in tensors]
        self.lengths = [_length(tensor) for tensor in tensors]

    def project(self) -> None:
        """Bring every row back to its length."""
        with torch.no_grad():
            for tensor, length in zip(self.tensors, self.lengths, strict=True):
                tensor.mul_(length / (_length(tensor) + TINY))


def _length(tensor: Tensor) -> Tensor:
    places = (-1,) if tensor.dim() == 3 else (1, 2, 3)
    return tensor.detach().square().sum(places, keepdim=True).sqrt()


def search(
    net: Callable[[Tensor, Sequence[Tensor]], Tensor],
    known: Moments,
    low: Tensor,
    start: tuple[Tensor, Sequence[Tensor]],
    *,
    how: Search,
    smaller: Callable[[Tensor], Tensor],
) -> Found:
    """Return the image found for one input ``(3, s, s)`` in -1..1.

    `start` has the vectors ``(N, layers, w)`` and the noises ``(N, 1, side, side)`` of N starts,
    which are searched together; `smaller` reduces images ``(N, 3, S, S)``. Of all steps and starts
    it is the image nearest to the input, and among those within the tolerance the one with the
    least GEOCROSS; what counts is the image clipped to -1..1, as it will be seen. `net` takes
    vectors and noises.
    """
    vectors, fixed = start[0], list(start[1])
    count = min(how.noises, len(fixed) - 1)
    sphere = Sphere([vectors, *fixed[:count]])
    # The last noise is fine grain that the input cannot tell: none, as in the authors' code.
    fixed[-1] = torch.zeros_like(fixed[-1])
    optimizer = torch.optim.Adam(sphere.tensors, lr=how.rate)
    target = (low[None] + 1) / 2
    best: tuple[tuple[float, float], Found] | None = None
    for step in range(how.steps):
        styles = known.styles(sphere.tensors[0])
        image = net(styles * GAIN, [*sphere.tensors[1:], *fixed[count:]])
        error, crossing = _error(smaller(image), target), geocross(styles)
        with torch.no_grad():
            shown = image.clamp(-1, 1)
            reached = _error(smaller(shown), target)
        ranks = zip(reached.clamp(min=how.tolerance).tolist(), crossing.tolist(), strict=True)
        for number, rank in enumerate(ranks):
            if math.isfinite(rank[0]) and (best is None or rank < best[0]):
                best = rank, Found(shown[number].clone(), float(reached[number]), step)
        cost = L2 * error.clamp(min=how.tolerance) + GEOCROSS * crossing
        optimizer.zero_grad()
        cost.sum().backward()  # type: ignore[no-untyped-call]
        for group in optimizer.param_groups:
            group["lr"] = how.rate * rate_factor(step, how.steps)
        optimizer.step()
        sphere.project()
    if best is None:
        raise GeneratorError("the net gave values that are not finite in every step of a search")
    return best[1]


def _error(low: Tensor, target: Tensor) -> Tensor:
    """Return the mean squared error ``(N,)`` of images in -1..1 from a target in 0..1."""
    return ((low + 1) / 2 - target).square().mean((1, 2, 3))
