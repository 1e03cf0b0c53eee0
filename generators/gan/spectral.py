"""What keeps BigGAN's weights in bounds: spectral norm, and a penalty on rows not orthogonal.

Spectral norm (Miyato et al., ICLR 2018) divides a weight by its largest singular value, which one
power iteration a step follows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrize

EPS = 1e-4
START = 15  # power iterations on the first weights
KINDS = (nn.Conv2d, nn.Linear, nn.Embedding)


class Spectral(nn.Module):
    """Divides a weight by its spectral norm, in float32 whatever the training's precision."""

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.register_buffer("u", F.normalize(torch.ones(len(weight)), dim=0))
        for _ in range(START):
            self._iterate(_matrix(weight))

    def _iterate(self, matrix: Tensor) -> Tensor:
        """Return the right vector and keep the left one."""
        with torch.no_grad():
            u = cast(Tensor, self.u)
            v = F.normalize(matrix.T @ u, dim=0, eps=EPS)
            u.copy_(F.normalize(matrix @ v, dim=0, eps=EPS))
        return v

    def forward(self, weight: Tensor) -> Tensor:
        """Return the weight of spectral norm 1; while training, after one more iteration."""
        with torch.autocast(weight.device.type, enabled=False):
            matrix = _matrix(weight)
            if self.training:
                v = self._iterate(matrix)
            else:
                v = F.normalize(matrix.T @ cast(Tensor, self.u), dim=0, eps=EPS)
            sigma = torch.dot(cast(Tensor, self.u).clone(), matrix @ v)
            return weight / sigma


def _matrix(weight: Tensor) -> Tensor:
    return weight.flatten(1)


def normalise(net: nn.Module, leave: Iterable[nn.Module] = ()) -> None:
    """Let every convolution, linear layer and embedding compute with a weight of spectral norm 1.

    Those to `leave` keep theirs. The tensors then have the names that `parametrize` gives.
    """
    kept = set(leave)
    found = [module for module in net.modules() if isinstance(module, KINDS)]
    for module in found:
        if module not in kept:
            parametrize.register_parametrization(module, "weight", Spectral(module.weight))


def folded(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return a normalised net's state (or its averages) as that of the plain net.

    Each weight is divided by its largest singular value itself: an average of the vectors that
    follow it would be none of them.
    """
    found: dict[str, Tensor] = {}
    for name, value in tensors.items():
        if name.endswith(".parametrizations.weight.0.u"):
            continue
        plain = name.replace(".parametrizations.weight.original", ".weight")
        norm = torch.linalg.matrix_norm(_matrix(value.float()), 2) if plain != name else None
        found[plain] = value if norm is None else value / norm
    return found


def orthogonal_penalty(weights: Iterable[Tensor]) -> Tensor:
    """Return Σ ‖W·Wᵀ ⊙ (1 - I)‖² over weights ``(rows, …)``: how far rows are from orthogonal.

    BigGAN's equation 3, without β: the diagonal is free, so that lengths are. The matrix of the
    smaller side serves, for ‖W·Wᵀ‖ = ‖Wᵀ·W‖.
    """
    total = torch.zeros(())
    for weight in weights:
        rows = _matrix(weight).float()
        small = rows @ rows.T if len(rows) <= rows.shape[1] else rows.T @ rows
        diagonal = rows.square().sum(1).square().sum()
        total = total.to(small.device) + small.square().sum() - diagonal
    return total
