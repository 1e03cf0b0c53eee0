"""Vector quantisation; codebooks follow moving averages (van den Oord et al., 2017, A.1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

DECAY, EPS = 0.99, 1e-5
UNUSED = 0.5  # a code whose moving count falls below it begins anew


@dataclass(frozen=True)
class Quantised:
    """What quantising gave.

    `values` ``(N, d, H, W)`` are the codebook's vectors, with the gradient of the input; `codes`
    ``(N, H, W)`` their numbers; `commitment` the mean squared distance that pulls the input to
    them; `vectors` ``(N·H·W, d)`` what was quantised, without a graph.
    """

    values: Tensor
    codes: Tensor
    commitment: Tensor
    vectors: Tensor


class Quantiser(nn.Module):
    """A codebook of `count` vectors of `size` numbers.

    The input is normalised first, to mean 0 and variance 1 over the batch: without it the top
    codebook of VQ-VAE-2 kept 17 of 512 codes on 12,000 small photographs.
    """

    def __init__(self, count: int, size: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(size, affine=False)
        codes = torch.randn(count, size)
        self.register_buffer("codes", codes)
        self.register_buffer("counts", torch.ones(count))
        self.register_buffer("sums", codes.clone())

    def forward(self, x: Tensor) -> Quantised:
        """Return `Quantised` of features ``(N, d, H, W)``; the codebook stays as it is."""
        with torch.autocast(x.device.type, enabled=False):
            x = self.norm(x.float())
            vectors = x.permute(0, 2, 3, 1).flatten(0, 2)
            nearest = _nearest(vectors.detach(), cast(Tensor, self.codes))
            n, _, height, width = x.shape
            codes = nearest.reshape(n, height, width)
            values = self.look_up(codes)
            commitment = F.mse_loss(x, values)
            # Straight through: the gradient of the values is the input's.
            return Quantised(x + (values - x).detach(), codes, commitment, vectors.detach())

    def look_up(self, codes: Tensor) -> Tensor:
        """Return the vectors ``(N, d, H, W)`` of codes ``(N, H, W)``."""
        found: Tensor = F.embedding(codes, cast(Tensor, self.codes)).permute(0, 3, 1, 2)
        return found

    @torch.no_grad()
    def learn(self, found: Quantised) -> None:
        """Move each code towards the mean of the vectors that it stood for."""
        codes, counts, sums = (
            cast(Tensor, value) for value in (self.codes, self.counts, self.sums)
        )
        chosen = F.one_hot(found.codes.flatten(), len(codes)).to(found.vectors.dtype)
        counts.lerp_(chosen.sum(0), 1 - DECAY)
        sums.lerp_(chosen.T @ found.vectors, 1 - DECAY)
        total = counts.sum()
        # Laplace's smoothing, so that a code without vectors stays finite.
        smooth = (counts + EPS) / (total + len(codes) * EPS) * total
        codes.copy_(sums / smooth[:, None])

    @torch.no_grad()
    def restart(self, found: Quantised) -> Tensor:
        """Put codes that are hardly used at vectors of the batch; return which they were.

        Draws from torch's own generator.
        """
        codes, counts, sums = (
            cast(Tensor, value) for value in (self.codes, self.counts, self.sums)
        )
        unused = counts < UNUSED
        picks = torch.randint(len(found.vectors), (len(codes),)).to(codes.device)
        fresh = found.vectors[picks]
        codes[unused], sums[unused], counts[unused] = fresh[unused], fresh[unused], 1.0
        return unused


def _nearest(vectors: Tensor, codes: Tensor) -> Tensor:
    """Return the number of the code nearest to each vector; of equals the first."""
    squares = codes.square().sum(1) - 2 * vectors @ codes.T
    return squares.argmin(1)


def usage(codes: Tensor, count: int) -> tuple[int, float]:
    """Return how many of `count` codes occur, and their perplexity: exp of the entropy."""
    share = torch.bincount(codes.flatten(), minlength=count).double()
    share = share / share.sum()
    entropy = -(share * share.clamp(min=1e-300).log()).sum()
    return int((share > 0).sum()), float(entropy.exp())
