"""BigGAN-deep's published files: random weights in their layout; files that are another's."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from generators.errors import ConfigError
from generators.gan.biggan import Standing, standing_at
from generators.gan.biggan_published import read_published
from generators.generate.run import generate
from generators.manifest import open_run

CH, Z, EPS, STEPS = 8, 6, 1e-4, 51
# (doubles, channels in and out), as in the published configurations; attention before the third.
LAYERS = ((False, 4, 4), (True, 4, 2), (False, 2, 2), (True, 2, 1))
ATTENDS = 2


def normalised(into: dict[str, Tensor], name: str, layer: nn.Module) -> None:
    """Put a layer's tensors as torch's spectral norm saves them."""
    layer = nn.utils.spectral_norm(layer, eps=EPS)
    into |= {f"{name}.{key}": value.detach() for key, value in layer.state_dict().items()}


def statistics(into: dict[str, Tensor], name: str, channels: int) -> None:
    """Put random standing statistics."""
    into[f"{name}.running_means"] = torch.randn(STEPS, channels)
    into[f"{name}.running_vars"] = torch.rand(STEPS, channels) + 0.5


def published(ch: int = CH, z: int = Z) -> dict[str, Tensor]:
    """Return a random generator's tensors in the layout of pytorch-pretrained-BigGAN."""
    torch.manual_seed(0)
    found: dict[str, Tensor] = {"embeddings.weight": torch.randn(z, 1000)}
    normalised(found, "generator.gen_z", nn.Linear(2 * z, 16 * LAYERS[0][1] * ch))
    place = 0
    for number, (_, into, out) in enumerate(LAYERS):
        if number == ATTENDS:
            c, at = into * ch, f"generator.layers.{place}"
            for name, inputs, outputs in (
                *(("theta", c, c // 8), ("phi", c, c // 8)),
                *(("g", c, c // 2), ("o_conv", c // 2, c)),
            ):
                conv = nn.Conv2d(inputs, outputs, 1, bias=False)
                normalised(found, f"{at}.snconv1x1_{name}", conv)
            found[f"{at}.gamma"] = torch.tensor([0.7])
            place += 1
        inner, at = into * ch // 4, f"generator.layers.{place}"
        widths = (into * ch, inner, inner, inner, out * ch)
        for k in range(4):
            statistics(found, f"{at}.bn_{k}", widths[k])
            for kind in ("scale", "offset"):
                linear = nn.Linear(2 * z, widths[k], bias=False)
                normalised(found, f"{at}.bn_{k}.{kind}", linear)
            side = 3 if k in (1, 2) else 1
            conv = nn.Conv2d(widths[k], widths[k + 1], side, padding=side // 2)
            normalised(found, f"{at}.conv_{k}", conv)
        place += 1
    statistics(found, "generator.bn", ch)
    found["generator.bn.weight"], found["generator.bn.bias"] = torch.randn(ch), torch.randn(ch)
    normalised(found, "generator.conv_to_rgb", nn.Conv2d(ch, ch, 3, padding=1))
    return found


def reference(found: dict[str, Tensor], z: Tensor, label: Tensor, entry: int) -> Tensor:
    """Return the images, step by step from the tables of the paper's appendix B."""

    def weight(name: str) -> Tensor:
        raw = found[f"{name}.weight_orig"]
        sigma = found[f"{name}.weight_u"] @ raw.flatten(1) @ found[f"{name}.weight_v"]
        return raw / sigma

    def conv(name: str, x: Tensor) -> Tensor:
        w = weight(name)
        return F.conv2d(x, w, found.get(f"{name}.bias"), padding=w.shape[-1] // 2)

    def normal(name: str, x: Tensor) -> Tensor:
        mean = found[f"{name}.running_means"][entry][None, :, None, None]
        variance = found[f"{name}.running_vars"][entry][None, :, None, None]
        return (x - mean) / (variance + EPS).sqrt()

    def grown(x: Tensor) -> Tensor:
        return x.repeat_interleave(2, 2).repeat_interleave(2, 3)

    condition = torch.cat([z, found["embeddings.weight"][:, label].T], dim=1)
    first = condition @ weight("generator.gen_z").T + found["generator.gen_z.bias"]
    x = first.reshape(len(z), 4, 4, -1).movedim(3, 1)
    place = 0
    for number, (up, _, out) in enumerate(LAYERS):
        if number == ATTENDS:
            at, (n, c, h, w) = f"generator.layers.{place}.snconv1x1_", x.shape
            query = conv(f"{at}theta", x).reshape(n, c // 8, h * w)
            key = F.max_pool2d(conv(f"{at}phi", x), 2).reshape(n, c // 8, h * w // 4)
            value = F.max_pool2d(conv(f"{at}g", x), 2).reshape(n, c // 2, h * w // 4)
            mix = torch.einsum("ncq,nck->nqk", query, key).softmax(2)
            seen = torch.einsum("nqk,nck->ncq", mix, value).reshape(n, c // 2, h, w)
            gamma = found[f"generator.layers.{place}.gamma"]
            x, place = x + gamma * conv(f"{at}o_conv", seen), place + 1
        at, hidden = f"generator.layers.{place}", x
        for k in range(4):
            gain = 1 + condition @ weight(f"{at}.bn_{k}.scale").T
            bias = condition @ weight(f"{at}.bn_{k}.offset").T
            hidden = normal(f"{at}.bn_{k}", hidden) * gain[..., None, None] + bias[..., None, None]
            hidden = hidden.clamp(min=0)
            hidden = conv(f"{at}.conv_{k}", grown(hidden) if up and k == 1 else hidden)
        skip = x[:, : out * CH]
        x, place = hidden + (grown(skip) if up else skip), place + 1
    x = normal("generator.bn", x) * found["generator.bn.weight"][None, :, None, None]
    x = (x + found["generator.bn.bias"][None, :, None, None]).clamp(min=0)
    return conv("generator.conv_to_rgb", x)[:, :3].tanh()


def test_a_published_file_is_our_net(tmp_path: Path):
    weights = published()
    torch.save(weights, tmp_path / "pytorch_model.bin")
    net, shape, _ = read_published(tmp_path)
    assert (shape.size, shape.attention, shape.multipliers) == (16, 8, (4, 2, 1))
    assert (shape.z, shape.entries, shape.most, shape.latent) == (Z, 51, 1.0, "scaled")
    z, label = torch.randn(3, Z), torch.tensor([0, 7, 999])
    with torch.inference_mode():
        for entry in (0, 20, 50):
            made = net(z, label, standing_at(shape, entry / 50))
            expected = reference(weights, z, label, entry)
            assert made.shape == (3, 3, 16, 16)
            assert (made - expected).abs().max() < 1e-5


def port(truncation: float, means: Tensor) -> Tensor:
    """Return what pytorch-pretrained-BigGAN takes for the mean at a truncation."""
    part, low = math.modf(truncation / (1.0 / (len(means) - 1)))
    at = int(low)
    return means[at] if part == 0 else means[at] * part + means[at + 1] * (1 - part)


def test_the_ports_statistics_can_be_asked_for(tmp_path: Path):
    torch.save(published(), tmp_path / "a.bin")
    _, shape, _ = read_published(tmp_path / "a.bin")
    means = torch.randn(51, 5)
    for truncation in (0.3, 0.4, 0.411, 0.14, 0.28, 0.56, 0.58, 0.94, 1.0):
        which = standing_at(shape, truncation, port=True)
        assert isinstance(which, Standing)
        ours = torch.lerp(means[which.low], means[min(which.low + 1, 50)], which.share)
        assert torch.allclose(ours, port(truncation, means), atol=1e-6)
    # Between two entries its weights are those of the other neighbour.
    right, theirs = standing_at(shape, 0.411), standing_at(shape, 0.411, port=True)
    assert right.low == theirs.low == 20
    assert right.share == pytest.approx(0.55)
    assert theirs.share == pytest.approx(0.45)
    # On the grid rounding makes it take a wrong neighbour.
    assert standing_at(shape, 0.28) == Standing(14)
    assert standing_at(shape, 0.28, port=True) != Standing(14)


def run(folder: Path, more: str) -> Any:
    """Make two images of class 3 with a published file."""
    path = folder / "run.toml"
    path.write_text(
        f'generator = "biggan_deep"\nout = "{folder / "out"}"\nclasses = ["3"]\nper_class = 2\n'
        f'checkpoint = "{folder / "pytorch_model.bin"}"\n{more}\n'
    )
    return generate(path)


def test_it_makes_images_of_numbered_classes(tmp_path: Path):
    torch.save(published(), tmp_path / "pytorch_model.bin")
    made = run(tmp_path, 'published = "pytorch-pretrained-biggan"\ntruncation = 0.411')
    assert [item.label for item in made.items] == ["3", "3"]
    files = open_run(tmp_path / "out").files
    ours = [path.read_bytes() for path in files.values()]
    assert len(set(ours)) == 2
    with pytest.raises(ConfigError, match=r"\.toml: statistics = 'port' needs published"):
        run(tmp_path, 'truncation = 0.4\nstatistics = "port"')
    for truncation, said in (("2", "has statistics for 0 to 1"), ("1e-9", "expected 0 or 0.01")):
        with pytest.raises(ConfigError, match=rf"\.toml: truncation is {truncation[:2]}.*{said}"):
            run(tmp_path, f'published = "pytorch-pretrained-biggan"\ntruncation = {truncation}')


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"generator.layers.1.conv_2.weight_u": None}, r"conv_2\.weight_u and .*weight_v are miss"),
        ({"generator.gen_z.weight_v": torch.ones(3)}, r"gen_z\.weight_v are missing or do not fit"),
        (
            {"generator.layers.2.gamma": None},
            r"are not those of a state dict of pytorch-pretrained",
        ),
        (
            {"embeddings.weight": torch.zeros(Z, 10)},
            r"embedding\.weight is \(10, 6\), expected \(1000, 6\)",
        ),
        (
            {"generator.layers.0.conv_1.bias": None},
            r"blocks\.0\.convs\.1\.bias is missing, expected \(8,\) in a BigGAN-deep of 1000 cl",
        ),
        (
            {"generator.more": torch.zeros(2)},
            r"generator\.more is \(2,\), expected nothing of this",
        ),
        ({"generator.bn.bias": torch.zeros(7)}, r"are not those of a state dict of pytorch-pre"),
    ],
)
def test_another_net_is_refused_in_one_line(tmp_path: Path, change, said: str):
    weights = published() | change
    torch.save({k: v for k, v in weights.items() if v is not None}, tmp_path / "a.bin")
    with pytest.raises(ConfigError, match=said) as refused:
        read_published(tmp_path / "a.bin")
    assert "\n" not in str(refused.value)


def test_a_cut_file_and_a_missing_one_are_refused(tmp_path: Path):
    torch.save(published(), tmp_path / "a.bin")
    (tmp_path / "cut.bin").write_bytes((tmp_path / "a.bin").read_bytes()[:3000])
    with pytest.raises(ConfigError, match="not a whole file of torch tensors"):
        read_published(tmp_path / "cut.bin")
    with pytest.raises(ConfigError, match=r"no such file, expected a state dict of pytorch-pre"):
        read_published(tmp_path / "none.bin")
    with pytest.raises(ConfigError, match=r"pytorch_model\.bin: no such file"):
        read_published(tmp_path)


@pytest.mark.slow
def test_a_tensor_of_any_other_shape_is_refused(tmp_path: Path):
    weights = published()
    odd = [(name, value) for name in weights for value in (torch.tensor(1.0), torch.zeros(2))]
    odd.append(("generator.gen_z.bias", torch.full((16 * LAYERS[0][1] * CH,), math.inf)))
    for name, value in odd:
        torch.save(weights | {name: value}, tmp_path / "a.bin")
        with pytest.raises(ConfigError) as refused:
            read_published(tmp_path / "a.bin")
        assert "\n" not in str(refused.value)
