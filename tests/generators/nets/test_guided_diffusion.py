"""Published ADM files: weights in guided-diffusion's layout give what its networks give.

The reference here is written from the paper's appendix and guided-diffusion's names, as plain
functions on a state dict; it shares no code with our nets.
"""

from __future__ import annotations

import math
import zipfile
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from generators.errors import ConfigError
from generators.nets.adm import AdmModel, ClassifierModel, NoisyClassifier
from generators.nets.guided_diffusion import (
    PUBLISHED,
    PUBLISHED_CLASSIFIERS,
    Layout,
    read_adm,
    read_classifier,
)
from generators.nets.unet import UNetConfig, parameter_count

C, MULTIPLIERS, CLASSES, SIZE = 128, (1, 2), 5, 8  # 128: as the published, 32 groups in each norm
SHAPE: dict[str, Any] = {
    "channels": C,
    "multipliers": MULTIPLIERS,
    "resblocks": 1,
    "attention": (1,),
    "norm_eps": 1e-5,
    "gamma_scale": 1.0,
    "in_channels": 3,
}


class Weights(dict):
    """Random tensors under guided-diffusion's names."""

    def __init__(self, seed=0):
        super().__init__()
        self.draws = torch.Generator().manual_seed(seed)

    def tensor(self, name, *shape, scale=1.0):
        self[name] = scale * torch.randn(*shape, generator=self.draws)

    def layer(self, name, outputs, inputs, *kernel):
        self.tensor(f"{name}.weight", outputs, inputs, *kernel, scale=(inputs * 9) ** -0.5)
        self.tensor(f"{name}.bias", outputs, scale=0.1)

    def norm(self, name, channels):
        self.tensor(f"{name}.weight", channels, scale=0.3)
        self[f"{name}.weight"] += 1
        self.tensor(f"{name}.bias", channels, scale=0.3)

    def block(self, name, inputs, outputs):
        self.norm(f"{name}.in_layers.0", inputs)
        self.layer(f"{name}.in_layers.2", outputs, inputs, 3, 3)
        self.layer(f"{name}.emb_layers.1", 2 * outputs, 4 * C)
        self.norm(f"{name}.out_layers.0", outputs)
        self.layer(f"{name}.out_layers.3", outputs, outputs, 3, 3)
        if inputs != outputs:
            self.layer(f"{name}.skip_connection", outputs, inputs, 1, 1)

    def attention(self, name, channels):
        self.norm(f"{name}.norm", channels)
        self.layer(f"{name}.qkv", 3 * channels, channels, 1)
        self.layer(f"{name}.proj_out", channels, channels, 1)

    def half(self, inputs=3):
        """The downward half: 128 at full size, halved, 256 with attention; the middle."""
        self.layer("time_embed.0", 4 * C, C)
        self.layer("time_embed.2", 4 * C, 4 * C)
        self.layer("input_blocks.0.0", C, inputs, 3, 3)
        self.block("input_blocks.1.0", C, C)
        self.block("input_blocks.2.0", C, C)  # down
        self.block("input_blocks.3.0", C, 2 * C)
        self.attention("input_blocks.3.1", 2 * C)
        self.block("middle_block.0", 2 * C, 2 * C)
        self.attention("middle_block.1", 2 * C)
        self.block("middle_block.2", 2 * C, 2 * C)


def unet_weights(inputs=3):
    """Return the state dict of a small ADM in the published layout."""
    weights = Weights()
    weights.half(inputs)
    weights.tensor("label_emb.weight", CLASSES, 4 * C)
    weights.block("output_blocks.0.0", 4 * C, 2 * C)
    weights.attention("output_blocks.0.1", 2 * C)
    weights.block("output_blocks.1.0", 3 * C, 2 * C)
    weights.attention("output_blocks.1.1", 2 * C)
    weights.block("output_blocks.1.2", 2 * C, 2 * C)  # up
    weights.block("output_blocks.2.0", 3 * C, C)
    weights.block("output_blocks.3.0", 2 * C, C)
    weights.norm("out.0", C)
    weights.layer("out.2", 6, C, 3, 3)
    return dict(weights)


