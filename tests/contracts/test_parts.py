"""Each part's requirements are enough for its main job, and a command outside it says so."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from pathlib import Path

import pytest
from PIL import Image

import manage
from benchmarks.support.images import crops
from benchmarks.support.random_inception import write_random_inception

ROOT = Path(__file__).resolve().parents[2]

# What a process without a package is like: importing it fails.
BLOCK = """
import importlib.abc, sys

class Missing(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {blocked!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Missing())
import manage
print("codes", [manage.run(line) for line in {lines!r}])
"""


def installed_by(*parts: str) -> set[str]:
    """Return the names of all packages that the parts bring, with what those need in turn."""
    lines = [
        line
        for part in parts
        for line in (ROOT / "requirements" / f"{part}.txt").read_text().splitlines()
    ]
    found: set[str] = set()
    waiting = [_name(line) for line in lines if line and not line.startswith("#")]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += [_name(line) for line in _needs(name) if "extra ==" not in line]
    return found


def _name(line: str) -> str:
    return re.split(r"[^A-Za-z0-9._-]", line)[0].lower().replace("_", "-")


def _needs(name: str) -> list[str]:
    try:
        return requires(name) or []
    except PackageNotFoundError:
        return []


def run(parts: list[str], *lines: Sequence[object]) -> tuple[list[int], str, str]:
    """Run commands as if only the parts' packages were installed: their codes, output, errors."""
    kept = installed_by("base", *parts)
    blocked = {
        module
        for module, owners in packages_distributions().items()
        if not {owner.lower().replace("_", "-") for owner in owners} & kept
    }
    return run_without(blocked - {"_distutils_hack", "pkg_resources", "setuptools"}, *lines)


def run_without(blocked: set[str], *lines: Sequence[object]) -> tuple[list[int], str, str]:
    """Run commands, in one process, as if these modules were not installed."""
    words = [[str(each) for each in line] for line in lines]
    code = BLOCK.format(blocked=blocked, lines=words)
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    said, _, codes = done.stdout.rpartition("codes ")
    return json.loads(codes), said, done.stderr


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Return a folder of 16 photos."""
    (tmp_path / "photos").mkdir()
    for photo in sorted((ROOT / "generators/photos/crops").glob("*.png"))[:16]:
        shutil.copy(photo, tmp_path / "photos")
    return tmp_path / "photos"


@pytest.fixture
def export(tmp_path: Path) -> Path:
    """Return judgments that somebody collected elsewhere."""
    rows = [f"r{r},i{i},ours,{(r * i) % 3 // 2}" for r in range(1, 13) for i in range(1, 13)]
    path = tmp_path / "judgments.csv"
    path.write_text("rater_id,item_id,condition,fooled\n" + "\n".join(rows) + "\n")
    return path


@pytest.mark.slow
def test_the_site_needs_neither_torch_nor_pandas_nor_scipy(photos: Path, tmp_path: Path) -> None:
    assert not installed_by("base", "site") & {"torch", "pandas", "scipy", "matplotlib"}
    text = (ROOT / "studies/demo.toml").read_text()
    for name in ("real", "lr"):
        text = text.replace(f"demo/{name}", str(tmp_path / name))
    for name in ("bicubic", "regression", "sr3"):
        text = text.replace(f"demo/{name}", str(photos))
    text = text.replace("raters = 20", "raters = 2").replace("trials = 24", "trials = 6")
    (tmp_path / "study.toml").write_text(text)
    database = ["--database", f"sqlite:///{tmp_path / 'study.sqlite3'}"]
    codes, said, why = run(
        ["site"],
        ["dataset", "import", photos, tmp_path / "real", "--lr", tmp_path / "lr"],
        ["study", "create", tmp_path / "study.toml", *database],
        ["study", "status", "demo", *database],
        ["study", "export", "demo", "-o", tmp_path / "out", *database],
    )
    assert codes == [0, 0, 0, 0], why
    assert ", 6 free" in said


@pytest.mark.slow
def test_the_analysis_needs_neither_torch_nor_a_web_server(export: Path, tmp_path: Path) -> None:
    assert not installed_by("base", "analysis") & {"torch", "flask", "sqlalchemy", "gunicorn"}
    lines = (["analysis", "fool-rates", export], ["report", export, "-o", tmp_path / "report"])
    codes, _, why = run(["analysis"], *lines)
    assert codes == [0, 0], why


# Installed part -> commands of another part, the package that they miss and the part it is in.
LACKING = {
    "site": [
        ("analysis fool-rates {export}", "pandas", "analysis"),
        ("analysis import {export} -o {export}.csv", "pandas", "analysis"),
        ("report {export} -o {export}.report", "matplotlib", "analysis"),
        ("study plan --raters 10", "scipy", "analysis"),
        ("study audit studies/demo.toml -o {export}.audit", "scipy", "analysis"),
        ("generate runs/demo-sr3.toml --out {export}.out", "torch", "networks"),
        ("train runs/train-photos-sr3.toml", "torch", "networks"),
        ("schedule search runs/demo-sr3.toml", "torch", "networks"),
        ("metrics compute generators/photos/crops", "torch", "networks"),
    ],
    "analysis": [
        ("study create studies/demo.toml", "sqlalchemy", "site"),
        ("study recruit status demo", "sqlalchemy", "site"),
        ("study audit studies/demo.toml -o {export}.audit", "httpx", "site"),
    ],
}


@pytest.mark.slow
@pytest.mark.parametrize("part", LACKING)
def test_a_command_whose_part_is_missing_says_what_to_install(part: str, export: Path) -> None:
    lines = [command.format(export=export).split() for command, _, _ in LACKING[part]]
    codes, _, why = run([part], *lines)
    assert codes == [1] * len(lines)
    for said, (command, package, file) in zip(why.splitlines(), LACKING[part], strict=True):
        assert f"needs {package}" in said, command
        assert f"-r requirements/{file}.txt" in said, command


def test_every_group_of_commands_is_tried_without_its_part() -> None:
    """`dataset` and `run` need the base only; `demo` and `paper` are made of the others."""
    tried = {command.split()[0] for lines in LACKING.values() for command, _, _ in lines}
    assert tried | {"dataset", "run", "demo", "paper", "bench"} == set(manage.COMMANDS)


@pytest.mark.slow
def test_dataset_and_run_need_no_part(photos: Path, tmp_path: Path) -> None:
    made = tmp_path / "real"
    codes, _, why = run([], ["dataset", "import", photos, made], ["run", "verify", made])
    assert codes == [0, 0], why


@pytest.mark.parametrize(
    ("module", "extra"),
    [("skimage", "dev"), ("playwright", "dev"), ("pyarrow", "parquet"), ("openpyxl", "excel"),
     ("weasyprint", "pdf"), ("diffusers", "diffusers"), ("spandrel", "spandrel"), ("ray", "ray")],
)  # fmt: skip
def test_what_an_extra_brings_is_said_with_its_name(module: str, extra: str) -> None:
    line = manage.missing_part(f"{module}.inner") or ""
    assert line.endswith(f'-m pip install -c constraints.txt -e ".[{extra}]"')


@pytest.mark.slow
def test_a_benchmark_without_its_packages_is_one_line() -> None:
    codes, _, why = run(["site"], ["bench", "install", "--no-peers"])
    assert codes == [1]
    assert why.count("\n") == 1
    assert "needs scikit-image" in why
    assert '-e ".[dev]"' in why


def test_a_module_of_our_own_is_nobodys_part() -> None:
    assert manage.missing_part("generators.nowhere") is None


@pytest.mark.slow
def test_inception_and_resnet50_need_neither_torchvision_nor_torch_fidelity(tmp_path: Path) -> None:
    assert not installed_by("base", "analysis", "networks") & {"torchvision", "torch-fidelity"}
    weights = write_random_inception(tmp_path / "random.pth")
    photos = tmp_path / "photos"
    for index, pixels in enumerate(crops(6, 32)):
        (photos / f"class{index % 2}").mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(photos / f"class{index % 2}" / f"{index}.png")
    score = ["metrics", "compute", photos, "--reference", photos, "--cache", tmp_path / "cache"]
    score += ["-o", tmp_path / "scores", "--metrics", "fid"]
    score += ["--unpublished-weights", f"inception={weights}"]
    peers = {"torchvision", "torch_fidelity", "lpips", "timm", "prdc", "skimage"}
    toml = f'test = "{photos}"\nreal = "{photos}"\nimage_size = 32\nepochs = 1\nbatch = 6\n'
    (tmp_path / "cas.toml").write_text(toml)
    train = ["metrics", "cas", tmp_path / "cas.toml", "-o", tmp_path / "cas"]
    codes, _, why = run_without(peers, score, train)
    assert codes == [0, 0], why
