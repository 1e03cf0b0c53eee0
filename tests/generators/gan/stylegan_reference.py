"""StyleGAN2 by its definition, in loops: what our net and published files are compared with."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from generators.gan.stylegan import StyleGanConfig

SMALL = StyleGanConfig(size=16, z=6, w=5, mapping=2, channels=(6, 5, 4))


def resampled(x: Tensor, up: int, before: int, after: int, gain: float) -> Tensor:
    """Return zeros inserted, padded, filtered by [1, 3, 3, 1] / 8: by definition, in loops."""
    count, channels, side, _ = x.shape
    wide = torch.zeros(count, channels, side * up, side * up, dtype=x.dtype)
    wide[:, :, ::up, ::up] = x
    wide = F.pad(wide, (before, after, before, after))
    taps = [1 / 8, 3 / 8, 3 / 8, 1 / 8]
    size = wide.shape[-1] - 3
    out = torch.zeros(count, channels, size, size, dtype=x.dtype)
    for row in range(4):
        for column in range(4):
            out += taps[row] * taps[column] * wide[:, :, row : row + size, column : column + size]
    return out * gain


def reference(weights: dict[str, Tensor], z: Tensor, noises: list[Tensor]) -> Tensor:
    """Return StyleGAN2's image as the paper defines it: the weights are modulated, one by one."""

    def dense(name: str, x: Tensor, rate: float = 1.0) -> Tensor:
        weight = weights[f"{name}.weight"]
        return x @ (weight * rate / math.sqrt(weight.shape[1])).T + weights[f"{name}.bias"] * rate

    def act(x: Tensor) -> Tensor:
        return torch.where(x > 0, x, 0.2 * x) * math.sqrt(2)

    def styled(name: str, x: Tensor, w: Tensor, noise: Tensor, up: bool) -> Tensor:
        style, made = dense(f"{name}.affine", w), []
        for k in range(len(x)):
            weight = weights[f"{name}.weight"] * style[k][None, :, None, None]
            weight = weight / (weight.square().sum((1, 2, 3), keepdim=True) + 1e-8).sqrt()
            if up:
                one = F.conv_transpose2d(x[k : k + 1], weight.transpose(0, 1), stride=2)
                made.append(resampled(one, 1, 1, 1, 4.0))
            else:
                made.append(F.conv2d(x[k : k + 1], weight, padding=1))
        out = torch.cat(made) + noise * weights[f"{name}.noise_strength"]
        return act(out + weights[f"{name}.bias"][:, None, None])

    w = z / z.square().mean(1, keepdim=True).add(1e-8).sqrt()
    for number in range(2):
        w = act(dense(f"mapping.fc{number}", w, 0.01))
    x, image, used = None, None, 0
    for side in (4, 8, 16):
        block = f"synthesis.b{side}"
        if x is None:
            x = weights[f"{block}.const"].expand(len(z), -1, -1, -1)
        else:
            x = styled(f"{block}.conv0", x, w, noises[used], True)
            used += 1
        x = styled(f"{block}.conv1", x, w, noises[used], False)
        used += 1
        style = dense(f"{block}.torgb.affine", w) / math.sqrt(x.shape[1])
        colours = torch.einsum(
            "oi,ni,nihw->nohw", weights[f"{block}.torgb.weight"][:, :, 0, 0], style, x
        )
        colours = colours + weights[f"{block}.torgb.bias"][:, None, None]
        image = colours if image is None else resampled(image, 2, 2, 1, 4.0) + colours
    assert image is not None
    return image
