"""Networks that spandrel reads as generators, on small ones with random weights."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest
import torch
from PIL import Image

from benchmarks.support.torchvision_import import define_operators
from generators.errors import ConfigError, ImageError
from generators.generate.run import generate
from generators.manifest import open_run
from generators.methods.contract import Runtime
from generators.methods.foreign import spandrel_model
from generators.pixels import read_image

pytestmark = pytest.mark.slow  # importing forty architectures takes seconds


@pytest.fixture(scope="module", autouse=True)
def spandrel():
    """Skip the tests where the library is not installed; no other test imports it."""
    pytest.importorskip("einops")
    define_operators()
    pytest.importorskip("spandrel")


def rrdb(scale=4, channels=3):
    """Return a small Real-ESRGAN network with weights that matter."""
    from spandrel.architectures import ESRGAN

    torch.manual_seed(1)
    net = ESRGAN.ESRGAN(in_nc=channels, out_nc=channels, num_filters=8, num_blocks=1, scale=scale)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return net.eval()


@pytest.fixture
def run(tmp_path):
    """Write a network and three images, and return a function that runs it on them."""
    torch.save(rrdb().state_dict(), tmp_path / "net.pth")
    (tmp_path / "lr").mkdir()
    draws = np.random.default_rng(0)
    for number in range(3):
        low = draws.integers(0, 256, (6, 5, 3), dtype=np.uint8)
        Image.fromarray(low).resize((40, 48), Image.Resampling.BICUBIC).save(
            tmp_path / "lr" / f"p{number}.png"
        )

    def go(name, keys="", net="net.pth", batch=None):
        path = tmp_path / f"{name}.toml"
        path.write_text(
            f'generator = "spandrel"\nout = "{tmp_path / name}"\ninputs = "{tmp_path / "lr"}"\n'
            f'checkpoint = "{tmp_path / net}"\n{keys}\n'
        )
        manifest = generate(path, Runtime(batch=batch))
        files = open_run(tmp_path / name).files
        return manifest, {item: read_image(file).astype(int) for item, file in files.items()}

    return go


def test_the_outputs_are_the_networks_own(tmp_path, run):
    manifest, made = run("run", "scale = 4")
    net = rrdb()
    for item, pixels in made.items():
        low = torch.from_numpy(read_image(tmp_path / "lr" / f"{item}.png").copy())
        with torch.no_grad():
            expected = net(low.permute(2, 0, 1)[None].float() / 255)[0].clamp(0, 1) * 255
        assert pixels.shape == (192, 160, 3)
        assert pixels.std() > 5
        assert np.abs(pixels - expected.permute(1, 2, 0).numpy()).max() <= 0.501
    assert (manifest.sampler, manifest.dtype) == ("ESRGAN", "float32")
    assert list(manifest.checkpoint) == ["net.pth"]
    assert "spandrel" in manifest.versions


def test_an_image_does_not_depend_on_the_batch(run):
    one, three = (run(f"by{batch}", batch=batch)[1] for batch in (1, 3))
    assert all((one[item] == three[item]).all() for item in one)


def test_tiles_change_an_image_only_where_they_meet(run):
    whole, tiled = run("whole")[1], run("tiled", "tile = 32\noverlap = 24")[1]
    for item, pixels in whole.items():
        apart = np.abs(pixels - tiled[item])
        assert apart.max() <= 12
        assert apart.mean() < 1


@pytest.mark.parametrize(
    ("keys", "net", "message"),
    [
        ("scale = 2", "net.pth", "ESRGAN enlarges by 4, the configuration says 2"),
        ("tile = 32\noverlap = 32", "net.pth", "overlap 32: expected less than tile 32"),
        (f'sha256 = "{"0" * 64}"', "net.pth", "the configuration expects 0000"),
        ("", "missing.pth", "no such file, expected a network's weights"),
        ("", "cut.pth", "no network that spandrel knows"),
        ("", "foreign.pth", "no network that spandrel knows"),
        ("", "text.bin", "no network that spandrel knows .*extension"),
        ("", "script.pt", r"is \.pt, expected \.pth, \.ckpt or \.safetensors"),
        ("", "grey.pth", r"ESRGAN maps 1 to 1 channels, expected colour images \(3 to 3\)"),
    ],
)
def test_what_does_not_fit_is_one_line(tmp_path, run, keys, net, message):
    whole = (tmp_path / "net.pth").read_bytes()
    (tmp_path / "cut.pth").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.bin").write_text("<html>")
    (tmp_path / "script.pt").write_bytes(whole)
    torch.save({"a.weight": torch.zeros(2, 2)}, tmp_path / "foreign.pth")
    torch.save(rrdb(channels=1).state_dict(), tmp_path / "grey.pth")
    with pytest.raises(ConfigError, match=message) as refused:
        run("run", keys, net)
    assert "\n" not in str(refused.value)


def test_an_output_that_could_not_be_read_again_is_refused(run, monkeypatch):
    monkeypatch.setenv("FOOLRATE_MAX_MEGAPIXELS", "0.02")
    with pytest.raises(ImageError, match=r"would give 160x192, .* expected at most 0"):
        run("run")


def test_without_the_package_it_says_how_to_get_it(run, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(ConfigError, match=r'needs: pip install -e "\.\[spandrel\]"'):
        spandrel_model._spandrel()
