"""The `study` commands. Heavy imports stay inside the bodies."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from generators.foreign_text import one_line
from study_server.commands.database import database_option, opened_database, secret_of
from study_server.commands.operations import OPERATIONS
from study_server.commands.progress import counted, tracked
from study_server.commands.publishing import PUBLISHING
from study_server.commands.recruiting import recruit
from study_server.commands.research import RESEARCH

if TYPE_CHECKING:
    from study_server.config import StudyFile


@click.group()
def study() -> None:
    """Make a study of run folders, serve it, and export what raters judged."""


@study.command()
@click.argument("study_toml", type=click.Path(path_type=Path))
@database_option
def create(study_toml: Path, database: str) -> None:
    """Make a study from a study file and the run folders it names.

    Every image is encoded again, alike and to equal size. The study is a draft until `study
    serve` or `study open` opens it; from now on it cannot be changed, only followed by a new
    version.

    \b
    Example: python manage.py study create studies/demo.toml --database sqlite:///demo/study.sqlite3
    """
    from study_server.config import read_study_file
    from study_server.errors import said_of
    from study_server.studies.create import create_study
    from study_server.web.rater.i18n import require_spoken

    file, text = read_study_file(study_toml)
    _say(require_spoken(file))
    with opened_database(database, create=True) as opened, said_of(study_toml):
        made = create_study(opened, file, text, progress=tracked("encoding"), say=_say)
        secret_of(opened)
    click.echo(
        f"study {made.slug} version {made.version}: {file.design.raters} raters"
        f" {_in_all(file)} x {file.design.trials} trials, {len(file.conditions)} conditions,"
        f"{_asked(file)} digest {made.digest[:12]}"
    )


def _in_all(file: StudyFile) -> str:
    if file.design.kind == "within-raters":
        return "in all"
    return "a pair" if file.design.trial == "preference" else "a condition"


def _asked(file: StudyFile) -> str:
    ids = ", ".join(question.id for question in file.questions)
    return f" questions: {ids}," if ids else ""


def _say(notes: Iterable[str]) -> None:
    for note in notes:
        click.echo(f"note: {one_line(note)}", err=True)


@study.command()
@click.argument("name", required=False)
@database_option
def status(name: str | None, database: str) -> None:
    """Show how far each study is: raters by outcome, blocks done, judgments.

    \b
    Example: python manage.py study status --database sqlite:///demo/study.sqlite3
    """
    from study_server.studies.status import status_lines

    with opened_database(database) as opened:
        for line in status_lines(opened, name):
            click.echo(line)


@study.command()
@click.argument("name")
@database_option
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True,
              help="The folder to write.")  # fmt: skip
@click.option("--psych-ds", is_flag=True, help="Also write a Psych-DS folder.")
@click.option("--jspsych", is_flag=True, help="Also write jsPsych-shaped JSON.")
def export(name: str, database: str, output: Path, psych_ds: bool, jspsych: bool) -> None:
    """Write judgments.csv, study.json and the rest of a study's data into a folder.

    A preference study has comparisons.csv in place of judgments.csv, one of single images
    detections.csv, and beside it ratings.csv where they are rated on scales.

    \b
    Example: python manage.py study export demo -o demo/export --database sqlite:///demo/study.sqlite3
    """
    from study_server.export import export as exporting
    from study_server.export import other_formats

    with opened_database(database) as opened:
        done = exporting.export_study(opened, name, output)
    if psych_ds:
        other_formats.write_psych_ds(output)
    if jspsych:
        other_formats.write_jspsych(output)
    click.echo(f"{done.judgments} judgments of {done.raters} raters: {output / done.table}")


@study.command("verify-export")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
def verify_export(folder: Path) -> None:
    """Check that an export is whole and unchanged: files, hash chains, every rater accounted for.

    \b
    Example: python manage.py study verify-export demo/export
    """
    from study_server.errors import StudyError
    from study_server.export.verify import verify_export as verify

    if not (folder / "study.json").is_file():
        raise StudyError(f"{folder}: holds no study.json, expected the folder of a `study export`")
    problems = verify(folder)
    if problems:
        raise StudyError("; ".join(problems[:5]))
    click.echo(f"{folder}: complete and unchanged")


@study.command()
@click.argument("name")
@database_option
@click.option("--raters", type=click.IntRange(1, 100_000), required=True,
              help="How many raters finish.")  # fmt: skip
@click.option("--seed", type=int, required=True, help="Seed of the raters' answers and times.")
@click.option(
    "--model",
    type=click.Path(path_type=Path),
    help="TOML file with the true rates and how raters behave.",
)
@click.option("--at-once", type=click.IntRange(1, 256), default=8, show_default=True,
              help="How many raters are in the study at a time.")  # fmt: skip
@click.option(
    "--url", metavar="URL", help="A server on the same database; otherwise one is started."
)
def simulate(
    name: str,
    database: str,
    *,
    raters: int,
    seed: int,
    model: Path | None,
    at_once: int,
    url: str | None,
) -> None:
    """Let simulated raters take a study over HTTP. Their judgments stay marked as simulated.

    \b
    Example: python manage.py study simulate demo --raters 48 --seed 1 \\
               --model studies/demo-raters.toml
    """
    from study_server.simulation import simulate as simulation
    from study_server.simulation import truth
    from study_server.simulation.rater_model import read_model

    with opened_database(database) as opened, counted("raters", raters) as done:
        tally = simulation.simulate(
            opened,
            secret_of(opened),
            name,
            model=read_model(model),
            raters=raters,
            seed=seed,
            at_once=at_once,
            url=url,
            progress=done,
        )
    click.echo(
        f"SIMULATED: {tally.completed} raters finished, {tally.dropped} dropped out,"
        f" {tally.judgments} judgments in {tally.seconds:.1f} s"
        f" ({tally.judgments / max(tally.seconds, 1e-9):.0f}/s)"
    )
    for condition, rate in tally.truth.items():
        click.echo(f"  true fool rate of {condition}: {rate:.3f}")
    for line in (*truth.true_errors(tally), *truth.true_ratings(tally)):
        click.echo(f"  {line}")
    for question, scores in tally.scores.items():
        for model_name, score in scores.items():
            click.echo(f"  true score of {model_name} ({question}): {score:+.3f}")


for _command in (*OPERATIONS, *RESEARCH, *PUBLISHING, recruit):
    study.add_command(_command)
