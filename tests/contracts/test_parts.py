"""Each part's requirements are enough for its main job, and a command outside it says so."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import manage
from benchmarks.support.images import crops
from benchmarks.support.random_inception import write_random_inception

ROOT = Path(__file__).resolve().parents[2]

# What a process without a package is like: importing it fails.
BLOCK = """
import importlib.abc, runpy, sys

class Missing(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {blocked!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Missing())
sys.argv = ["manage.py", *{arguments!r}]
runpy.run_path("manage.py", run_name="__main__")
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


def run(parts: list[str], *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run a command as if only the parts' packages were installed."""
    kept = installed_by("base", *parts)
    blocked = {
        module
        for module, owners in packages_distributions().items()
        if not {owner.lower().replace("_", "-") for owner in owners} & kept
    }
    return run_without(blocked - {"_distutils_hack", "pkg_resources", "setuptools"}, *arguments)


def run_without(blocked: set[str], *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run a command as if these modules were not installed."""
    code = BLOCK.format(blocked=blocked, arguments=[str(each) for each in arguments])
    return subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )


@pytest.fixture
def export(tmp_path: Path) -> Path:
    """Return judgments that somebody collected elsewhere."""
    rows = [f"r{r},i{i},ours,{(r * i) % 3 // 2}" for r in range(1, 13) for i in range(1, 13)]
    path = tmp_path / "judgments.csv"
    path.write_text("rater_id,item_id,condition,fooled\n" + "\n".join(rows) + "\n")
    return path


@pytest.mark.slow
def test_the_site_needs_neither_torch_nor_pandas_nor_scipy(tmp_path: Path) -> None:
    assert not installed_by("base", "site") & {"torch", "pandas", "scipy", "matplotlib"}
    photos = ROOT / "generators/photos/crops"
    done = run(["site"], "dataset", "import", photos, tmp_path / "real", "--lr", tmp_path / "lr")
    assert done.returncode == 0, done.stderr
    text = (ROOT / "studies/demo.toml").read_text()
    for name in ("real", "lr"):
        text = text.replace(f"demo/{name}", str(tmp_path / name))
    for name in ("bicubic", "regression", "sr3"):
        text = text.replace(f"demo/{name}", str(photos))
    (tmp_path / "study.toml").write_text(text)
    database = f"sqlite:///{tmp_path / 'study.sqlite3'}"
    made = run(["site"], "study", "create", tmp_path / "study.toml", "--database", database)
    assert made.returncode == 0, made.stderr
    seen = run(["site"], "study", "status", "demo", "--database", database)
    assert seen.returncode == 0, seen.stderr
    assert "60 free" in seen.stdout
    out = run(["site"], "study", "export", "demo", "-o", tmp_path / "out", "--database", database)
    assert out.returncode == 0, out.stderr


@pytest.mark.slow
def test_the_analysis_needs_neither_torch_nor_a_web_server(export: Path, tmp_path: Path) -> None:
    assert not installed_by("base", "analysis") & {"torch", "flask", "sqlalchemy", "gunicorn"}
    rates = run(["analysis"], "analysis", "fool-rates", export)
    assert rates.returncode == 0, rates.stderr
    report = run(["analysis"], "report", export, "-o", tmp_path / "report")
    assert report.returncode == 0, report.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("parts", "command", "package", "file"),
    [
        (["site"], "analysis fool-rates {export}", "pandas", "analysis"),
        (["site"], "analysis import {export} -o {export}.csv", "pandas", "analysis"),
        (["site"], "report {export} -o {export}.report", "matplotlib", "analysis"),
        (["site"], "study plan --raters 10", "pandas", "analysis"),
        (["site"], "study audit studies/demo.toml -o {export}.audit", "scipy", "analysis"),
        (["site"], "generate runs/demo-sr3.toml --out {export}.out", "torch", "networks"),
        (["site"], "train runs/train-photos-sr3.toml", "torch", "networks"),
        (["site"], "schedule search runs/demo-sr3.toml", "torch", "networks"),
        (["site"], "metrics compute {export} --reference {export}", "torch", "networks"),
        (["analysis"], "study create studies/demo.toml", "sqlalchemy", "site"),
        (["analysis"], "study recruit status demo", "sqlalchemy", "site"),
        (["analysis"], "study audit studies/demo.toml -o {export}.audit", "httpx", "site"),
    ],
)
def test_a_command_whose_part_is_missing_says_what_to_install(
    parts: list[str], command: str, package: str, file: str, export: Path
) -> None:
    done = run(parts, *command.format(export=export).split())
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert f"needs {package}" in done.stderr
    assert f"-r requirements/{file}.txt" in done.stderr


def test_every_group_of_commands_is_tried_without_its_part() -> None:
    """`dataset` and `run` need the base only; `demo` and `paper` are made of the others."""
    cases: Any = test_a_command_whose_part_is_missing_says_what_to_install
    tried = {command.split()[0] for _, command, _, _ in cases.pytestmark[0].args[1]}
    assert tried | {"dataset", "run", "demo", "paper", "bench"} == set(manage.COMMANDS)


@pytest.mark.slow
def test_dataset_and_run_need_no_part(tmp_path: Path) -> None:
    photos = ROOT / "generators/photos/crops"
    made = run([], "dataset", "import", photos, tmp_path / "real")
    assert made.returncode == 0, made.stderr
    sound = run([], "run", "verify", tmp_path / "real")
    assert sound.returncode == 0, sound.stderr


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
    done = run(["site"], "bench", "install", "--no-peers")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "needs scikit-image" in done.stderr
    assert '-e ".[dev]"' in done.stderr


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
    arguments = ["--reference", photos, "--cache", tmp_path / "cache", "-o", tmp_path / "scores"]
    arguments += ["--metrics", "fid", "--unpublished-weights", f"inception={weights}"]
    peers = {"torchvision", "torch_fidelity", "lpips", "timm", "prdc", "skimage"}
    scored = run_without(peers, "metrics", "compute", photos, *arguments)
    assert scored.returncode == 0, scored.stderr
    toml = f'test = "{photos}"\nreal = "{photos}"\nimage_size = 32\nepochs = 1\nbatch = 6\n'
    (tmp_path / "cas.toml").write_text(toml)
    trained = run_without(peers, "metrics", "cas", tmp_path / "cas.toml", "-o", tmp_path / "cas")
    assert trained.returncode == 0, trained.stderr
