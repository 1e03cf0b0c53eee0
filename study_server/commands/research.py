"""The `study` commands around a study: plan, audit, reconcile, admin-password."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

from generators.foreign_text import finite
from study_server.commands.database import database_option, opened_database, secret_of
from study_server.commands.progress import tracked


@click.command()
@click.argument("study_toml", type=click.Path(path_type=Path))
@click.option("--pairs", type=click.IntRange(20, 100_000), default=400, show_default=True,
              help="How many pairs of images the adversary gets.")  # fmt: skip
@click.option("--seed", type=int, help="Seed of the raters and the adversary; random if left out.")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="Write the report to this folder."
)
def audit(study_toml: Path, pairs: int, seed: int | None, output: Path | None) -> None:
    """Look, before launch, for anything except the picture that gives the answer away.

    A throwaway copy of the study is served, simulated raters take it, and an adversary learns from
    what their browsers got. Pixel probes look for marks of the pipeline. Exits 1 when something on
    the way to the browser tells.

    \b
    Example: python manage.py study audit studies/demo.toml -o demo/audit
    """
    from study_server.audit.collect import audit_study
    from study_server.audit.report import verdict, write
    from study_server.config import read_study_file
    from study_server.errors import StudyError, said_of

    file, text = read_study_file(study_toml)
    with said_of(study_toml):
        found = audit_study(file, text, pairs=pairs, seed=seed, progress=tracked)
    for line in _audit_lines(found):
        click.echo(line)
    for path in write(found, output) if output else []:
        click.echo(path)
    if not found.sound:
        raise StudyError(verdict(found))
    click.echo(verdict(found))


def _audit_lines(found: Any) -> Iterable[str]:
    yield f"transport          AUC {found.transport.area}  {found.transport.words}"
    for condition in found.conditions:
        for finding in (condition.traces, condition.everything, *condition.probes):
            if finding.verdict != "nothing":
                name = f"{condition.condition}, {finding.name}"
                yield f"{finding.verdict.upper():5}{name:36} AUC {finding.area}  {finding.words}"
    for warning in found.warnings:
        yield f"warning: {warning}"


@click.command()
@click.argument("name")
@click.argument("panel_csv", type=click.Path(path_type=Path))
@database_option
@click.option(
    "--column",
    "columns",
    multiple=True,
    metavar="ROLE=HEADER",
    help="Which column of the list is what. May be given again.",
)
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="Write the whole list as CSV."
)
def reconcile(
    name: str, panel_csv: Path, database: str, columns: tuple[str, ...], output: Path | None
) -> None:
    """Compare the panel's list of submissions with the database, and say what to do.

    Nothing is changed and nothing is sent. Prolific's columns are known; name another panel's with
    --column participant=worker_id (also submission, status, code).

    \b
    Example: python manage.py study reconcile demo submissions.csv -o to-do.csv
    """
    from study_server.errors import StudyError
    from study_server.export import panel_list
    from study_server.studies.states import find_study

    if not panel_csv.is_file():
        raise StudyError(f"{panel_csv}: no such file, expected the panel's list as CSV")
    text = panel_list.decode(panel_csv.read_bytes(), str(panel_csv))
    with opened_database(database) as opened:
        with opened.reading() as db_session:
            study = find_study(db_session, name)
        found = panel_list.compare(
            opened,
            secret_of(opened),
            study,
            text,
            name=str(panel_csv),
            columns=panel_list.parse_columns(columns),
        )
    for one in found:
        if not one.agrees:
            click.echo(f"{one.action:14} {one.participant or one.rater:26} {one.reason}")
    click.echo(f"{sum(one.agrees for one in found)} of {len(found)} agree")
    if output:
        _write_suggestions(output, found)


def _write_suggestions(output: Path, found: list[Any]) -> None:
    from generators.files import write_atomically
    from study_server.export.reconcile import to_csv

    write_atomically(output, to_csv(found).encode(), private=True)
    click.echo(f"{output}: holds the panel's ids, delete it when you are done")


@click.command()
@click.option(
    "--trial",
    type=click.Choice(["real-or-model", "preference", "single"]),
    default="real-or-model",
    show_default=True,
    help="What a trial shows, as in the study file.",
)
@click.option(
    "--raters",
    type=click.IntRange(2, 100_000),
    help="Raters of each condition, or of all within raters; or give --target or --power.",
)
@click.option("--items", type=click.IntRange(2), default=100, show_default=True,
              help="Images of each condition.")  # fmt: skip
@click.option("--trials", type=click.IntRange(1), default=50, show_default=True,
              help="Main trials of each rater, as in the study file.")  # fmt: skip
@click.option("--conditions", type=click.IntRange(1),
              help="How many models are judged. Default: 1, of preferences 2.")  # fmt: skip
@click.option(
    "--within/--between",
    default=None,
    help="Whether the same raters judge all conditions. Default: as in the study file.",
)
@click.option("--rate", type=click.FloatRange(0.01, 0.99), callback=finite,
              help="The share that you expect: the fool rate (0.4), the win share of a pair (0.6),"
              " or the error on fakes (0.4).")  # fmt: skip
@click.option("--baseline", is_flag=True, default=None,
              help="Preferences: one model is compared with each other one.")  # fmt: skip
@click.option("--ties", type=click.FloatRange(0, 0.99), callback=finite,
              help="Preferences: the share of ties that you expect. Default: 0.")  # fmt: skip
@click.option("--error-on-reals", type=click.FloatRange(0.01, 0.99), callback=finite,
              help="Single images: the share of photos called made. Default: 0.25.")  # fmt: skip
@click.option("--made-share", type=click.FloatRange(0.05, 0.95), callback=finite,
              help="Single images: the share that is made. Default: 0.5.")  # fmt: skip
@click.option(
    "--target",
    type=click.FloatRange(0.001, 0.49),
    callback=finite,
    help="The half-width to reach, as a share: 0.03.",
)
@click.option("--power", type=click.FloatRange(0.06, 0.999), callback=finite,
              help="The chance to reach, of telling the share from 50 %: 0.8.")  # fmt: skip
@click.option("--seconds-per-trial", type=click.FloatRange(0.5), callback=finite,
              default=6.0, show_default=True,
              help="How long a trial takes, for the cost.")  # fmt: skip
@click.option(
    "--pay-per-hour",
    type=click.FloatRange(0),
    callback=finite,
    help="What raters are paid, for the cost.",
)
@click.option("--fee", type=click.FloatRange(0, 2), callback=finite, default=0.0, show_default=True,
              help="The panel's fee as a share of the pay: 0.33.")  # fmt: skip
@click.pass_context
def plan(ctx: click.Context, /, raters: int | None, within: bool | None, **design: Any) -> None:
    """Say how wide the interval will be and what the study will cost.

    Of preferences, the interval is that of a pair's win share; of single images, the first is that
    of a model's error on fakes, and "50 %" is about the human error.

    \b
    Example: python manage.py study plan --raters 50 --items 100 --trials 50 --pay-per-hour 12
             python manage.py study plan --target 0.03 --items 400 --conditions 3
             python manage.py study plan --trial preference --conditions 4 --power 0.8
             python manage.py study plan --trial single --raters 40 --trials 40
    """
    from study_server.errors import StudyError

    planner = (ctx.obj or {}).get("planner")
    if planner is None:
        raise StudyError("no planner was given: run this through manage.py")
    goals = [name for name in ("target", "power") if design[name] is not None]
    if raters is None and not goals:
        raise click.UsageError("give --raters, or --target or --power to have them worked out")
    if len(goals) + (raters is not None) > 1:
        raise click.UsageError("give one of --raters, --target and --power: it gives the others")
    click.echo(planner(raters=raters, shared_raters=within, **design))


@click.command("admin-password")
@database_option
@click.option(
    "--name",
    default="admin",
    show_default=True,
    help="The account; one that does not exist is made.",
)
@click.option("--stdin", "from_stdin", is_flag=True, help="Read the password from standard input.")
def admin_password(database: str, name: str, from_stdin: bool) -> None:
    """Set a password of the admin site; without --stdin a random one is made and shown once.

    Whoever is logged in with the old password is logged out. The first `study serve` makes a
    password by itself, or takes it from FOOLRATE_ADMIN_PASSWORD in the environment.

    \b
    Example: python manage.py study admin-password --database sqlite:///demo/study.sqlite3
    """
    from study_server.web.admin.accounts import set_password
    from study_server.web.admin.passwords import check_strength, generate_password

    given = sys.stdin.readline().rstrip("\n") if from_stdin else None
    password = generate_password() if given is None else check_strength(given, "the password")
    with opened_database(database) as opened:
        new = set_password(opened, name, password)
    click.echo(f"account {name}: {'made' if new else 'password changed'}", err=True)
    if given is None:
        click.echo(password)


RESEARCH = (plan, audit, reconcile, admin_password)
