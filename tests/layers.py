"""Which test layers this machine can run, and how to get the missing ones."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path


def chromium() -> str | None:
    """Return the path of a Chromium, or None; the one without windows takes half the time."""
    names = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
    return next((path for name in names if (path := shutil.which(name))), None)


def postgres_bin() -> Path | None:
    """Return the folder of PostgreSQL's server programs, or None."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if found:
        return found[-1].parent
    on_path = shutil.which("initdb")
    return Path(on_path).resolve().parent if on_path else None


MISSING = {
    "browser": (chromium, "no Chromium here: apt-get install chromium"),
    "postgres": (postgres_bin, "no PostgreSQL server here: apt-get install postgresql"),
}


def missing_layers() -> dict[str, str]:
    """Return layer -> why it is skipped and how to get it."""
    return {layer: why for layer, (find, why) in MISSING.items() if find() is None}


if __name__ == "__main__":
    for layer, why in missing_layers().items():
        sys.stdout.write(f"the {layer} tests are skipped: {why}\n")
