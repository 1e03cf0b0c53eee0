"""A run spread over a local Ray cluster is the run of one process, to the byte."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from one_ray import drive
from PIL import Image

from generators.cluster import connect
from generators.errors import ConfigError
from generators.generate.run import generate
from generators.manifest import verify_run
from generators.methods.contract import Runtime
from generators.nets.checkpoint import write_model
from generators.nets.model import ModelConfig
from generators.nets.unet import UNet, UNetConfig
from generators.pixels import read_image

pytestmark = [pytest.mark.integration, pytest.mark.slow]


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    monkeypatch.chdir(tmp_path)
    Path("lr").mkdir()
    random = np.random.default_rng(0)
    for number in range(30):
        pixels = random.integers(0, 256, (8, 8, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(f"lr/{number:02d}.png")
    path = tmp_path / "run.toml"
    path.write_text('generator = "bicubic"\ninputs = "lr"\nout = "out"\nfactor = 4\n')
    return path


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::ResourceWarning")
def test_a_cluster_gives_the_folder_of_one_process(ray: Callable[[int], str], config: Path) -> None:
    generate(config, ray=ray(2))
    generate(config, out=Path("alone"))
    assert verify_run(Path("out")) == []
    for path in Path("alone").iterdir():
        assert path.read_bytes() == (Path("out") / path.name).read_bytes()


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::ResourceWarning")
@pytest.mark.parametrize(("strict", "most"), [(True, 0), (False, 1)])
def test_two_processes_sample_what_one_does(
    ray: Callable[[int], str], config: Path, strict: bool, most: int
) -> None:
    torch.manual_seed(1)
    net = UNetConfig(channels=32, multipliers=(1, 2), resblocks=1, patch=2)
    model = ModelConfig(task="sr", size=16, factor=2, residual=2.0, net=net)
    weights = {key: value + 0.05 for key, value in UNet(net).state_dict().items()}
    write_model(Path("net.safetensors"), weights, model, {"name": "net"})
    keys = f"evaluations = 3\nlimit = 6\nstrict = {str(strict).lower()}\n"
    config.write_text(
        f'generator = "sr3"\ninputs = "lr"\ncheckpoint = "net.safetensors"\n{keys}out = "out"\n'
    )
    generate(config, Runtime(batch=2), ray=ray(2))
    generate(config, Runtime(batch=6), out=Path("alone"))
    for path in Path("alone").glob("*.png"):
        one, two = (
            read_image(folder / path.name).astype(int) for folder in (path.parent, Path("out"))
        )
        assert np.abs(one - two).max() <= most


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::ResourceWarning")
def test_a_killed_command_goes_on_with_the_images_that_are_missing(
    ray: Callable[[int], str], config: Path
) -> None:
    ray(1)
    generate(config, out=Path("alone"))
    first = drive("generate", str(config), "--batch", "5", dies_after=2)
    assert first == [5, 5]
    assert verify_run(Path("out")) != []
    assert drive("generate", str(config), "--batch", "5") == [5, 5, 5, 5]
    assert verify_run(Path("out")) == []
    for path in Path("alone").iterdir():
        assert path.read_bytes() == (Path("out") / path.name).read_bytes()


def test_without_ray_the_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    with pytest.raises(ConfigError, match="pip install 'ray"):
        connect("local")


@pytest.mark.parametrize("address", ["local:", "local:0", "local:two"])
def test_a_number_of_processes_that_is_none_is_refused(address: str) -> None:
    pytest.importorskip("ray")
    with pytest.raises(ConfigError, match=r"expected local, local:N"):
        connect(address)
