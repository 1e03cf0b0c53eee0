"""Folders of cached rows and weights, and whether a file can be written.

Where the scores of a run go is decided in `cli`, which knows what was asked for.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

from metrics.errors import InputError


def default_folder(environment: Mapping[str, str]) -> Path:
    """Return the cache folder: ``FOOLRATE_CACHE``, else ``foolrate`` in the user's cache folder."""
    if chosen := environment.get("FOOLRATE_CACHE"):
        return Path(chosen)
    base = environment.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "foolrate"


def check_writable(path: Path) -> None:
    """Raise `InputError` unless a file can be written at `path`, before the work that it is for.

    Nothing is left behind: the nearest folder that exists is tried with a file without a name.
    """
    if path.is_dir():
        raise InputError(f"{path}: is a folder, expected a file to write")
    folder = next(parent for parent in path.absolute().parents if parent.exists())
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({folder}: {error.strerror})") from None
