"""Stages: made once, gone on with after a kill, made anew when what they read changes."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from replication.errors import ReplicationError
from replication.stages.making import Place, make, run_command
from replication.stages.stage import Stage, content


class Killed(BaseException):
    """What stops everything, as SIGKILL does: nothing catches it."""


class Commands:
    """Stands for manage.py: `copy A B` joins A's text and a word into B; dies where it is told."""

    def __init__(self, dies_at: int | None = None) -> None:
        self.run: list[str] = []
        self.dies_at = dies_at

    def __call__(self, command: Sequence[str], log: Path, lock: int) -> None:
        if len(self.run) == self.dies_at:
            Path(command[2]).write_text("half")
            raise Killed
        self.run.append(command[0])
        source, target = Path(command[1]), Path(command[2])
        target.write_text(source.read_text() + command[0])


def chain(folder: Path) -> list[Stage]:
    """Return three stages, each of what the one before wrote; the last has two commands."""
    a, b, c, d = (folder / name for name in "abcd")
    a.write_text("start") if not a.exists() else None
    return [
        Stage("one", "one", (("B", str(a), str(b)),), (a,), (b,), 1),
        Stage("two", "two", (("C", str(b), str(c)),), (b,), (c,), 1),
        Stage(
            "three",
            "three",
            (("D", str(c), str(d)), ("E", str(d), str(folder / "e"))),
            (c,),
            (folder / "e",),
            1,
            resumes=False,
            scratch=(d,),
        ),
    ]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path, "1", 0)


def test_everything_is_made_once_and_the_second_call_makes_nothing(place: Place) -> None:
    first, second = Commands(), Commands()
    make(chain(place.folder), place, lambda _: None, first)
    make(chain(place.folder), place, lambda _: None, second)
    assert (first.run, second.run) == (["B", "C", "D", "E"], [])


@pytest.mark.parametrize("dies_at", range(4))
def test_killed_at_any_command_and_begun_again_the_outputs_are_the_same(
    place: Place, dies_at: int
) -> None:
    with pytest.raises(Killed):
        make(chain(place.folder), place, lambda _: None, Commands(dies_at))
    again = Commands()
    make(chain(place.folder), place, lambda _: None, again)
    assert (place.folder / "e").read_text() == "startBCDE"
    begins = {0: "B", 1: "C", 2: "D", 3: "D"}[dies_at]  # the last stage begins anew as a whole
    assert again.run == list("BCDE"["BCDE".index(begins) :])


def test_a_changed_input_is_made_anew_with_all_that_follows(place: Place) -> None:
    make(chain(place.folder), place, lambda _: None, Commands())
    (place.folder / "a").write_text("other")
    again = Commands()
    make(chain(place.folder), place, lambda _: None, again)
    assert again.run == ["B", "C", "D", "E"]
    assert (place.folder / "e").read_text() == "otherBCDE"


def test_an_altered_or_missing_output_is_made_anew(place: Place) -> None:
    make(chain(place.folder), place, lambda _: None, Commands())
    (place.folder / "c").write_text("altered")
    again = Commands()
    make(chain(place.folder), place, lambda _: None, again)
    assert again.run == ["C"]  # its output is again what the last stage was made of
    assert (place.folder / "e").read_text() == "startBCDE"


def test_another_release_makes_everything_anew(place: Place) -> None:
    make(chain(place.folder), place, lambda _: None, Commands())
    again = Commands()
    make(chain(place.folder), Place(place.folder, "2", 0), lambda _: None, again)
    assert again.run == ["B", "C", "D", "E"]


def test_a_damaged_record_is_no_record(place: Place) -> None:
    make(chain(place.folder), place, lambda _: None, Commands())
    (place.folder / "stages" / "two.json").write_text("{")
    again = Commands()
    make(chain(place.folder), place, lambda _: None, again)
    assert again.run == ["C"]


def test_times_in_json_do_not_count_as_content(tmp_path: Path) -> None:
    path = tmp_path / "scores.json"
    path.write_text(json.dumps({"created_at": "2026-01-01", "value": 1}))
    before = content(tmp_path)
    path.write_text(json.dumps({"created_at": "2027-01-01", "value": 1}))
    assert content(tmp_path) == before
    path.write_text(json.dumps({"created_at": "2027-01-01", "value": 2}))
    assert content(tmp_path) != before


def test_a_failed_command_is_one_line_with_its_own_words_and_its_log(tmp_path: Path) -> None:
    read, write = os.pipe()
    try:
        with pytest.raises(ReplicationError) as raised:
            run_command(("run", "verify", str(tmp_path / "nowhere")), tmp_path / "log", write)
    finally:
        os.close(read)
        os.close(write)
    said = str(raised.value)
    assert "\n" not in said
    assert said.startswith("`run verify` failed: ")
    assert str(tmp_path / "log") in said


def test_what_is_left_is_said_from_the_pace_so_far(place: Place) -> None:
    said: list[str] = []
    make(chain(place.folder), place, said.append, Commands())
    assert said[0] == "[1/3] one …  (less than a minute left)"
    make(chain(place.folder), place, said.append, Commands())
    assert said[-1] == "[3/3] three: is made"
