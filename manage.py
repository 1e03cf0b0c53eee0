#!/usr/bin/env python
"""The command line of foolrate, and the one place where its packages are put together.

Each package owns its commands (``generators/cli.py`` and so on); this file mounts them, hands the
study site what it needs of the statistics, and prints a user's mistake as one line.
"""

from __future__ import annotations

import codecs
import importlib
import io
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from analysis.errors import AnalysisError
from generators.errors import GeneratorError
from generators.files import from_home
from generators.foreign_text import one_line
from metrics.errors import MetricError
from study_server.errors import StudyError

COMMANDS = {
    "demo": "manage:demo",
    "paper": "replication.cli:paper",
    "dataset": "generators.cli:dataset",
    "train": "generators.cli:train",
    "generate": "generators.cli:generate",
    "run": "generators.cli:run",
    "schedule": "generators.cli:schedule",
    "metrics": "metrics.cli:metrics",
    "study": "study_server.cli:study",
    "analysis": "analysis.cli:analysis",
    "report": "analysis.cli:report",
    "bench": "benchmarks.cli:bench",
}


class Commands(click.Group):
    """The top-level group: finds each command in its package when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 (Click's signature)
        """Return the command names in the order in which a study uses them."""
        return list(COMMANDS)

    def get_command(
        self,
        ctx: click.Context,  # noqa: ARG002 (Click's signature)
        cmd_name: str,
    ) -> click.Command | None:
        """Return one command, or None for a name there is none of."""
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name].partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that the arguments name; an unknown one names the closest."""
        import difflib

        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            near = difflib.get_close_matches(args[0], COMMANDS, n=1)
            hint = (
                f"did you mean {near[0]!r}?" if near else f"expected one of {', '.join(COMMANDS)}"
            )
            raise click.UsageError(f"no command {args[0]!r}, {hint}", ctx)
        return super().resolve_command(ctx, args)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.pass_context
def main(ctx: click.Context) -> None:
    """Can people be fooled by an image generator, and how sure are we?

    \b
    python manage.py demo                    the whole loop, on shipped photos
    python manage.py study create --help     what a command takes, with an example
    """
    ctx.obj = {"live_interval": _live_interval, "planner": _planner}
    ctx.obj |= {"lpips": _lpips, "features": _features, "networks": _networks}


def _live_interval(rater_means: Sequence[float]) -> tuple[float, float]:
    from analysis.inference.confidence_sequence import confidence_sequence

    return confidence_sequence(rater_means)


def _planner(trial: str = "real-or-model", **design: Any) -> str:
    from analysis.commands.plans import planned, words

    return words(planned(trial, design), design)


def _lpips(size: int) -> Callable[[Sequence[Any]], Any] | str:
    # LPIPS for images of this size, to validate a training with; or why there is none.
    import os
    from functools import partial

    from metrics.catalogue import METRICS
    from metrics.paired.lpips import distances, load
    from metrics.weights.registry import WeightRegistry

    least = METRICS["lpips_alex"].least_side
    if size < least:
        return f"its network needs images of {least} pixels, these have {size}"
    try:
        return partial(distances, load("lpips_alex", WeightRegistry(os.environ).find("lpips_alex")))
    except MetricError as error:
        return str(error)


def _features() -> Any:
    # What a perceptual loss compares; or why there is nothing.
    import os

    from metrics.paired.lpips import vgg_features
    from metrics.weights.registry import WeightRegistry

    try:
        return vgg_features(WeightRegistry(os.environ).find("lpips_vgg"))
    except MetricError as error:
        return str(error)


def _networks() -> frozenset[str]:
    # The feature networks whose weights are here, for metrics that need one.
    import os

    from metrics.weights.registry import REGISTRY, WeightRegistry

    registry = WeightRegistry(os.environ)
    return frozenset(name for name in REGISTRY if registry.path_of(name) is not None)


DEMO_DATABASE = "sqlite:///demo/study.sqlite3"
DEMO_CONDITIONS = ("bicubic", "regression", "sr3")