def classifier_weights():
    """Return the state dict of a small noisy classifier in the published layout."""
    weights = Weights(1)
    weights.half()
    weights.norm("out.0", 2 * C)
    weights.tensor("out.2.positional_embedding", 2 * C, (SIZE // 2) ** 2 + 1, scale=0.1)
    weights.layer("out.2.qkv_proj", 6 * C, 2 * C, 1)
    weights.layer("out.2.c_proj", CLASSES, 2 * C, 1)
    return dict(weights)


class Reference:
    """guided-diffusion's networks as functions of a state dict."""

    def __init__(self, weights, heads, legacy):
        self.w, self.heads, self.legacy = weights, heads, legacy

    def two(self, name) -> Any:
        return self.w[f"{name}.weight"], self.w[f"{name}.bias"]

    def norm(self, name, x):
        weight, bias = self.two(name)
        return F.group_norm(x, 32, weight, bias, eps=1e-5)

    def conv(self, name, x):
        weight, bias = self.two(name)
        return F.conv2d(x, weight, bias, padding=1)

    def embed(self, t):
        half = C // 2
        frequencies = torch.exp(-math.log(10000) * torch.arange(half) / half)
        angles = t[:, None].float() * frequencies
        wave = torch.cat([angles.cos(), angles.sin()], dim=1)
        hidden = F.silu(F.linear(wave, *self.two("time_embed.0")))
        return F.linear(hidden, *self.two("time_embed.2"))

    def block(self, name, x, emb, resample=None):
        h = F.silu(self.norm(f"{name}.in_layers.0", x))
        if resample == "down":
            h, x = F.avg_pool2d(h, 2), F.avg_pool2d(x, 2)
        if resample == "up":
            h, x = (F.interpolate(v, scale_factor=2, mode="nearest") for v in (h, x))
        h = self.conv(f"{name}.in_layers.2", h)
        scale, shift = F.linear(F.silu(emb), *self.two(f"{name}.emb_layers.1")).chunk(2, 1)
        h = self.norm(f"{name}.out_layers.0", h) * (1 + scale[..., None, None])
        h = F.silu(h + shift[..., None, None])
        h = self.conv(f"{name}.out_layers.3", h)
        if f"{name}.skip_connection.weight" in self.w:
            x = F.conv2d(x, *self.two(f"{name}.skip_connection"))
        return x + h

    def mixed(self, qkv, heads, legacy):
        n, width, length = qkv.shape
        c = width // (3 * heads)
        if legacy:  # each head's queries, keys and values together
            q, k, v = qkv.reshape(n * heads, 3 * c, length).split(c, dim=1)
        else:
            q, k, v = (part.reshape(n * heads, c, length) for part in qkv.chunk(3, dim=1))
        weight = torch.softmax(torch.einsum("bct,bcs->bts", q, k) / math.sqrt(c), dim=-1)
        return torch.einsum("bts,bcs->bct", weight, v).reshape(n, -1, length)

    def attention(self, name, x):
        flat = self.norm(f"{name}.norm", x).flatten(2)
        h = self.mixed(F.conv1d(flat, *self.two(f"{name}.qkv")), self.heads, self.legacy)
        return x + F.conv1d(h, *self.two(f"{name}.proj_out")).reshape(x.shape)

    def half(self, x, emb):
        skips = [self.conv("input_blocks.0.0", x)]
        skips.append(self.block("input_blocks.1.0", skips[-1], emb))
        skips.append(self.block("input_blocks.2.0", skips[-1], emb, "down"))
        h = self.block("input_blocks.3.0", skips[-1], emb)
        skips.append(self.attention("input_blocks.3.1", h))
        h = self.block("middle_block.0", skips[-1], emb)
        return self.block("middle_block.2", self.attention("middle_block.1", h), emb), skips

    def unet(self, x, t, label):
        emb = self.embed(t) + self.w["label_emb.weight"][label]
        h, skips = self.half(x, emb)
        h = self.block("output_blocks.0.0", torch.cat([h, skips.pop()], 1), emb)
        h = self.attention("output_blocks.0.1", h)
        h = self.block("output_blocks.1.0", torch.cat([h, skips.pop()], 1), emb)
        h = self.attention("output_blocks.1.1", h)
        h = self.block("output_blocks.1.2", h, emb, "up")
        h = self.block("output_blocks.2.0", torch.cat([h, skips.pop()], 1), emb)
        h = self.block("output_blocks.3.0", torch.cat([h, skips.pop()], 1), emb)
        return self.conv("out.2", F.silu(self.norm("out.0", h)))

    def classify(self, x, t):
        h, _ = self.half(x, self.embed(t))
        h = F.silu(self.norm("out.0", h)).flatten(2)
        h = torch.cat([h.mean(2, keepdim=True), h], 2) + self.w["out.2.positional_embedding"]
        qkv = F.conv1d(h, *self.two("out.2.qkv_proj"))
        h = self.mixed(qkv, 2 * C // 64, legacy=False)  # this pooling never had the old order
        return F.conv1d(h, *self.two("out.2.c_proj"))[:, :, 0]


def unet_layout(legacy, heads=0, inputs=3):
    net = SHAPE | {"out_channels": 6, "classes": CLASSES, "heads": heads, "in_channels": inputs}
    names = tuple(map(str, range(CLASSES)))
    factor = 4 if inputs == 6 else 1
    return Layout(AdmModel(size=SIZE, net=UNetConfig(**net), classes=names, factor=factor), legacy)


def classifier_layout():
    names = tuple(map(str, range(CLASSES)))
    return Layout(ClassifierModel(size=SIZE, net=UNetConfig(**SHAPE), classes=names), legacy=True)


@pytest.fixture(autouse=True)
def _no_gradients():
    with torch.no_grad():
        yield


@pytest.mark.slow
@pytest.mark.parametrize(("legacy", "heads", "inputs"), [(False, 0, 3), (True, 0, 3), (True, 2, 6)])
def test_a_published_net_gives_the_references_outputs(tmp_path, legacy, heads, inputs):
    """Both orders of attention, heads by channels and by number, base and upsampler."""
    weights = unet_weights(inputs)
    torch.save(weights, tmp_path / "a.pt")
    net, digest = read_adm(tmp_path / "a.pt", unet_layout(legacy, heads, inputs))
    draws = torch.Generator().manual_seed(2)
    x, label = torch.randn(2, inputs, SIZE, SIZE, generator=draws), torch.tensor([4, 1])
    t = torch.tensor([0, 731])
    expected = Reference(weights, heads or 2 * C // 64, legacy).unet(x, t, label)
    assert expected.std() > 0.3
    assert float((net(x, t, label) - expected).abs().max()) <= 1e-5
    assert len(digest) == 64


@pytest.mark.slow
def test_a_published_classifier_gives_the_references_outputs(tmp_path):
    weights = classifier_weights()
    torch.save(weights, tmp_path / "a.pt")
    net, _ = read_classifier(tmp_path / "a.pt", classifier_layout())
    draws = torch.Generator().manual_seed(2)
    x, t = torch.randn(2, 3, SIZE, SIZE, generator=draws), torch.tensor([3, 400])
    expected = Reference(weights, 2 * C // 64, legacy=True).classify(x, t)
    assert expected.std() > 0.01
    assert float((net(x, t) - expected).abs().max()) <= 1e-5


# Dhariwal and Nichol 2021, tables 11 and 12, in millions.
@pytest.mark.parametrize(
    ("name", "millions"), [("64", 296), ("128", 422), ("256", 554), ("64-256", 312)]
)
def test_published_nets_have_the_published_size(name, millions):
    count = parameter_count(PUBLISHED[name].model.net)
    assert round(count / 1e6) == millions


@pytest.mark.parametrize(("name", "millions"), [("64", 65), ("128", 43), ("256", 54)])
def test_published_classifiers_have_the_published_size(name, millions):
    with torch.device("meta"):
        net = NoisyClassifier(PUBLISHED_CLASSIFIERS[name].model)
    count = sum(parameter.numel() for parameter in net.parameters())
    assert round(count / 1e6) == millions


def broken(weights, kind, path):
    """Write a file that is wrong in one way."""
    if kind == "cut":
        torch.save(weights, path)
        path.write_bytes(path.read_bytes()[:-5000])
    elif kind == "foreign":
        torch.save({"model": weights}, path)
    elif kind == "text":
        path.write_text("<html>404</html>")
    elif kind == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("a", "b")
    elif kind == "code":
        torch.save({"a": zipfile.ZipFile}, path)
    elif kind == "other layout":
        torch.save({k: v for k, v in weights.items() if not k.startswith("label")}, path)
    elif kind == "other shape":
        torch.save(weights | {"out.2.weight": torch.zeros(3, C, 3, 3)}, path)
    elif kind == "other qkv":
        torch.save(weights | {"input_blocks.3.1.qkv.weight": torch.zeros(7)}, path)
    elif kind == "number":
        torch.save(weights | {"input_blocks.3.1.qkv.weight": torch.tensor(7.0)}, path)
    elif kind == "infinite":
        torch.save(weights | {"out.2.bias": torch.full((6,), torch.inf)}, path)
    elif kind == "numbered":
        torch.save(dict(enumerate(weights.values())) | weights, path)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("cut", "not a whole file of torch tensors"),
        ("text", "not a whole file of torch tensors"),
        ("zip", "not a whole file of torch tensors"),
        ("code", "not a whole file of torch tensors"),
        ("foreign", "holds dict, expected tensors by name"),
        ("other layout", "1 names differ, label_emb.weight is missing"),
        ("other shape", r"out\.2\.weight is \(3, 128, 3, 3\), which does not fit the published"),
        ("other qkv", r"input_blocks\.3\.1\.qkv\.weight is \(7,\), which does not fit"),
        ("number", "are not those of the published layout asked for"),
        ("infinite", r"out\.2\.bias holds values that are not finite"),
        ("numbered", "holds dict, expected tensors by name"),
        ("missing", "no such file, expected guided-diffusion's weights"),
    ],
)
def test_a_wrong_cut_or_foreign_file_is_one_line(tmp_path, kind, message):
    path = tmp_path / "a.pt"
    broken(unet_weights(), kind, path)
    with pytest.raises(ConfigError, match=message) as refused:
        read_adm(path, unet_layout(legacy=True))
    assert str(refused.value).startswith(f"{path}: ")
    assert "\n" not in str(refused.value)
