"""The page that draws the house is the house, and the rooms keep their size."""

from __future__ import annotations

import ast
import re
import subprocess
from collections import Counter
from pathlib import Path

import pytest
from architecture_page import PACKAGES, PAGE, ROOT, with_drawing

MOST_MODULES = 10  # of a room; a package's root is its door
MOST_DOORS = 14
PAGES = (PAGE, ROOT / "CONTRIBUTING.md")


def test_the_drawing_is_the_codes_own() -> None:
    text = PAGE.read_text()
    assert with_drawing(text) == text, "run: python tests/contracts/architecture_page.py"


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_every_path_that_the_page_names_exists(page: Path) -> None:
    named = re.findall(r"`((?:[a-z_]+/)+[a-z_0-9]*(?:\.[a-z]+)?)`", page.read_text())
    assert named
    rooms = {path.parent for path in ROOT.glob("*/*/__init__.py")}
    for name in named:
        found = (ROOT / name).exists() or any((room.parent / name).exists() for room in rooms)
        assert found, f"{page.name} names {name}"


def test_no_room_has_grown_into_a_corridor() -> None:
    tracked = subprocess.run(
        ["git", "ls-files", *(f"{name}/*.py" for name in PACKAGES)],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout.split()  # fmt: skip
    count = Counter(Path(name).parent for name in tracked if not name.endswith("__init__.py"))
    large = {
        str(room): n
        for room, n in count.items()
        if n > (MOST_DOORS if str(room) in PACKAGES else MOST_MODULES)
        and "versions" not in str(room)
    }
    assert not large


def test_every_room_says_what_it_knows() -> None:
    for package in PACKAGES:
        for path in (ROOT / package).rglob("__init__.py"):
            words = ast.get_docstring(ast.parse(path.read_text())) or ""
            assert len(words.split()) >= 5, f"{path.relative_to(ROOT)}: say what the room knows"
