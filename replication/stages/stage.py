"""A stage: command lines, what they read and what they write, and the content of both."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from generators.files import file_sha256
from replication.stages.configs import Config

# What differs between two makings of equal content: never a reason to make anything again.
TIMES = ("created_at", "wall_seconds", "seal")


@dataclass(frozen=True)
class Stage:
    """Some of `manage.py`'s command lines that belong together."""

    name: str  # of its record and log
    says: str  # on the terminal
    commands: tuple[tuple[str, ...], ...]
    reads: tuple[Path, ...]  # files and folders that decide the outputs
    writes: tuple[Path, ...]
    seconds: float  # on two idle cores; only for the time left
    scratch: tuple[Path, ...] = ()  # also written, and removed before the stage begins anew
    configs: tuple[Config, ...] = ()  # of those read, the ones that are to be written first
    resumes: bool = True  # whether the commands go on with what an interrupted call left

    def key(self, version: str) -> str:
        """Return the digest of all that decides the stage's outputs."""
        reads = {str(path): content(path) for path in self.reads}
        text = json.dumps([version, self.commands, reads], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def outputs(self) -> dict[str, str]:
        """Return path -> content of what the stage has written; "" for what is not there."""
        return {str(path): content(path) if path.exists() else "" for path in self.writes}


def content(path: Path) -> str:
    """Return the digest of a file's or a folder's content, without the times that JSON files say.

    Hidden files, the commands' own unfinished ones, do not count. Raises `OSError`.
    """
    if not path.is_dir():
        return _steady(path)
    files = sorted(one for one in path.rglob("*") if one.is_file() and one.name[0] != ".")
    lines = [f"{one.relative_to(path).as_posix()}\0{_steady(one)}\n" for one in files]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _steady(path: Path) -> str:
    if path.suffix != ".json":
        return file_sha256(path)
    try:
        fields = json.loads(path.read_bytes())
    except ValueError:
        return file_sha256(path)
    if isinstance(fields, dict):
        fields = {key: value for key, value in fields.items() if key not in TIMES}
    return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()
