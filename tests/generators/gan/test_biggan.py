"""BigGAN-deep's nets: counts of the paper, spectral norm, losses, statistics, truncation."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from scipy import stats
from torch import nn

from generators.gan.biggan import (
    BigGan,
    BigGanConfig,
    Collecting,
    Standing,
    latent,
    standing_at,
    truncated,
)
from generators.gan.biggan_critic import BigCritic, CriticConfig, hinge
from generators.gan.spectral import folded, normalise, orthogonal_penalty

NUMBERED = tuple(str(number) for number in range(1000))
SMALL = BigGanConfig(
    size=16, z=6, embedding=5, channels=8, multipliers=(4, 2, 1), attention=8, classes=("a", "b")
)


def count(net: nn.Module) -> int:
    """Return the number of a net's parameters."""
    return sum(weight.numel() for weight in net.parameters())


# 50.4 M and the discriminator's 34.6 M are the paper's; the other two are of the readme of
# pytorch-pretrained-BigGAN.
@pytest.mark.parametrize(
    ("size", "multipliers", "published"),
    [
        (128, (16, 16, 8, 4, 2, 1), 50.4e6),
        (256, (16, 16, 8, 8, 4, 2, 1), 55.9e6),
        (512, (16, 16, 8, 8, 4, 2, 1, 1), 56.2e6),
    ],
)
def test_published_shapes_have_the_published_parameters(size, multipliers, published):
    config = BigGanConfig(size=size, multipliers=multipliers, classes=NUMBERED)
    with torch.device("meta"):
        assert count(BigGan(config)) == pytest.approx(published, rel=0.01)


def test_the_published_discriminator_has_the_published_parameters():
    with torch.device("meta"):
        net = BigCritic(CriticConfig(multipliers=(2, 4, 8, 16, 16)), 1000, 128)
    assert count(net) == pytest.approx(34.6e6, rel=0.01)


def test_spectral_norm_is_torchs():
    torch.manual_seed(0)
    ours: Any = nn.Conv2d(3, 7, 3)
    theirs: Any = nn.Conv2d(3, 7, 3)
    theirs.load_state_dict(ours.state_dict())
    normalise(ours)
    theirs = nn.utils.spectral_norm(theirs, eps=1e-4)
    begin = nn.functional.normalize(torch.randn(7), dim=0)
    ours.parametrizations.weight[0].u.copy_(begin)
    theirs.weight_u.copy_(begin)
    image = torch.randn(2, 3, 8, 8)
    for _ in range(3):  # three steps of the power iteration, with a gradient each
        for net in (ours, theirs):
            net.zero_grad()
        mine, other = ours(image), theirs(image)
        (mine.square().sum() + other.square().sum()).backward()
        assert torch.allclose(mine, other, rtol=1e-4, atol=1e-5)
        gradient = ours.parametrizations.weight.original.grad
        assert torch.allclose(gradient, theirs.weight_orig.grad, rtol=1e-4, atol=1e-4)


def test_looking_does_not_move_the_iteration_and_folding_is_exact():
    torch.manual_seed(1)
    net: Any = nn.Sequential(nn.Linear(5, 9), nn.Linear(9, 4))
    plain = [layer.weight.detach().clone() for layer in net]
    normalise(net, leave=[net[1]])
    spectral: Any = net[0].parametrizations.weight[0]
    before = spectral.u.clone()
    net.eval()(torch.randn(3, 5))
    assert torch.equal(before, spectral.u)
    weights = folded(net.state_dict())
    assert weights.keys() == {"0.weight", "0.bias", "1.weight", "1.bias"}
    largest = torch.linalg.svdvals(plain[0])[0]
    assert torch.allclose(weights["0.weight"], plain[0] / largest, atol=1e-6)
    assert torch.equal(weights["1.weight"], plain[1])


def test_the_orthogonal_penalty_by_hand():
    # Rows (1, 2) and (3, 4): their product is 11, which stands twice off the diagonal.
    assert orthogonal_penalty([torch.tensor([[1.0, 2.0], [3.0, 4.0]])]) == 2 * 11**2
    # Of three rows in the plane: products 0, 1 and 1.
    tall = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    assert orthogonal_penalty([tall]) == pytest.approx(4)
    assert orthogonal_penalty([torch.eye(3) * 5, tall]) == pytest.approx(4)


def test_the_penaltys_gradient_is_the_published_one():
    weight: Any = torch.randn(6, 3, 2, generator=torch.Generator().manual_seed(0))
    weight.requires_grad_()
    orthogonal_penalty([weight]).backward()
    rows = weight.detach().flatten(1)
    expected = 4 * ((rows @ rows.T) * (1 - torch.eye(6))) @ rows
    assert torch.allclose(weight.grad.flatten(1), expected, rtol=1e-4, atol=1e-4)