def demo_steps() -> list[str]:
    """Return the command lines of the demonstration, as one would type them."""
    scores = [f"demo/{name}.scores/scores.json" for name in DEMO_CONDITIONS]
    return [
        "dataset import generators/photos/crops demo/real --lr demo/lr",
        *(f"generate runs/demo-{name}.toml" for name in DEMO_CONDITIONS),
        *(
            f"metrics compute demo/{name} --reference demo/real --lr demo/lr"
            for name in DEMO_CONDITIONS
        ),
        f"study create studies/demo.toml --database {DEMO_DATABASE}",
        f"study simulate demo --raters 48 --seed 1 --model studies/demo-raters.toml"
        f" --database {DEMO_DATABASE}",
        f"study export demo -o demo/export --database {DEMO_DATABASE}",
        "analysis fool-rates demo/export/judgments.csv --json demo/fool-rates.json",
        f"report demo/export {' '.join(f'--scores {path}' for path in scores)} -o demo/report",
    ]


@click.command()
def demo() -> None:
    """Run the whole loop on the shipped photos, into demo/.

    The raters are simulated. An earlier demo/ is moved aside, never overwritten.

    Example: python manage.py demo
    """
    import shlex
    import subprocess

    folder = Path("demo")
    if folder.exists():
        aside = next(path for n in range(1, 10_000) if not (path := Path(f"demo.{n}")).exists())
        folder.rename(aside)
        click.echo(f"the earlier demo is now {aside}/")
    for step in demo_steps():
        click.secho(f"\n$ python manage.py {step}", bold=True)
        code = subprocess.run(
            [sys.executable, __file__, *shlex.split(step)], check=False
        ).returncode
        if code:
            raise click.exceptions.Exit(code)
    click.echo(_demo_summary(folder))


def _demo_summary(folder: Path) -> str:
    """Return the key table of a finished demonstration, from the files it wrote."""
    import json

    rates = json.loads((folder / "fool-rates.json").read_text())["fool_rates"]
    lines = ["", "SIMULATED raters: these fool rates say nothing about people.", ""]
    heads = f"{'condition':12} {'fool rate  95 % interval':26}"
    lines.append(f"{heads} {'PSNR':>7} {'SSIM':>7} {'consistency':>12}")
    for row in rates:
        scores = json.loads((folder / f"{row['condition']}.scores" / "scores.json").read_text())
        value = {score["name"]: score["value"] for score in scores["scores"]}
        interval = f"{row['rate']:6.1%}     {row['low']:.1%} to {row['high']:.1%}"
        lines.append(
            f"{row['condition']:12} {interval:26} {value['psnr']:7.2f} {value['ssim']:7.3f}"
            f" {value['consistency']:12.2f}"
        )
    report = (folder / "report" / "report.html").resolve()
    return "\n".join(
        [
            *lines,
            "",
            f"The report:        {report}",
            f"Rate it yourself:  python manage.py study serve --database {DEMO_DATABASE}",
            "                   then open http://127.0.0.1:8000/s/demo/ (12 places are left)",
        ]
    )


# Packages whose name on the index is not the name that Python imports.
NAMES = {
    "PIL": "pillow",
    "argon2": "argon2-cffi",
    "efficientnet_lite_pytorch": "efficientnet-lite-pytorch",
    "skimage": "scikit-image",
}


def missing_part(module: str) -> str | None:
    """Return the line that says what to install for a module that is not there, or None.

    None means that `module` belongs to no part of foolrate (requirements/*.txt): a fault of ours.
    """
    top = module.partition(".")[0]
    package = NAMES.get(top, top.replace("_", "-")).lower()
    folder = Path(__file__).parent / "requirements"
    for part in ("base", "site", "analysis", "networks"):
        if _lists(package, (folder / f"{part}.txt").read_text().splitlines()):
            files = dict.fromkeys(["base", *(["analysis"] if part == "networks" else []), part])
            wanted = " ".join(f"-r requirements/{name}.txt" for name in files)
            return (
                f"this command needs {package}, which is not installed here: "
                f"{sys.executable} -m pip install -c constraints.txt {wanted}"
            )
    extra = next((name for name, lines in _extras().items() if _lists(package, lines)), None)
    if extra is None:
        return None
    return (
        f"this command needs {package}, which is not installed here: "
        f'{sys.executable} -m pip install -c constraints.txt -e ".[{extra}]"'
    )


