"""Print the oldest allowed version of each package, for `pip install -r` (see .ci/lowest)."""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BOUND = re.compile(r"(?P<name>[A-Za-z0-9_.-]+(\[[a-z]+\])?)\s*(>=|==)\s*(?P<version>[0-9.]+)")


def lines() -> list[str]:
    """Return the requirement lines of all parts, and of what the tests need."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    found = [line for group in extras.values() for line in group]
    for path in sorted((ROOT / "requirements").glob("*.txt")):
        found += path.read_text().splitlines()
    return found


def lowest(line: str) -> str | None:
    """Return `name==oldest version` of a requirement line, or None for one without a bound."""
    found = BOUND.match(line)
    return f"{found['name']}=={found['version']}" if found else None


if __name__ == "__main__":
    oldest = dict.fromkeys(filter(None, map(lowest, lines())))
    sys.stdout.write("\n".join(oldest) + "\n")
