"""The U-Net: the paper's shapes, its conditioning, its refusals."""

from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError

from generators.nets.blocks import BlockShape, Modulations, ResBlock
from generators.nets.unet import UNet, UNetConfig, parameter_count
from generators.training.methods.registry import read_training

PAPER = Path("runs/paper")
# SR3, appendix: parameters of each model.
PUBLISHED = {"sr3-16-128": 550e6, "sr3-64-256": 625e6, "sr3-64-512": 625e6, "sr3-256-1024": 150e6}
NANO = UNetConfig(channels=8, multipliers=(1, 2), resblocks=1)


@pytest.mark.parametrize("name", PUBLISHED)
def test_paper_configurations_have_the_published_size(name):
    path = PAPER / f"{name}.toml"
    config: Any = read_training(path)[0]
    assert parameter_count(config.model.net) == pytest.approx(PUBLISHED[name], rel=0.06)


@pytest.mark.parametrize("path", sorted(Path("runs").glob("**/train-*.toml")), ids=str)
def test_shipped_trainings_are_consistent(path):
    assert read_training(path)[0].name


def awake(config):
    """Return a net whose zero-initialised layers are not zero, so that everything matters."""
    torch.manual_seed(0)
    net = UNet(config)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return net.eval()


@pytest.fixture(autouse=True)
def _no_gradients():
    with torch.no_grad():
        yield


@pytest.mark.parametrize(
    "extra",
    [
        {},
        {"patch": 2},
        {"attention": (1,)},
        {"skip_scale": "residual"},
        {"skip_scale": "concat"},
        {"resblocks": 2, "mid_attention": False},
    ],
)
def test_every_shape_runs(extra):
    net = awake(UNetConfig(**{"channels": 8, "multipliers": (1, 2), "resblocks": 1, **extra}))
    out = net(torch.randn(2, 6, 16, 24), torch.tensor([0.2, 0.9]))
    assert out.shape == (2, 3, 16, 24)
    assert torch.isfinite(out).all()


def test_each_example_heeds_its_own_gamma():
    net, x = awake(NANO), torch.randn(1, 6, 16, 16)
    both = net(x.expand(2, -1, -1, -1), torch.tensor([0.2, 0.9]))
    torch.testing.assert_close(both[1:], net(x, torch.tensor([0.9])), atol=1e-5, rtol=0)
    assert float((both[0] - both[1]).abs().max()) > 1e-3


def test_one_gamma_for_all_is_the_same_as_one_each():
    net, x = awake(NANO), torch.randn(3, 6, 16, 16)
    each = net(x, torch.full((3,), 0.4))
    torch.testing.assert_close(net(x, torch.tensor([0.4])), each, atol=1e-5, rtol=0)


@pytest.mark.slow
def test_skip_scaling_changes_the_net_and_not_its_size():
    x, gamma = torch.randn(1, 6, 16, 16), torch.tensor([0.5])
    outputs = []
    for place in ("none", "residual", "concat"):
        config = NANO.model_copy(update={"skip_scale": place})
        outputs.append(awake(config)(x, gamma))
        assert parameter_count(config) == parameter_count(NANO)
    assert float((outputs[0] - outputs[1]).abs().max()) > 1e-3
    assert float((outputs[0] - outputs[2]).abs().max()) > 1e-3


def test_class_and_level_matter_and_must_be_given():
    net = awake(NANO.model_copy(update={"classes": 3, "level_embedding": True}))
    x, gamma = torch.randn(1, 6, 16, 16), torch.tensor([0.5])
    one = net(x, gamma, torch.tensor([0]), torch.tensor([0.9]))
    assert float((one - net(x, gamma, torch.tensor([1]), torch.tensor([0.9]))).abs().max()) > 1e-4
    assert float((one - net(x, gamma, torch.tensor([0]), torch.tensor([0.3]))).abs().max()) > 1e-4
    with pytest.raises(ValueError, match="label and level"):
        net(x, gamma)


def test_attention_on_a_level_that_is_not_there():
    with pytest.raises(ValidationError, match="attention level 2"):
        UNetConfig(channels=8, multipliers=(1, 2), resblocks=1, attention=(2,))


def test_stacked_modulations_are_those_of_each_block_and_follow_their_weights() -> None:
    torch.manual_seed(0)
    blocks = [ResBlock(BlockShape(8, outputs, 16)).bfloat16() for outputs in (8, 16)]
    modulations, embedding = Modulations(), torch.randn(3, 16).bfloat16()
    for _ in range(2):
        with torch.no_grad():
            found = modulations(blocks, embedding)
        for block, part in zip(blocks, found, strict=True):
            weight, bias = block.modulate.weight.double(), block.modulate.bias.double()
            wanted = embedding.double() @ weight.T + bias
            assert (part - wanted).abs().max() <= wanted.abs().max() * 2**-7
        with torch.no_grad():
            blocks[0].modulate.weight.neg_()
