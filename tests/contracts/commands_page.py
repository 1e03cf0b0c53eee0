"""Writes docs/commands.md from the commands' own help (run this file to do so)."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from pathlib import Path

import click

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "commands.md"
HEAD = """# Commands

This page has the `--help` of every command.
`python tests/contracts/commands_page.py` writes it, and a test checks that it agrees with the code.
Bad input ends with one line and exit status 1, a wrong command line with 2, and Ctrl-C with 130.
"""


def commands() -> Iterator[tuple[str, click.Command]]:
    """Yield the path and the object of every command and group, in the order of the help."""
    sys.path.insert(0, str(ROOT))
    import manage

    def walk(path: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
        if path:
            yield path, command
        if isinstance(command, click.Group):
            context = click.Context(command)
            for name in command.list_commands(context):
                child = command.get_command(context, name)
                assert child is not None, name
                yield from walk(f"{path} {name}".strip(), child)

    return walk("", manage.main)


def page() -> str:
    """Return the text of docs/commands.md."""
    return HEAD + "".join(
        _section(path, command)
        for path, command in commands()
        if not isinstance(command, click.Group)
    )


def _section(path: str, command: click.Command) -> str:
    arguments = " ".join(
        argument.make_metavar(click.Context(command))
        for argument in command.params
        if isinstance(argument, click.Argument)
    )
    options = "".join(
        _option(option) for option in command.params if isinstance(option, click.Option)
    )
    words, _, examples = (
        inspect.cleandoc(command.help or "").replace("\b\n", "").partition("Example:")
    )
    shown = "\n".join(_indented(line.strip()) for line in examples.strip().splitlines())
    table = f"\n| option | meaning |\n|---|---|\n{options}" if options else ""
    return (
        f"\n## `manage.py {path}`\n\n```\npython manage.py {path} {arguments}".rstrip()
        + f"\n```\n\n{words.strip()}\n\nExample:\n\n```\n{shown}\n```\n{table}"
    )


def _indented(line: str) -> str:
    return line if line.startswith(("python ", "torchrun ")) else f"    {line}"


def _option(option: click.Option) -> str:
    default = (
        "" if option.default in (None, False, ()) or callable(option.default) else option.default
    )
    shown = f" (default {default})" if option.show_default and str(default) else ""
    return f"| `{', '.join(option.opts)}` | {(option.help or '').replace('|', ' or ')}{shown} |\n"


if __name__ == "__main__":
    PAGE.write_text(page())