def test_hinge_losses_by_hand():
    real, made = torch.tensor([2.0, 0.5, -1.0]), torch.tensor([-3.0, -0.25, 1.0])
    # max(0, 1 - D): 0, .5 and 2; max(0, 1 + D): 0, .75 and 2.
    assert hinge(real, made) == pytest.approx(2.5 / 3 + 2.75 / 3)


def test_the_class_enters_the_score_by_projection():
    torch.manual_seed(0)
    net = BigCritic(CriticConfig(channels=4, multipliers=(2, 4), attention=8), 3, 32, patch=2)
    images, seen = torch.randn(2, 3, 32, 32), []
    net.out.register_forward_hook(lambda _, features, __: seen.append(features[0]))
    scores = [net(images, torch.full((2,), label)) for label in (0, 1)]
    difference = net.embedding.weight[1] - net.embedding.weight[0]
    assert torch.allclose(scores[1] - scores[0], seen[0] @ difference, atol=1e-4)


def test_the_latent_reaches_every_norm_and_the_skip_keeps_the_first_channels():
    torch.manual_seed(0)
    net: Any = BigGan(SMALL)
    block = net.blocks[1]  # 32 to 16 channels, doubled
    for conv in block.convs:
        nn.init.zeros_(conv.weight), nn.init.zeros_(conv.bias)
    x, condition = torch.randn(2, 32, 4, 4), torch.randn(2, 11)
    kept = x[:, :16].repeat_interleave(2, 2).repeat_interleave(2, 3)
    assert torch.equal(block(x, condition, None), kept)
    for norm in [norm for block in net.blocks for norm in block.norms]:
        assert norm.scale.weight.shape[1] == norm.offset.weight.shape[1] == 6 + 5


def test_statistics_are_interpolated_the_right_way_round():
    # A truncation near a grid point takes that point's; public code takes the other one's.
    config = SMALL.model_copy(update={"entries": 51, "most": 1.0})
    for k in range(51):  # among them .14, .28, .56, .58 and .94, which rounding can push below
        assert standing_at(config, k / 50) == Standing(k)
    near = standing_at(config, 0.021)
    assert (near.low, near.share) == (1, pytest.approx(0.05))
    net: Any = BigGan(config)
    net.norm.means[:] = torch.arange(51.0)[:, None]
    net.norm.variances[:] = 1 - 1e-4
    out = net.norm(torch.zeros(1, 8, 2, 2), near)
    assert out.mean().item() == pytest.approx(-1.05, abs=1e-5)


def test_standing_statistics_are_means_over_batches():
    net: Any = BigGan(SMALL)
    batches = [torch.randn(4, 8, 3, 3), 2 + 3 * torch.randn(4, 8, 3, 3), torch.randn(4, 8, 3, 3)]
    for number, batch in enumerate(batches):
        net.norm(batch, Collecting(3, number))
    means = torch.stack([batch.mean((0, 2, 3)) for batch in batches]).mean(0)
    variances = torch.stack([batch.var((0, 2, 3)) for batch in batches]).mean(0)
    assert torch.allclose(net.norm.means[3], means, atol=1e-5)
    assert torch.allclose(net.norm.variances[3], variances, atol=1e-4)
    assert (net.norm.means[2] == 0).all()


def test_truncation_draws_again_what_lies_beyond():
    free = torch.stack([truncated(seed, 50, 10.0) for seed in range(100)])
    bound = torch.stack([truncated(seed, 50, 0.5) for seed in range(100)])
    inside = free.abs() <= 0.5
    assert torch.equal(free[inside], bound[inside])
    assert bound.abs().max() <= 0.5
    # The truncated normal of scipy: a Kolmogorov-Smirnov test over 5,000 numbers.
    assert stats.kstest(bound.flatten().numpy(), stats.truncnorm(-0.5, 0.5).cdf).pvalue > 0.01
    assert (truncated(3, 50, 0.0) == 0).all()


def test_the_hubs_latents_are_scaled_and_not_drawn_again():
    hub = SMALL.model_copy(update={"latent": "scaled", "z": 4000})
    z = latent(7, hub, 0.5)
    assert torch.equal(z, truncated(7, 4000, 2.0) * 0.5)
    assert 0.9 < z.abs().max() <= 1.0


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"size": 32}, "3 resolutions from 4 pixels to 16"),
        ({"multipliers": (2, 4, 1)}, "expected none larger than before it"),
        ({"attention": 32}, r"attention is 32, expected one of \[4, 8, 16\]"),
        ({"channels": 2}, "a multiple of 8 channels"),
        ({"classes": ()}, "at least one"),
    ],
)
def test_impossible_shapes_are_refused(change, said):
    with pytest.raises(ValueError, match=said):
        BigGanConfig.model_validate(SMALL.model_dump() | change)
