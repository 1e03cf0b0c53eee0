"""Files: regular ones only, whole or not at all, readable by whom the umask says."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from generators.errors import HomeError, WriteError
from generators.files import (
    alone_in,
    create_file,
    from_home,
    in_turn,
    read_file,
    read_settings,
    write_atomically,
    write_together,
)


@pytest.mark.parametrize("data", [b"\xef\xbb\xbfa = 1", b"a = 1"])
def test_settings_are_read_with_a_byte_order_mark_or_without(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.toml").write_bytes(data)
    assert read_settings(tmp_path / "a.toml") == "a = 1"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_settings_in_utf16_say_how_to_save_them(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "a.toml").write_bytes("a = 1".encode(encoding))
    with pytest.raises(OSError, match="UTF-16, expected UTF-8: save it as UTF-8"):
        read_settings(tmp_path / "a.toml")


def test_what_lies_behind_a_link_to_nothing_is_not_written(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.symlink_to("gone")
    said = r"out.*: cannot be written \(a link to nothing, gone\)"
    with pytest.raises(WriteError, match=said):
        write_atomically(out / "a", b"")
    with pytest.raises(WriteError, match=said), alone_in(out):
        pass


def test_a_tilde_is_the_home_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert from_home("~/run") == str(tmp_path / "run")
    assert from_home("run/~") == "run/~"
    with pytest.raises(HomeError, match="~nobody-is-called-so is no home folder"):
        from_home("~nobody-is-called-so/run")


@pytest.fixture(params=[0o000, 0o022, 0o027, 0o077], ids=oct)
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_who_may_read_a_file_is_for_the_umask_to_say(tmp_path: Path, umask: int) -> None:
    write_atomically(tmp_path / "sub" / "a", b"x")
    assert mode(tmp_path / "sub" / "a") == 0o666 & ~umask
    assert [path.name for path in (tmp_path / "sub").iterdir()] == ["a"]


def test_a_private_file_is_private_from_its_first_byte(
    tmp_path: Path, umask: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def look(handle: int) -> None:
        seen.append(stat.S_IMODE(os.fstat(handle).st_mode))

    monkeypatch.setattr(os, "fsync", look)
    write_atomically(tmp_path / "a", b"secret", private=True)
    assert seen == [0o600 & ~umask]
    assert mode(tmp_path / "a") == 0o600 & ~umask


def test_a_file_is_never_created_over_another(tmp_path: Path) -> None:
    os.close(create_file(tmp_path / "a"))
    with pytest.raises(FileExistsError):
        create_file(tmp_path / "a")


def test_a_name_as_long_as_names_may_be_can_be_written(tmp_path: Path) -> None:
    write_atomically(tmp_path / ("a" * 255), b"x")
    with pytest.raises(WriteError, match="File name too long"):
        write_atomically(tmp_path / ("a" * 256), b"x")


def test_only_regular_files_are_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "endless").symlink_to("/dev/zero")
    (tmp_path / "large").write_bytes(bytes(11))
    for name, found in {
        "fifo": "is a FIFO, expected a regular file",
        "endless": "is a device, expected a regular file",
        "": "is a folder, expected a regular file",
        "large": "has 11 bytes, expected at most 10",
        "none": "No such file or directory",
    }.items():
        with pytest.raises(OSError, match=found):
            read_file(tmp_path / name, 10)
    assert read_file(tmp_path / "large", 11) == bytes(11)


def test_files_that_belong_together_are_there_all_or_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The third file finds the disk full: nothing of the others stays, nor a folder made for it."""
    (tmp_path / "old").write_bytes(b"as before")
    files = {tmp_path / name: b"new" for name in ("old", "new/a", "new/deep/b")}
    synced: list[int] = []

    def full(handle: int) -> None:
        synced.append(handle)
        if len(synced) == 3:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(WriteError, match=r"new/deep/b: cannot be written .No space left"):
        write_together(files)
    assert [path.name for path in tmp_path.iterdir()] == ["old"]
    assert (tmp_path / "old").read_bytes() == b"as before"
    monkeypatch.undo()
    write_together(files)
    assert {path.read_bytes() for path in files} == {b"new"}
    assert len([path for path in tmp_path.rglob("*") if path.is_file()]) == 3


def test_folders_are_held_in_turn(tmp_path: Path) -> None:
    first, second = tmp_path / "a" / "b", tmp_path / "c"
    with in_turn(first, second):
        for folder in (first, second):
            waiting = in_turn(folder, patience=0.05)
            with pytest.raises(WriteError, match="another process is at work in it"), waiting:
                pass
    assert list(tmp_path.iterdir()) == []  # what was made for nothing is gone
    with in_turn(first):
        (first / "file").touch()
    with in_turn(first, first, patience=0.0):  # let go of, and held once
        pass
    assert (first / "file").exists()


def test_a_folder_that_was_made_anew_is_held_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever removed the folder that another waits for must not leave it holding nothing."""
    lock, seen = fcntl.flock, list[int]()

    def late(handle: int, how: int) -> None:
        if not seen:
            (tmp_path / "a").rmdir()
        seen.append(handle)
        lock(handle, how)

    monkeypatch.setattr(fcntl, "flock", late)
    with in_turn(tmp_path / "a"):
        assert (tmp_path / "a").is_dir()
    assert len(seen) == 2


def test_a_file_system_without_locks_holds_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(handle: int, how: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", none)
    with in_turn(tmp_path / "a"), in_turn(tmp_path / "a", patience=0.0):
        assert (tmp_path / "a").is_dir()
    with alone_in(tmp_path / "a"), alone_in(tmp_path / "a"):  # NFS without locks: trains as well
        assert (tmp_path / "a").is_dir()


def test_who_is_alone_in_a_folder_leaves_others_empty_ones_there(tmp_path: Path) -> None:
    theirs, ours = tmp_path / "theirs", tmp_path / "ours" / "deep"
    theirs.mkdir()
    for folder in (theirs, ours):
        second, refused = alone_in(folder, "is busy"), pytest.raises(WriteError, match="is busy")
        with alone_in(folder), refused, second:
            pass
    assert list(tmp_path.iterdir()) == [theirs]
