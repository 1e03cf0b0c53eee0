"""What the documentation says a user can type exists: each command and each of its options."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

import manage

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted((ROOT / "docs").rglob("*.md")),
]


def lines() -> list[tuple[str, str]]:
    """Return (page, command line) for every `python manage.py …` in a code block."""
    found = []
    for page in PAGES:
        text = page.read_text() if page.exists() else ""
        for block in re.findall(r"^```[a-z]*\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
            joined = block.replace("\\\n", " ")
            for line in re.findall(
                r"^\s*\$?\s*(?:\.venv/bin/)?python manage\.py (.*)$", joined, re.M
            ):
                found.append((str(page.relative_to(ROOT)), line))
    return found


@pytest.mark.parametrize(("page", "line"), lines())
def test_a_documented_command_line_is_one_that_exists(page: str, line: str) -> None:
    words = shlex.split(line.split("  #")[0].split(" | ")[0].split(" > ")[0], comments=True)
    command: click.Command = manage.main
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        child = command.get_command(click.Context(command), words[0])
        assert child is not None, f"{page}: no command {words[0]!r} in: manage.py {line}"
        command, words = child, words[1:]
    known = {name for parameter in command.params for name in parameter.opts} | {"--help", "-h"}
    for word in words:
        if re.match(r"--?[a-zA-Z]", word):
            option = word.split("=")[0]
            assert option in known, f"{page}: no option {option} in: manage.py {line}"


def test_the_documentation_shows_commands_at_all() -> None:
    assert len(lines()) > 5


def test_every_preset_is_in_the_table_and_every_row_is_there() -> None:
    page = (ROOT / "docs" / "generators.md").read_text()
    table = page.split("## Presets\n")[1].split("\n## ")[0]
    named = re.findall(r"`([a-z0-9/-]+\.toml)`", "".join(re.findall(r"^\| `.*?\|", table, re.M)))
    runs = ROOT / "runs"
    assert sorted(named) == sorted(str(path.relative_to(runs)) for path in runs.rglob("*.toml"))
