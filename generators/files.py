"""Files read and written: regular files only, whole or not at all, by the user's umask."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import secrets
import stat
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from generators.errors import HomeError, WriteError

_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


_SETTINGS_BYTES = 1 << 24
_LOOKS_AGAIN = 0.02  # seconds
_NO_LOCKS = {errno.EBADF, errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP}  # some network file systems


def read_file(path: Path, limit: int) -> bytes:
    """Return the bytes of a regular file of at most `limit` bytes.

    Raises `OSError`, its `strerror` in words, for anything else: a FIFO would never answer, and
    ``/dev/zero`` never end. A link is followed to what it names.
    """
    # Without O_NONBLOCK, opening a FIFO waits for somebody to write to it.
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        _refuse_broken_link(path)
        raise
    try:
        _check_regular(handle, path, limit)
        with os.fdopen(handle, "rb", closefd=False) as stream:
            return stream.read(limit)
    finally:
        os.close(handle)


def _refuse_broken_link(path: Path) -> None:
    if path.is_symlink() and not path.exists():
        raise FileNotFoundError(errno.ENOENT, f"a link to nothing, {path.readlink()}", str(path))


def _check_regular(handle: int, path: Path, limit: int) -> None:
    found = os.fstat(handle)
    if not stat.S_ISREG(found.st_mode):
        kind = _KINDS.get(stat.S_IFMT(found.st_mode), "no file")
        raise OSError(errno.EINVAL, f"is {kind}, expected a regular file", str(path))
    if found.st_size > limit:
        what = f"has {found.st_size} bytes, expected at most {limit}"
        raise OSError(errno.EFBIG, what, str(path))


def read_settings(path: Path) -> str:
    """Return the text of a file of settings, UTF-8, of at most 16 MiB; a pipe will do.

    A byte-order mark, as editors of Windows write it, is left out. Raises `OSError`, its `strerror`
    in words, and `UnicodeDecodeError`.
    """
    with path.open("rb") as stream:
        data = stream.read(_SETTINGS_BYTES + 1)
    if len(data) > _SETTINGS_BYTES:
        what = f"has more than {_SETTINGS_BYTES >> 20} MiB, expected a file of settings"
        raise OSError(errno.EFBIG, what, str(path))
    if b"\0" in data[:4]:  # as in every UTF-16 text of ASCII letters, with a mark or without
        raise OSError(errno.EILSEQ, "is UTF-16, expected UTF-8: save it as UTF-8", str(path))
    return data.decode("utf-8-sig")


def from_home(path: str) -> str:
    """Return a path with ``~`` or ``~user`` at its start as that home folder.

    Raises `HomeError` where there is no such home.
    """
    if not path.startswith("~"):
        return path
    try:
        return str(Path(path).expanduser())
    except RuntimeError:
        user = path.split("/")[0]
        raise HomeError(f"{user} is no home folder, expected a path of one") from None


@contextmanager
def alone_in(folder: Path, doing: str = "is training into it") -> Iterator[int]:
    """Make the folder and hold it; a process that dies lets go of it.

    Gives the handle that holds it: processes that inherit it hold it, too. What was made and stays
    empty goes. Raises `WriteError` while another process holds it, which then says what that one is
    `doing`, and where it cannot be made. A file system without locks holds nothing.
    """
    with ExitStack() as held:
        yield _held(folder, time.monotonic(), doing, held)


@contextmanager
def in_turn(*folders: Path, patience: float = 60.0) -> Iterator[None]:
    """Make the folders and hold them while files in them are read and written anew.

    Others that come by `in_turn` wait up to `patience` seconds. What was made and stays empty goes.
    Raises `WriteError` for a folder that another process holds longer, as a training does, or that
    cannot be made. A file system without locks holds nothing.
    """
    until = time.monotonic() + patience
    with ExitStack() as held:
        for folder in sorted({folder.absolute() for folder in folders}):
            _held(folder, until, "is at work in it, try again later", held)
        yield


def _held(folder: Path, until: float, doing: str, held: ExitStack) -> int:
    """Return the handle of a folder that `held` now holds; what was made for it goes with it."""
    made: list[Path] = []
    try:
        while True:
            made += make_folders(folder)
            handle = _hold(folder)
            if handle is not None:
                break
            if time.monotonic() > until:
                raise OSError(errno.EBUSY, f"another process {doing}")
            time.sleep(_LOOKS_AGAIN)
    except OSError as error:
        raise WriteError(str(folder), error.strerror or str(error)) from None
    held.callback(os.close, handle)
    held.callback(remove_made, (), made)
    return handle


def _hold(folder: Path) -> int | None:
    """Return the handle of a folder that is now held, None where another holds or removed it."""
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(handle), folder.stat()):
            return handle
    except (BlockingIOError, FileNotFoundError):
        pass
    except OSError as error:
        if error.errno in _NO_LOCKS:
            return handle
        os.close(handle)
        raise
    os.close(handle)
    return None


def file_sha256(path: Path) -> str:
    """Return the sha256 of a file's bytes as hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def utc_now() -> str:
    """Return the present time as ISO 8601 in UTC, to the second."""
    return datetime.now(UTC).replace(microsecond=0).isoformat().replace("+00:00", "Z")


