"""StyleGAN2: the published function, the discriminator, its losses, DiffAugment."""

from __future__ import annotations

import math

import pytest
import torch
from pydantic import ValidationError
from stylegan_reference import SMALL, reference
from torch import Tensor, nn

from generators.diffusion.noise import Draws
from generators.gan.augment import Change, augment
from generators.gan.critic import (
    Discriminator,
    gradient_penalty,
    not_saturating,
    told_apart,
    with_spread,
)
from generators.gan.stylegan import StyleGan, StyleGanConfig, split_noise

# StyleGAN2-ADA's configuration for FFHQ at 1024 pixels.
FFHQ = StyleGanConfig(
    size=1024, z=512, w=512, mapping=8, channels=(512, 512, 512, 512, 512, 256, 128, 64, 32)
)


def test_the_image_is_the_papers():
    torch.manual_seed(0)
    net = StyleGan(SMALL)
    for name, parameter in net.named_parameters():
        if not name.endswith("fc0.weight") and not name.endswith("fc1.weight"):
            nn.init.normal_(parameter)
    z, draws = torch.randn(3, 6), Draws(0, 0, range(3))
    noises = split_noise(draws.randn(sum(side**2 for side in SMALL.noises)), SMALL.noises)
    ws = net.mapping(z)[:, None].expand(-1, SMALL.layers, -1)
    with torch.inference_mode():
        made = net(ws, noises)
        expected = reference(dict(net.state_dict()), z, noises)
    assert made.shape == (3, 3, 16, 16)
    assert (made - expected).abs().max() < 1e-5 * expected.abs().max()


def test_each_layer_has_its_own_vector():
    torch.manual_seed(1)
    net = StyleGan(SMALL)
    ws = torch.randn(1, SMALL.layers, 5)
    noises = [torch.randn(1, 1, side, side) for side in SMALL.noises]
    assert SMALL.noises == (4, 8, 8, 16, 16)
    with torch.inference_mode():
        before = net(ws, noises)
        for layer in range(SMALL.layers):
            changed = ws.clone()
            changed[:, layer] += 1
            assert (net(changed, noises) - before).abs().max() > 1e-3


def test_shapes_of_the_small_and_of_the_published_net():
    def millions(config: StyleGanConfig) -> float:
        with torch.device("meta"):
            return sum(weight.numel() for weight in StyleGan(config).parameters()) / 1e6

    small = StyleGanConfig(size=64, colours=1)
    assert small.layers == 10
    assert millions(small) == pytest.approx(0.994, abs=0.001)
    assert FFHQ.layers == 18
    # "30 million" of the StyleGAN2 paper's configuration F, its mapping network with it.
    assert millions(FFHQ) == pytest.approx(30.0, rel=0.02)
    with pytest.raises(
        ValidationError, match="are those of 3 resolutions from 4 pixels, size is 32"
    ):
        StyleGanConfig(size=32, channels=(4, 4, 4))


def test_grey_images_have_equal_channels():
    net = StyleGan(StyleGanConfig(size=16, z=6, w=5, channels=(6, 5, 4), colours=1))
    made = net(torch.randn(1, 6, 5), [torch.randn(1, 1, side, side) for side in SMALL.noises])
    assert made.shape == (1, 3, 16, 16)
    assert (made[:, 0] == made[:, 2]).all()


def test_losses_by_hand():
    zero, three = torch.zeros(4), torch.full((4,), 3.0)
    assert told_apart(zero, zero).item() == pytest.approx(2 * math.log(2))
    assert told_apart(three, -three).item() == pytest.approx(2 * math.log1p(math.exp(-3)))
    # It does not saturate: a made image that is far from fooling has a slope of -1.
    far = torch.full((1,), -30.0, requires_grad=True)
    not_saturating(far).backward()
    assert far.grad is not None
    assert far.grad.item() == pytest.approx(-1)
    slope = torch.arange(12.0).reshape(3, 2, 2) / 10

    def linear(images: Tensor) -> Tensor:
        return (images * slope).sum((1, 2, 3)) + 5

    # ½ · (0² + .1² + … + 1.1²)
    assert gradient_penalty(linear, torch.randn(5, 3, 2, 2)).item() == pytest.approx(2.53)


def test_the_discriminator_sees_images_that_are_all_the_same():
    x = torch.zeros(4, 2, 4, 4)
    x[1] = 2  # values 0, 2, 0, 0: standard deviation √.75
    spread = with_spread(x)
    assert spread.shape == (4, 3, 4, 4)
    assert spread[:, 2].unique().item() == pytest.approx(math.sqrt(0.75))
    assert with_spread(torch.ones(8, 2, 4, 4))[:, 2].max() < 2e-4
    torch.manual_seed(0)
    net = Discriminator((3, 4, 5))
    images = torch.randn(4, 3, 16, 16)
    assert net(images).shape == (4,)
    assert gradient_penalty(net, images).item() > 0


def test_changes_keep_the_gradient_and_belong_to_the_example():
    images = torch.rand(4, 3, 16, 16, requires_grad=True)
    changes: tuple[Change, ...] = ("brightness", "saturation", "contrast", "translation", "cutout")
    whole = augment(images, changes, Draws(3, 7, range(4)))
    for k in range(4):
        one = augment(images[k : k + 1], changes, Draws(3, 7, range(k, k + 1)))
        assert torch.allclose(one[0], whole[k], atol=1e-6)
    whole.sum().backward()
    assert images.grad is not None
    assert (images.grad.abs().sum((1, 2, 3)) > 0).all()


def test_changes_by_hand():
    images = torch.ones(64, 3, 16, 16)
    draws = Draws(0, 0, range(64))
    cut = augment(images, ("cutout",), draws)[:, 0]
    # A hole of 8x8 pixels, less where the border cuts it, a quarter of it at least.
    holes = (1 - cut).sum((1, 2))
    assert holes.max() == 64
    assert holes.min() >= 16
    moved = augment(images, ("translation",), draws)[:, 0]
    empty = (moved.sum((1, 2)) / 16**2).min()
    assert empty >= (14 / 16) ** 2  # moved by an eighth at most
    assert (moved.sum((1, 2)) < 16**2).any()
    grey = augment(
        torch.rand(8, 1, 16, 16).expand(-1, 3, -1, -1), ("saturation",), Draws(0, 0, range(8))
    )
    assert torch.allclose(grey[:, 0], grey[:, 1], atol=1e-6)
    bright = augment(images, ("brightness",), draws) - images
    assert bright.abs().max() <= 0.5
    contrast = augment(torch.rand(64, 3, 16, 16), ("contrast",), draws)
    assert contrast.mean((1, 2, 3)).sub(0.5).abs().max() < 0.1
