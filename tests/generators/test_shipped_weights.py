"""Every file of weights that ships says what it is, and something that ships uses it."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest

from generators.files import file_sha256
from generators.nets.checkpoint import read_facts

ROOT = Path(__file__).parents[2]
WEIGHTS = ROOT / "generators/weights"
SHIPPED = sorted(WEIGHTS.glob("*.safetensors"))
PRESETS = {path.name: tomllib.loads(path.read_text()) for path in (ROOT / "runs").glob("*.toml")}
MOST = 60e6  # bytes of all together: everybody who clones the repository fetches them


def pinned(value: Any) -> Iterator[tuple[str, str | None]]:
    """Yield each file of weights that a configuration names, with the digest beside it."""
    if isinstance(value, dict):
        for inner in value.values():
            if isinstance(inner, str) and inner.endswith(".safetensors"):
                yield inner, value.get("sha256")
            else:
                yield from pinned(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from pinned(inner)


def rows(weights: Path) -> dict[str, str]:
    lines = weights.with_suffix(".md").read_text().splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if "|" in line]
    return {cell[0]: cell[1] for cell in cells if len(cell) == 2}


@pytest.mark.parametrize("weights", SHIPPED, ids=lambda path: path.stem)
def test_weights_have_the_card_of_their_training(weights: Path) -> None:
    says, facts = rows(weights), read_facts(weights)
    assert says["sha256"] == f"`{file_sha256(weights)}`"
    assert says["file"].endswith(f" {weights.stat().st_size / 1e6:.1f} MB")
    assert says["trained"].startswith(f"{facts['steps']} steps, {facts['images']} ")
    training = tomllib.loads((ROOT / says["configuration"].strip("`")).read_text())
    assert (training["name"], training["licence"]) == (weights.stem, says["data and licence"])


@pytest.mark.parametrize("weights", SHIPPED, ids=lambda path: path.stem)
def test_weights_are_used_by_a_preset_that_knows_their_digest(weights: Path) -> None:
    name = weights.relative_to(ROOT).as_posix()
    digests = {
        file: digest
        for file, fields in PRESETS.items()
        for path, digest in pinned(fields)
        if path == name and "generator" in fields
    }
    assert digests, f"no file in runs/ generates with {name}"
    assert set(digests.values()) == {file_sha256(weights)}, digests
    table = (ROOT / "docs/generators.md").read_text()
    assert any(f"`{file}`" in table for file in digests), digests


@pytest.mark.parametrize("weights", SHIPPED, ids=lambda path: path.stem)
def test_the_page_of_the_folder_says_how_weights_may_be_used(weights: Path) -> None:
    table = (WEIGHTS / "README.md").read_text()
    patterns = re.findall(r"`([\w*-]+)`", "".join(re.findall(r"^\| (`.*?) \|", table, re.M)))
    assert any(fnmatchcase(weights.stem, pattern) for pattern in patterns), patterns


def test_no_card_is_left_of_weights_that_are_gone() -> None:
    cards = {path.stem for path in WEIGHTS.glob("*.md")} - {"README"}
    assert cards == {path.stem for path in SHIPPED}


def test_every_file_that_is_said_to_ship_is_there() -> None:
    named = {path for fields in PRESETS.values() for path, _ in pinned(fields)}
    for page in ("docs/generators.md", "docs/results.md", "README.md"):
        named |= set(
            re.findall(r"generators/weights/[\w-]+\.safetensors", (ROOT / page).read_text())
        )
    gone = {path for path in named if path.startswith("generators/") and not (ROOT / path).exists()}
    assert not gone


def test_all_weights_together_stay_small() -> None:
    assert sum(path.stat().st_size for path in SHIPPED) <= MOST