def _lists(package: str, lines: Sequence[str]) -> bool:
    return any(re.match(rf"{re.escape(package)}(?![\w-])", line) for line in lines)


def _extras() -> dict[str, list[str]]:
    """Return the optional parts and their packages; none where only a part's files are."""
    import tomllib

    file = Path(__file__).parent / "pyproject.toml"
    if not file.is_file():
        return {}
    project: dict[str, Any] = tomllib.loads(file.read_text())["project"]
    found: dict[str, list[str]] = project["optional-dependencies"]
    return found


# What stands for a character that a terminal's encoding lacks; a question mark for any other.
PLAIN = {"↑": "^", "↓": "v", "→": "->", "∞": "inf", "–": "-", "—": "-", "−": "-", "…": "...",
         "×": "x", "·": "-", "≤": "<=", "≥": ">=", "’": "'", "“": '"', "”": '"'}  # fmt: skip


def _plainly(error: UnicodeError) -> tuple[str, int]:
    """Return plain characters for those that an encoding lacks, and where to go on."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end]
    return "".join(PLAIN.get(character, "?") for character in lacking), error.end


def _print_anywhere() -> None:
    """Let stdout and stderr print on terminals of any encoding."""
    codecs.register_error("plainly", _plainly)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and "utf" not in stream.encoding.lower():
            stream.reconfigure(errors="plainly")


def _refuse_empty_words(arguments: Sequence[str]) -> None:
    """Raise `UsageError` for an empty word: a path of that name would be the current folder."""
    for before, word in zip(["manage.py", *arguments], arguments, strict=False):
        name, equals, value = word.partition("=")
        if not word or (name.startswith("--") and equals and not value):
            after = before if not word else name
            raise click.UsageError(
                f"there is an empty word after {one_line(after)}, expected a value: "
                "is a variable of the shell empty?"
            )


def _at_home(word: str) -> str:
    """Return a word with ``~/`` at its start, or behind its ``=``, as the path of the home folder.

    Not every shell says so in ``--output=~/run``, and a folder would be called ``~``.
    """
    name, equals, value = ("", "", word) if word.startswith("~") else word.partition("=")
    return f"{name}{equals}{from_home(value)}" if re.match("~(/|$)", value) else word


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit status: 1 for bad input, 2 for bad usage."""
    _print_anywhere()
    words = [_at_home(word) for word in (sys.argv[1:] if arguments is None else arguments)]
    try:
        _refuse_empty_words(words)
        result = main.main(args=words, prog_name="manage.py", standalone_mode=False)
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.BadParameter as error:
        wrong = error.param is not None and not isinstance(error, click.MissingParameter)
        if not wrong or not isinstance(getattr(error.param, "type", None), click.Path):
            error.show()
            return error.exit_code
        click.echo(f"error: {one_line(error.format_message())}", err=True)
        return 1
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt) as stop:
        if isinstance(stop.__cause__, EOFError):
            raise stop.__cause__ from None  # click takes a file that is cut for Ctrl-D
        click.echo("stopped", err=True)
        return 130
    except (AnalysisError, GeneratorError, MetricError, StudyError) as error:
        click.echo(f"error: {one_line(str(error))}", err=True)
        return 1
    except ModuleNotFoundError as error:
        missing = missing_part(error.name or "")
        if missing is None:
            raise
        click.echo(f"error: {missing}", err=True)
        return 1
    except BrokenPipeError:  # `manage.py … | head`
        sys.stderr.close()
        return 141
    return result if isinstance(result, int) else 0


if __name__ == "__main__":
    sys.exit(run())
