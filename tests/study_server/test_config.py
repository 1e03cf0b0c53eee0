"""The study file's page names every key, and the shipped files are valid."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from small_study import STUDY, text_with

from study_server.config import StudyFile, parse_study_file, read_study_file
from study_server.errors import StudyFileError
from study_server.simulation.rater_model import read_model
from study_server.studies.images.run_folders import open_runs
from study_server.trial_kinds import Question

DEMO_DIGEST = "e9a1f19d6b965fba07d0573cb8dc4dc28c60f2576efa6868b490d138d7848577"
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


def test_the_conditions_and_questions_are_explained() -> None:
    assert "`[conditions]`" in PAGE
    assert "`[[question]]`" in PAGE
    assert all(f"| `{key}` |" in PAGE for key in Question.model_fields)
    assert set(SECTIONS) | {"conditions", "question"} == set(StudyFile.model_fields)


@pytest.mark.parametrize("path", sorted((ROOT / "studies").glob("*.toml")), ids=lambda p: p.name)
def test_the_shipped_files_are_valid(path: Path) -> None:
    if path.stem.endswith("-raters"):
        assert read_model(path).rates
    else:
        assert read_study_file(path)[0].study.id


def test_the_digest_does_not_depend_on_order_or_comments() -> None:
    path = ROOT / "studies" / "demo.toml"
    file, text = read_study_file(path)
    parts = text.split("\n[")
    shuffled = "\n[".join([parts[0], *reversed(parts[1:])]) + "\n# a comment\n"
    assert parse_study_file(shuffled, "x").digest({"r": "1"}) == file.digest({"r": "1"})
    assert file.digest({"r": "2"}) != file.digest({"r": "1"})


def test_keys_that_came_later_do_not_change_the_digest_of_a_file_without_them() -> None:
    """The value is what the program of ed7c1cc said of the demo's file."""
    file, _ = read_study_file(ROOT / "studies" / "demo.toml")
    assert file.digest({"r": "1"}) == DEMO_DIGEST
    later = file.model_copy(update={"lease": file.lease.model_copy(update={"first_minutes": 9})})
    assert later.digest({"r": "1"}) != DEMO_DIGEST


def with_return_url(url: str) -> str:
    text = (ROOT / "studies" / "demo.toml").read_text(encoding="utf-8")
    return text.replace("[provider]", f"[provider]\nreturn_url = {json.dumps(url)}", 1)


@pytest.mark.parametrize(
    "url",
    [
        *("javascript:alert(1)", "data:text/html,x", "//evil.example/{code}", "/end", "", "x"),
        *("http://panel.example/{code}", "ftp://panel.example", "https://", "https:///{code}"),
        *("https://panel.example/ x", "https://panel.example\\@evil.example", "HTTPS ://a"),
    ],
)
def test_raters_are_sent_to_web_addresses_only(url: str) -> None:
    with pytest.raises(StudyFileError, match="is no address that raters can be sent to"):
        parse_study_file(with_return_url(url), "study.toml")
    stored = parse_study_file(with_return_url(url), "study.toml", stored=True)
    assert stored.provider.return_url == url  # a study under way is not stopped


@pytest.mark.parametrize(
    "url", ["https://panel.example/done?cc={code}", "http://localhost:8000/{code}", "http://[::1]/"]
)
def test_addresses_that_raters_can_be_sent_to(url: str) -> None:
    assert parse_study_file(with_return_url(url), "x").provider.return_url == url


def test_a_tilde_in_a_study_file_is_the_home_folder(
    images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(images))
    named, at_home = (parse_study_file(text_with(STUDY, at), "s") for at in (images, Path("~")))
    assert open_runs(at_home).digests() == open_runs(named).digests()
    nobody = parse_study_file(text_with(STUDY, Path("~nobody-is-called-so")), "s")
    with pytest.raises(
        StudyFileError, match=r"^images\.reference: ~nobody-is-called-so is no home"
    ):
        open_runs(nobody)
