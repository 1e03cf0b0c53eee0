"""Passwords: argon2id hashes, checked one at a time and behind everything else that runs.

argon2 is made to be slow. Whoever sends log-ins by the hundred must not slow down raters' answers:
the workers of one host check one password at a time, in a thread of low priority, and turn away
who comes meanwhile.
"""

from __future__ import annotations

import base64
import fcntl
import os
import secrets
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock, get_native_id

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.low_level import ARGON2_VERSION

from study_server.errors import StudyError
from study_server.web.limit_store import FOLDER_VARIABLE

SHORTEST = 12
NICENESS = 10  # a tenth of a busy core; at 19, a hundredth, log-ins took four times as long
LONGEST = 1024  # argon2 reads all of it, so somebody could make us hash megabytes

_hasher = PasswordHasher()  # argon2id with the parameters of RFC 9106
_turn = Lock()


class BusyError(Exception):
    """Another password is being checked on this host."""


def generate_password() -> str:
    """Return 120 random bits in a form that can be typed."""
    text = secrets.token_hex(15)
    return "-".join(text[start : start + 6] for start in range(0, len(text), 6))


def check_strength(password: str, source: str) -> str:
    """Return the password. Raises `StudyError` for one that is too short or too long."""
    if not SHORTEST <= len(password) <= LONGEST:
        raise StudyError(
            f"{source}: has {len(password)} characters, expected {SHORTEST} to {LONGEST}"
        )
    return password


def hash_password(password: str) -> str:
    """Return what the database keeps of a password."""
    return _hasher.hash(password)


def decoy() -> str:
    """Return a hash that no password has, for names that there are not.

    To check a password against it takes what a real one takes, and to make it takes nothing: a
    worker's first unknown name is answered as late as all others.
    """
    costs = f"m={_hasher.memory_cost},t={_hasher.time_cost},p={_hasher.parallelism}"
    salt, digest = (_base64(length) for length in (_hasher.salt_len, _hasher.hash_len))
    return f"$argon2id$v={ARGON2_VERSION}${costs}${salt}${digest}"


def _base64(length: int) -> str:
    return base64.b64encode(secrets.token_bytes(length)).rstrip(b"=").decode()


def matches(known: str, password: str) -> bool:
    """Return whether a password has this hash. Raises `BusyError` while another is checked."""
    with _one_at_a_time(), ThreadPoolExecutor(1, initializer=_come_last) as background:
        return background.submit(_verify, known, password[:LONGEST]).result()


def _verify(known: str, password: str) -> bool:
    try:
        return _hasher.verify(known, password)
    except (VerificationError, InvalidHashError):
        return False


def _come_last() -> None:
    """Let others go before this thread, and before those that argon2 starts from it.

    Only Linux has a priority for each thread.
    """
    if sys.platform == "linux":
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, get_native_id(), NICENESS)


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Hold the turn of this host's workers. Raises `BusyError` where somebody else has it."""
    folder = os.environ.get(FOLDER_VARIABLE)
    if folder is None:  # one process
        if not _turn.acquire(blocking=False):
            raise BusyError
        try:
            yield
        finally:
            _turn.release()
        return
    with (Path(folder) / "password.lock").open("w") as lock:  # closing it gives the turn back
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BusyError from None
        yield
