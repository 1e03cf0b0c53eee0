"""The commands as typed: what they print, and one clear line for each mistake."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import generators.cli as commands
import manage
from generators.errors import GeneratorError, RunError
from generators.manifest import open_run, verify_run

ROOT = Path(__file__).parents[2]


def in_a_process(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "manage.py", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def invoke(command, *arguments: object) -> str:
    result = CliRunner().invoke(command, [str(a) for a in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    random = np.random.default_rng(0)
    for name in ("a", "b"):
        pixels = random.integers(0, 256, (20, 20, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{name}.png")
    Image.new("RGB", (4, 40)).save(folder / "small.png")
    return folder


def test_import_generate_verify_show(tmp_path: Path, photos: Path) -> None:
    real, low, out = tmp_path / "real", tmp_path / "lr", tmp_path / "bicubic"
    text = invoke(commands.dataset, "import", photos, real, "--lr", low, "--size", 16)
    assert "left out 1 smaller than the size:\n  small.png" in text
    assert f"{low}: 2 images of 4x4" in text
    text = invoke(commands.generate, ROOT / "runs/demo-bicubic.toml", "--inputs", low, "--out", out)
    assert f"{out}: 2 images of 16x16, bicubic" in text
    assert list(open_run(out).files) == list(open_run(real).files)
    assert "whole, 2 images" in invoke(commands.run, "verify", real, low, out)
    shown = invoke(commands.run, "show", out)
    assert "generator" in shown
    assert "bicubic" in shown
    assert "plain folder" in invoke(commands.run, "show", photos)


@pytest.mark.slow
def test_verify_names_what_differs_and_fails(tmp_path: Path, photos: Path) -> None:
    real = tmp_path / "real"
    invoke(commands.dataset, "import", photos, real, "--size", 16)
    (real / "a.png").unlink()
    runner = CliRunner().invoke(commands.run, ["verify", str(real)])
    assert f"{real / 'a.png'}: missing" in runner.output
    assert isinstance(runner.exception, RunError)
    finished = in_a_process("run", "verify", real)
    assert (finished.returncode, finished.stderr) == (1, "error: 1 difference found\n")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("generate", "none.toml"), 1, "error: none.toml: no such file"),
        (("dataset", "import", "none", "out"), 1, "error: none: no such folder or zip file"),
        (("run", "verify", "none"), 1, "error: 1 difference found"),
        (("run", "show", "none"), 1, "error: none: no such folder"),
        (("dataset", "import", "x"), 2, "Missing argument 'OUT'"),
        (("dataset", "import", "x", "y", "--size", "big"), 2, "'big' is not a valid integer"),
        (("generate", "x.toml", "--device", "tpu"), 2, "'tpu', expected cpu, mps, cuda or cuda:N"),
        (("generate",), 2, "Missing argument 'CONFIG'"),
        (("run", "verifi", "x"), 2, "No such command 'verifi'"),
    ],
)
def test_a_mistake_is_one_line_and_an_exit_code(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], code: int, message: str
) -> None:
    assert manage.run(arguments) == code
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("name", sorted(path.name for path in (ROOT / "runs").glob("demo-*.toml")))
def test_the_shipped_configurations_are_valid(name: str) -> None:
    from generators.generate.plan import read_config

    config, kind = read_config(ROOT / "runs" / name)
    assert isinstance(config, kind.Config)


def test_the_shipped_photos_are_a_hundred_and_attributed() -> None:
    import json

    folder = ROOT / "generators/photos"
    run = open_run(folder / "crops")
    sources = json.loads((folder / "sources.json").read_text())
    attribution = (folder / "ATTRIBUTION.md").read_text()
    assert len(run.files) == 100
    slugs = {fields["slug"]: name for name, fields in sources.items()}
    counts = {slug: sum(item.rsplit("-", 1)[0] == slug for item in run.files) for slug in slugs}
    assert sum(counts.values()) == 100
    assert set(counts.values()) == {7, 8}
    for slug, name in slugs.items():
        assert sources[name]["licence"] in ("CC-BY-4.0", "CC-BY-SA-4.0", "CC-BY-SA-3.0", "CC0-1.0")
        assert f"`{slug}-*.png` ({counts[slug]}) | {name}" in attribution
    assert sum(path.stat().st_size for path in run.files.values()) < 14e6


def test_every_error_of_the_package_is_the_users(tmp_path: Path) -> None:
    assert issubclass(RunError, GeneratorError)
    assert verify_run(tmp_path)[0].endswith("is not a finished run")


def test_verify_prints_five_differences_and_counts_the_others(tmp_path: Path, photos: Path) -> None:
    real = tmp_path / "real"
    invoke(commands.dataset, "import", photos, real, "--size", 16)
    for number in range(7):
        (real / f"z{number}.png").write_bytes(b"")
    runner = CliRunner().invoke(commands.run, ["verify", str(real)])
    assert runner.output.count("not in the manifest") == 5
    assert f"{real}: and 2 more" in runner.output
    assert str(runner.exception) == "7 differences found"
