"""The study file's page names every key, and the shipped files are valid."""

from __future__ import annotations

from pathlib import Path

import pytest

from study_server.config import StudyFile, read_study_file
from study_server.simulation.rater_model import read_model

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "study-file.md").read_text(encoding="utf-8")
SECTIONS = {
    name: field.annotation
    for name, field in StudyFile.model_fields.items()
    if hasattr(field.annotation, "model_fields")
}
KEYS = [(name, key) for name, section in SECTIONS.items() for key in section.model_fields]


@pytest.mark.parametrize(("section", "key"), KEYS)
def test_every_key_is_explained(section: str, key: str) -> None:
    assert f"`[{section}]`" in PAGE
    assert f"| `{key}` |" in PAGE or f"| `{section}.{key}` |" in PAGE


def test_the_conditions_are_explained() -> None:
    assert "`[conditions]`" in PAGE
    assert set(SECTIONS) | {"conditions"} == set(StudyFile.model_fields)


@pytest.mark.parametrize("path", sorted((ROOT / "studies").glob("*.toml")), ids=lambda p: p.name)
def test_the_shipped_files_are_valid(path: Path) -> None:
    if path.stem.endswith("-raters"):
        assert read_model(path).rates
    else:
        assert read_study_file(path)[0].study.id


def test_the_digest_does_not_depend_on_order_or_comments() -> None:
    path = ROOT / "studies" / "demo.toml"
    file, text = read_study_file(path)
    from study_server.config import parse_study_file

    parts = text.split("\n[")
    shuffled = "\n[".join([parts[0], *reversed(parts[1:])]) + "\n# a comment\n"
    assert parse_study_file(shuffled, "x").digest({"r": "1"}) == file.digest({"r": "1"})
    assert file.digest({"r": "2"}) != file.digest({"r": "1"})
