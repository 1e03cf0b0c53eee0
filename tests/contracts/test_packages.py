"""The packages are the checkout's own, and the repository names nothing it should not."""

from __future__ import annotations

import importlib
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("generators", "metrics", "study_server", "analysis")


@pytest.mark.parametrize("name", PACKAGES)
def test_the_package_is_the_checkouts_own(name: str) -> None:
    # These are other people's names on the package index.
    module = importlib.import_module(name)
    assert module.__file__ is not None
    assert Path(module.__file__).is_relative_to(ROOT)


@pytest.mark.parametrize("name", PACKAGES)
def test_a_package_init_is_its_docstring_alone(name: str) -> None:
    text = (ROOT / name / "__init__.py").read_text()
    assert re.fullmatch(r'""".+?"""\n', text, re.DOTALL)


def test_no_module_is_a_drawer_and_none_is_over_400_lines() -> None:
    tracked = subprocess.run(
        ["git", "ls-files", "*.py"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    for name in tracked:
        path = ROOT / name
        assert path.stem not in {"utils", "util", "helpers", "common", "misc"}, name
        if not name.startswith("tests/") and path.exists():
            assert len(path.read_text().splitlines()) <= 400, name
