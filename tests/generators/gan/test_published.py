"""StyleGAN2's published files: random weights in their layout; files that are another's."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from stylegan_reference import SMALL, reference

from generators.diffusion.noise import Draws
from generators.errors import ConfigError
from generators.gan.published import read_published
from generators.gan.stylegan import StyleGan, split_noise
from generators.generate.run import generate

TAPS = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8


def published() -> dict[str, torch.Tensor]:
    """Return the tensors of an unconditional stylegan2-ada-pytorch generator, random."""
    torch.manual_seed(0)
    found = dict(StyleGan(SMALL).state_dict())
    found["mapping.w_avg"] = torch.randn(SMALL.w)
    for side in SMALL.sides:
        found[f"synthesis.b{side}.resample_filter"] = torch.outer(TAPS, TAPS)
        for layer in ("conv0", "conv1")[side == 4 :]:
            found[f"synthesis.b{side}.{layer}.noise_const"] = torch.randn(side, side)
            found[f"synthesis.b{side}.{layer}.resample_filter"] = torch.outer(TAPS, TAPS)
    return found


def test_a_published_file_is_our_net(tmp_path: Path):
    weights = published()
    for name in weights:
        if name.endswith(("noise_strength", ".bias")):
            weights[name] = torch.randn_like(weights[name])
    torch.save(weights, tmp_path / "G.pt")
    net, shape, _ = read_published(tmp_path / "G.pt")
    assert shape == SMALL.model_copy(update={"clamp": 256.0})
    z, draws = torch.randn(2, SMALL.z), Draws(0, 0, range(2))
    noises = split_noise(draws.randn(sum(side**2 for side in SMALL.noises)), SMALL.noises)
    with torch.inference_mode():
        made = net(net.mapping(z)[:, None].expand(-1, SMALL.layers, -1), noises)
        expected = reference(weights, z, noises)
    assert (made - expected).abs().max() < 1e-5 * expected.abs().max()


def test_pulse_searches_in_it(tmp_path: Path):
    torch.save(published(), tmp_path / "G.pt")
    (tmp_path / "lr").mkdir()
    Image.fromarray(np.full((4, 4, 3), 90, np.uint8)).save(tmp_path / "lr" / "a.png")
    path = tmp_path / "run.toml"
    path.write_text(
        f'generator = "pulse"\ninputs = "{tmp_path / "lr"}"\nout = "{tmp_path / "out"}"\n'
        f'checkpoint = "{tmp_path / "G.pt"}"\npublished = "stylegan2-ada"\nsteps = 2\n'
    )
    item = generate(path).items[0]
    assert (item.width, item.height) == (16, 16)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"mapping.embed.weight": torch.zeros(5, 3)}, r"mapping\.embed\.weight is \(5, 3\), exp"),
        ({"synthesis.b8.skip.weight": torch.zeros(5, 6, 1, 1)}, r"b8\.skip\.weight is \(5, 6, 1"),
        (
            {"synthesis.b8.conv0.affine.bias": None},
            r"conv0\.affine\.bias is missing, expected \(6,",
        ),
        ({"synthesis.b8.resample_filter": torch.ones(4, 4)}, r"is not the filter \[1, 3, 3, 1\]"),
        ({"synthesis.b4.torgb.weight": None}, r"are not those of stylegan2-ada-pytorch's"),
    ],
)
def test_another_net_is_refused_in_one_line(tmp_path: Path, change, said: str):
    weights = published() | change
    torch.save({k: v for k, v in weights.items() if v is not None}, tmp_path / "G.pt")
    with pytest.raises(ConfigError, match=said) as refused:
        read_published(tmp_path / "G.pt")
    assert "\n" not in str(refused.value)


def test_a_file_with_code_and_a_cut_one_are_refused(tmp_path: Path):
    (tmp_path / "G.pkl").write_bytes(pickle.dumps({"G_ema": Path}))
    with pytest.raises(ConfigError, match="not a whole file of torch tensors"):
        read_published(tmp_path / "G.pkl")
    torch.save(published(), tmp_path / "G.pt")
    (tmp_path / "cut.pt").write_bytes((tmp_path / "G.pt").read_bytes()[:2000])
    with pytest.raises(ConfigError, match="not a whole file of torch tensors"):
        read_published(tmp_path / "cut.pt")
    with pytest.raises(ConfigError, match=r"no such file, expected a state dict of stylegan2-ada"):
        read_published(tmp_path / "none.pt")


@pytest.mark.slow
def test_a_tensor_of_any_other_shape_is_refused(tmp_path: Path):
    weights = published()
    for name, value in weights.items():
        for odd in (torch.tensor(1.0), torch.zeros(2), torch.full_like(value, float("nan"))):
            beside = name.endswith(("noise_const", "w_avg"))  # not used, whatever their shape
            if not odd.isfinite().all() or not (beside or odd.shape == value.shape):
                torch.save(weights | {name: odd}, tmp_path / "G.pt")
                with pytest.raises(ConfigError) as refused:
                    read_published(tmp_path / "G.pt")
                assert "\n" not in str(refused.value)


@pytest.mark.parametrize("content", [b"<html>404</html>", b"\x80\x02h\x05.", b"PK\x03\x04", b""])
def test_bytes_that_are_no_file_of_torch_are_refused(tmp_path: Path, content: bytes):
    (tmp_path / "G.pt").write_bytes(content)
    with pytest.raises(ConfigError, match="not a whole file of torch tensors"):
        read_published(tmp_path / "G.pt")


def test_tensors_by_number_are_refused(tmp_path: Path):
    torch.save({1: torch.zeros(2), "a": torch.zeros(2)}, tmp_path / "G.pt")
    with pytest.raises(ConfigError, match="holds dict, expected tensors by name"):
        read_published(tmp_path / "G.pt")
