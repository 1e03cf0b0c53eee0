"""Where cached rows and weights are kept when nobody says otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path


def default_folder(environment: Mapping[str, str]) -> Path:
    """Return the cache folder: ``FOOLRATE_CACHE``, else ``foolrate`` in the user's cache folder."""
    if chosen := environment.get("FOOLRATE_CACHE"):
        return Path(chosen)
    base = environment.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "foolrate"