def write_atomically(path: Path, data: bytes, *, flush: bool = True, private: bool = False) -> None:
    """Write a file so that it is there whole or not at all. Raises `WriteError`.

    Who may read it is for the umask to say; `private` files are their owner's from the first byte.
    Without `flush` it is whole for a killed process but not for a power cut: for files whose digest
    is checked again, in their thousands, where waiting for the disk is most of the time.
    """
    part = _part_of(path)
    try:
        make_folders(path.parent)
        handle = create_file(part, private=private)
        _fill_and_move(handle, part, path, data, flush)
    except OSError as error:
        raise WriteError(str(path), error.strerror or str(error)) from None


def write_together(files: Mapping[Path, bytes]) -> None:
    """Write files that belong together, so that a full disk leaves none of them half or missing.

    All are written under other names before the first takes its own, in the order given. Folders
    that were made for them go again where writing fails. Raises `WriteError`.
    """
    parts: dict[Path, Path] = {}
    made: list[Path] = []
    path = Path()
    try:
        for path, data in files.items():
            made += make_folders(path.parent)
            part = _part_of(path)
            handle = create_file(part)
            parts[path] = part
            _fill(handle, data, flush=True)
        for path, part in parts.items():
            part.replace(path)
    except BaseException as error:
        remove_made(parts.values(), made)
        if isinstance(error, OSError):
            raise WriteError(str(path), error.strerror or str(error)) from None
        raise


def make_folders(folder: Path) -> list[Path]:
    """Make a folder and those above it; return the new ones, the highest first."""
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    for each in missing:
        _refuse_broken_link(each)
    folder.mkdir(parents=True, exist_ok=True)
    return missing[::-1]


def remove_made(files: Iterable[Path], folders: list[Path]) -> None:
    """Remove files, then the folders that are empty, the last first."""
    for file in files:
        file.unlink(missing_ok=True)
    for folder in reversed(folders):
        with suppress(OSError):
            folder.rmdir()


def _part_of(path: Path) -> Path:
    return path.with_name(f".{path.name[:200]}.{secrets.token_hex(6)}.part")


def create_file(path: Path, *, private: bool = False) -> int:
    """Create a new empty file and return its open handle; `private` means mode 0600.

    Raises `OSError` if there is one already.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    return os.open(path, flags, 0o600 if private else 0o666)


def _fill_and_move(handle: int, part: Path, path: Path, data: bytes, flush: bool) -> None:
    try:
        _fill(handle, data, flush)
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def _fill(handle: int, data: bytes, flush: bool) -> None:
    with os.fdopen(handle, "wb") as stream:
        stream.write(data)
        stream.flush()
        if flush:
            os.fsync(stream.fileno())
