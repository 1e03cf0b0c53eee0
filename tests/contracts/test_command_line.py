"""The command line as a newcomer meets it: fast help, runnable examples, one line for a mistake."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

ROOT = Path(__file__).resolve().parents[2]
HEAVY = ("torch", "flask", "pandas", "numpy", "pydantic", "sqlalchemy", "matplotlib")


def manage(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run manage.py as a user would."""
    return subprocess.run(
        [sys.executable, "manage.py", *arguments], cwd=ROOT, capture_output=True, text=True
    )


def commands() -> Iterator[tuple[str, click.Command]]:
    """Yield the path and the object of every command and group."""
    sys.path.insert(0, str(ROOT))
    import manage as module

    stack: list[tuple[str, click.Command]] = [("", module.main)]
    while stack:
        path, command = stack.pop()
        if path:
            yield path, command
        if isinstance(command, click.Group):
            context = click.Context(command)
            for name in command.list_commands(context):
                child = command.get_command(context, name)
                assert child is not None
                stack.append((f"{path} {name}".strip(), child))


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys, manage; manage.run(['--help']); "
        f"sys.exit(' '.join(m for m in {HEAVY!r} if m in sys.modules))"
    )
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert result.stderr == ""
    assert result.returncode == 0


@pytest.mark.parametrize(("path", "command"), [pytest.param(*c, id=c[0]) for c in commands()])
def test_every_command_explains_itself(path: str, command: click.Command) -> None:
    assert command.help, path
    if not isinstance(command, click.Group):
        assert "python manage.py" in command.help, f"{path} --help shows no runnable example"


@pytest.mark.parametrize(("path", "command"), [pytest.param(*c, id=c[0]) for c in commands()])
def test_every_command_is_documented(path: str, command: click.Command) -> None:
    if isinstance(command, click.Group):
        return
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    assert any(f"manage.py {path}" in page.read_text() for page in pages), path


def test_an_unknown_command_names_the_closest() -> None:
    result = manage("metrisc")
    assert result.returncode == 2
    assert "did you mean 'metrics'?" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_mistake_is_one_line_and_exit_1(tmp_path: Path) -> None:
    result = manage("run", "verify", str(tmp_path / "nowhere"))
    assert result.returncode == 1
    assert "nowhere" in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
