"""Making a study: what is refused, with which words, and that nothing half made stays."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from small_study import MakeStudy, write_images
from sqlalchemy import func, select

from study_server.config import parse_study_file, read_study_file
from study_server.errors import StudyError, StudyFileError
from study_server.storage.database import Database
from study_server.storage.models import Item, Stimulus, Study, Trial
from study_server.studies.create import create_study


@pytest.fixture
def own_text(own_images: Path, images: Path, study_text: str) -> str:
    """Return a study file over those folders; item-3 is judged whatever the digest."""
    text = study_text.replace(str(images), str(own_images))
    return text.replace("[catch]", '[catch]\nitems = ["item-8"]')


@pytest.fixture
def own_images(tmp_path: Path) -> Path:
    """Return image folders that a test may spoil."""
    return write_images(tmp_path / "own", [f"item-{number}" for number in range(9)])


def attempt(database: Database, text: str) -> str:
    """Return the one line with which a study is refused; nothing of it may stay."""
    with pytest.raises(StudyError) as refusal:
        create_study(database, parse_study_file(text, "study.toml"), text)
    with database.session() as db_session:
        for model in (Study, Item, Stimulus):
            assert db_session.scalar(select(func.count()).select_from(model)) == 0
    assert "\n" not in str(refusal.value)
    return str(refusal.value)


def test_roles_are_disjoint_and_every_trial_shows_a_pair_of_equal_size(
    sqlite: Database, make_study: MakeStudy
) -> None:
    make_study(sqlite)
    with sqlite.session() as db_session:
        roles = dict(db_session.execute(select(Item.id, Item.role)).all())
        assert sorted(roles.values()) == ["catch", "main"] + ["main"] * 5 + ["practice"] * 2
        sizes = dict(map(tuple, db_session.execute(select(Stimulus.id, func.length(Stimulus.png)))))
        for trial in db_session.scalars(select(Trial)):
            assert roles[trial.item_id] == trial.kind
            assert sizes[trial.left_id] == sizes[trial.right_id]


def test_unpadded_stimuli_differ_in_size(sqlite: Database, make_study: MakeStudy) -> None:
    make_study(sqlite, pad=False)
    with sqlite.session() as db_session:
        sizes = dict(map(tuple, db_session.execute(select(Stimulus.id, func.length(Stimulus.png)))))
        differ = [sizes[t.left_id] != sizes[t.right_id] for t in db_session.scalars(select(Trial))]
    assert sum(differ) > len(differ) / 2


def test_task_1_shows_the_input_at_the_size_of_the_pair(
    sqlite: Database, make_study: MakeStudy
) -> None:
    make_study(sqlite, ('title = "A small study"', 'title = "A small study"\ntasks = ["task1"]'))
    with sqlite.session() as db_session:
        query = select(Stimulus.png).join(Trial, Trial.input_id == Stimulus.id).limit(1)
        width, height = Image.open(io.BytesIO(db_session.scalar(query))).size
    assert (width, height) == (24, 16)


def test_the_same_file_and_seed_give_the_same_design(
    tmp_path: Path,
    sqlite: Database,
    another: Callable[[Path], Database],
    study_text: str,
) -> None:
    designs = []
    for database in (sqlite, another(tmp_path / "other.sqlite3")):
        create_study(database, parse_study_file(study_text, "study.toml"), study_text)
        with database.session() as db_session:
            query = select(Item.name, Trial.model_side, Trial.kind, Trial.condition_id)
            ordered = query.join(Item, Item.id == Trial.item_id)
            rows = db_session.execute(ordered.order_by(Trial.block_id, Trial.position)).all()
            designs.append((db_session.scalar(select(Study.digest)), rows))
    assert designs[0] == designs[1]


def test_a_missing_reference_is_named(sqlite: Database, own_images: Path, own_text: str) -> None:
    (own_images / "real" / "item-3.png").unlink()
    assert "images.reference" in attempt(sqlite, own_text)
    assert "item-3" in attempt(sqlite, own_text)


def test_a_mismatched_size_is_named(sqlite: Database, own_images: Path, own_text: str) -> None:
    Image.new("RGB", (25, 16)).save(own_images / "noisy" / "item-3.png")
    line = attempt(sqlite, own_text)
    assert "item-3" in line
    assert "25x16" in line
    assert "24x16" in line


def test_the_conditions_images_of_a_catch_item_are_read_too(
    sqlite: Database, own_images: Path, own_text: str
) -> None:
    Image.new("RGB", (25, 16)).save(own_images / "noisy" / "item-8.png")
    assert "'item-8': noisy is 25x16, expected the reference's 24x16" in attempt(sqlite, own_text)
    (own_images / "noisy" / "item-8.png").write_bytes(b"no image")
    assert "noisy/item-8.png" in attempt(sqlite, own_text)


def test_they_may_differ_in_size_where_all_are_resampled(
    sqlite: Database, own_images: Path, own_text: str
) -> None:
    Image.new("RGB", (25, 16)).save(own_images / "noisy" / "item-8.png")
    text = own_text.replace("[conditions]", "show_at = [24, 16]\n[conditions]")
    assert create_study(sqlite, parse_study_file(text, "study.toml"), text).version == 1


@pytest.mark.parametrize("mode", ["RGBA", "I;16", "CMYK"])
def test_images_that_are_not_8_bit_rgb_are_refused(
    sqlite: Database, own_images: Path, own_text: str, mode: str
) -> None:
    suffix = "jpg" if mode == "CMYK" else "png"
    (own_images / "noisy" / "item-3.png").unlink()
    Image.new(mode, (24, 16)).save(own_images / "noisy" / f"item-3.{suffix}")
    assert f"item-3.{suffix}" in attempt(sqlite, own_text)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("raters = 3", "ratters = 3", "no key 'design.ratters', did you mean 'raters'?"),
        ("[design]", "[desing]\n[design]", "no key 'desing', did you mean 'design'?"),
        ("raters = 3", "raters = 0", "design.raters is 0, expected:"),
        ("raters = 3\n", "", "the key design.raters is missing"),
        ("trials = 4", "trials = 7", "design.trials is 7, expected at most 6"),
        ('id = "small"', 'id = "A b"', "study.id is 'A b'"),
        ("[practice]", '[practice]\nitems = ["nobody"]', "'nobody' is in no run"),
        ("[catch]", "[catch]\nmosaic = 2", "catch.mosaic is 2"),
        ("[design]", '[analysis]\nfamily = ["x"]\n[design]', "family names 'x'"),
        ("noisy =", "catch =", "'catch' is the name of the catch trials"),
        ("[design]", '[provider]\nkind = "url"\n[design]', "needs id_parameter"),
        ("[design]", '[provider]\ncodes = { done = "A" }\n[design]', "names 'done'"),
        ("seed = 1", "seed = ", "not TOML"),
        ("[design]", '[provider]\nid_pattern = "["\n[design]', "'[' is no regular expression"),
        ("[design]", "[provider]\nsigned_links = true\n[design]", "kind = 'open' has none"),
        ("[design]", "[lease]\nfirst_minutes = 0\n[design]", "lease.first_minutes is 0, expected"),
    ],
)
def test_a_mistake_in_the_file_is_one_line_that_names_it(
    sqlite: Database, study_text: str, old: str, new: str, words: str
) -> None:
    assert old in study_text
    text = study_text.replace(old, new, 1)
    with pytest.raises(StudyFileError) as refusal:
        create_study(sqlite, parse_study_file(text, "study.toml"), text)
    assert words in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(StudyFileError, match=r"nothing\.toml: no such file"):
        read_study_file(tmp_path / "nothing.toml")


def test_a_study_is_frozen_and_followed_only_by_a_higher_version(
    sqlite: Database, make_study: MakeStudy, study_text: str
) -> None:
    make_study(sqlite)
    with pytest.raises(StudyFileError, match="expected 2 or more"):
        make_study(sqlite)
    make_study(sqlite, ('title = "A small study"', 'title = "Changed"\nversion = 2'))
    with sqlite.session() as db_session:
        digests = list(db_session.scalars(select(Study.digest)))
    assert len(set(digests)) == 2


def test_one_changed_pixel_changes_the_digest(
    sqlite: Database, own_images: Path, own_text: str
) -> None:
    first = create_study(sqlite, parse_study_file(own_text, "a"), own_text).digest
    path = own_images / "noisy" / "item-0.png"
    with Image.open(path) as image:
        image.putpixel((0, 0), (1, 2, 3))
        image.save(path)
    again = own_text.replace('id = "small"', 'id = "other"')
    same = own_text.replace('id = "small"', 'id = "third"')
    assert create_study(sqlite, parse_study_file(again, "a"), again).digest != first
    assert create_study(sqlite, parse_study_file(same, "a"), same).digest != first


def test_an_empty_folder_is_refused(sqlite: Database, tmp_path: Path, study_text: str) -> None:
    (tmp_path / "empty").mkdir()
    start = study_text.index("noisy = ")
    end = study_text.index("\n", start)
    text = study_text[:start] + f'noisy = "{tmp_path}/empty"' + study_text[end:]
    with pytest.raises(StudyFileError, match=r"conditions\.noisy: .*holds no images"):
        create_study(sqlite, parse_study_file(text, "a"), text)


@pytest.mark.slow
def test_a_refused_study_leaves_no_database_behind(own_text: str, tmp_path: Path) -> None:
    """Neither the file nor SQLite's side files; one with a study in it stays."""
    (tmp_path / "wrong.toml").write_text(own_text.replace("/blurred", "/absent"))
    (tmp_path / "right.toml").write_text(own_text)
    file = tmp_path / "made.sqlite3"
    command = [sys.executable, "manage.py", "study", "create", "--database", f"sqlite:///{file}"]

    def create(name: str) -> int:
        return subprocess.run([*command, tmp_path / name], capture_output=True).returncode

    assert create("wrong.toml") == 1
    assert not list(tmp_path.glob("made.*"))
    assert create("right.toml") == 0
    kept = file.stat().st_size
    assert create("wrong.toml") == 1
    assert file.stat().st_size == kept
