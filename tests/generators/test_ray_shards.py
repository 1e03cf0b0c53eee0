"""A run spread over a local Ray cluster is the run of one process, to the byte."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from generators.errors import ConfigError
from generators.generate import generate
from generators.manifest import verify_run
from generators.ray_shards import _connect

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
def test_a_cluster_gives_the_folder_of_one_process(config: Path) -> None:
    pytest.importorskip("ray")
    generate(config, ray="local")
    generate(config, out=Path("alone"))
    assert verify_run(Path("out")) == []
    for path in Path("alone").iterdir():
        assert path.read_bytes() == (Path("out") / path.name).read_bytes()


def test_without_ray_the_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    with pytest.raises(ConfigError, match="pip install 'ray"):
        _connect("local")
