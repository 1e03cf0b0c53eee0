"""The `study` commands. Heavy imports stay inside the bodies."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Iterator

    from study_server.database import Database
    from study_server.settings import Settings

DATABASE_VARIABLE = "FOOLRATE_DATABASE"

database_option = click.option(
    "--database",
    metavar="URL",
    envvar=DATABASE_VARIABLE,
    default="sqlite:///foolrate.sqlite3",
    show_default=True,
    help=f"sqlite:///file.sqlite3 or postgresql://… (or {DATABASE_VARIABLE}).",
)


@click.group()
def study() -> None:
    """Make a study out of run folders, serve it to raters, and export what they judged."""


@contextmanager
def _open(url: str, *, create: bool = False) -> Iterator[Database]:
    from study_server.schema import open_database

    database = open_database(url, create=create)
    try:
        yield database
    finally:
        database.dispose()


def _secret(database: Database) -> bytes:
    from study_server.identity import load_secret

    return load_secret(database.url)


@study.command()
@click.argument("study_toml", type=click.Path(path_type=Path))
@database_option
def create(study_toml: Path, database: str) -> None:
    """Make a study from a study file and the run folders it names.

    Every image is encoded again, alike and to equal size. The study is a draft until `study serve` or
    `study open` opens it; from now on it cannot be changed, only followed by a new version.

    \b
    Example: python manage.py study create studies/demo.toml --database sqlite:///demo/study.sqlite3
    """
    from study_server.config import read_study_file
    from study_server.creation import create_study

    file, text = read_study_file(study_toml)
    with _open(database, create=True) as opened:
        made = create_study(opened, file, text, progress=_progress("encoding"))
        _secret(opened)
    click.echo(
        f"study {made.slug} version {made.version}: {file.design.raters} raters"
        f" {'a condition' if file.design.kind == 'between-raters' else 'in all'}"
        f" x {file.design.trials} trials, {len(file.conditions)} conditions,"
        f" digest {made.digest[:12]}"
    )


def _progress(what: str) -> Callable[[Iterable[str], int], Iterable[str]]:
    from rich.console import Console
    from rich.progress import track

    def show(items: Iterable[str], total: int) -> Iterable[str]:
        if not sys.stderr.isatty():
            return items
        return track(items, what, total, console=Console(stderr=True))

    return show


@study.command()
@database_option
@click.option("--bind", default="127.0.0.1:8000", show_default=True, metavar="[HOST:]PORT")
@click.option("--workers", type=click.IntRange(1, 64), default=2, show_default=True)
@click.option("--threads", type=click.IntRange(1, 64), default=2, show_default=True)
@click.option("--https", is_flag=True, help="Raters come through TLS: cookies are marked Secure.")
@click.option("--proxies", type=click.IntRange(0, 5), default=0, help="Reverse proxies in front.")
@click.option("--limiter-storage", default="memory://", metavar="URL", help="Shared rate limits.")
@click.option("--draft", is_flag=True, help="Leave studies that are drafts closed to raters.")
@click.pass_context
def serve(
    ctx: click.Context,
    database: str,
    bind: str,
    workers: int,
    threads: int,
    draft: bool,
    **site: Any,
) -> None:
    """Serve every study of a database to raters, and the admin site at /admin/.

    \b
    Example: python manage.py study serve --database sqlite:///demo/study.sqlite3 --bind 8000
    """
    from study_server import studies
    from study_server.serve import parse_address, require_free
    from study_server.serve import serve as run_server

    host, port = parse_address(bind)
    require_free(host, port)
    with _open(database) as opened:
        settings = _settings(opened, database, **site)
        if not draft:
            studies.open_drafts(opened, "command line")
        for line in _addresses(opened, host, port):
            click.echo(line)
    run_server(_factory(settings, ctx.obj or {}), host, port, workers=workers, threads=threads)


def _settings(database: Database, url: str, **site: Any) -> Settings:
    from study_server.settings import Settings

    return Settings(url, _secret(database), **site)


def _factory(settings: Settings, given: dict[str, Any]) -> Callable[[], Any]:
    def make_app() -> Any:
        # Imported in the worker, so that each makes its own connections and metrics.
        from study_server.app import create_app
        from study_server.monitoring import configure_logs

        configure_logs()
        return create_app(
            settings, live_interval=given.get("live_interval"), planner=given.get("planner")
        )

    return make_app


def _addresses(database: Database, host: str, port: int) -> list[str]:
    from sqlalchemy import select

    from study_server.models import Study
    from study_server.providers import panel_of
    from study_server.studies import study_file

    shown = f"[{host}]" if ":" in host else host
    lines = [f"admin  http://{shown}:{port}/admin/"]
    with database.session() as db_session:
        for each in db_session.scalars(select(Study).order_by(Study.slug, Study.version)):
            panel = panel_of(study_file(each).provider)
            names = [name for name in (panel.id_parameter, panel.submission_parameter) if name]
            query = "?" + "&".join(f"{name}=…" for name in names) if names else ""
            address = f"http://{shown}:{port}/s/{each.slug}/{query}"
            lines.append(f"{each.slug} version {each.version}, {each.state}: {address}")
    return lines


@study.command()
@click.argument("name", required=False)
@database_option
def status(name: str | None, database: str) -> None:
    """Show how far each study is: raters by outcome, blocks done, judgments.

    \b
    Example: python manage.py study status --database sqlite:///demo/study.sqlite3
    """
    from study_server.status import status_lines

    with _open(database) as opened:
        for line in status_lines(opened, name):
            click.echo(line)


@study.command()
@click.argument("name")
@database_option
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True)
@click.option("--psych-ds", is_flag=True, help="Also write a Psych-DS folder.")
@click.option("--jspsych", is_flag=True, help="Also write jsPsych-shaped JSON.")
def export(name: str, database: str, output: Path, psych_ds: bool, jspsych: bool) -> None:
    """Write judgments.csv, study.json and the rest of a study's data into a folder.

    \b
    Example: python manage.py study export demo -o demo/export --database sqlite:///demo/study.sqlite3
    """
    from study_server import export as exporting
    from study_server import export_formats

    with _open(database) as opened:
        done = exporting.export_study(opened, name, output)
    if psych_ds:
        export_formats.write_psych_ds(output)
    if jspsych:
        export_formats.write_jspsych(output)
    click.echo(f"{done.judgments} judgments of {done.raters} raters: {output / 'judgments.csv'}")


@study.command("verify-export")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
def verify_export(folder: Path) -> None:
    """Check that an export is complete and unchanged: files, hash chains, every rater accounted for.

    \b
    Example: python manage.py study verify-export demo/export
    """
    from study_server.errors import StudyError
    from study_server.export import verify_export as verify

    if not (folder / "study.json").is_file():
        raise StudyError(f"{folder}: holds no study.json, expected the folder of a `study export`")
    problems = verify(folder)
    if problems:
        raise StudyError("; ".join(problems[:5]))
    click.echo(f"{folder}: complete and unchanged")


@study.command()
@click.argument("name")
@database_option
@click.option("--raters", type=click.IntRange(1, 100_000), required=True, help="Who finish.")
@click.option("--seed", type=int, required=True)
@click.option("--model", type=click.Path(path_type=Path), help="The truth, as TOML.")
@click.option("--at-once", type=click.IntRange(1, 256), default=8, show_default=True)
@click.option("--url", metavar="URL", help="A server on the same database; else one is started.")
def simulate(
    name: str,
    database: str,
    raters: int,
    seed: int,
    model: Path | None,
    at_once: int,
    url: str | None,
) -> None:
    """Let simulated raters take a study over HTTP. Their judgments are marked for ever.

    \b
    Example: python manage.py study simulate demo --raters 48 --seed 1 --model studies/demo-raters.toml
    """
    from study_server import simulate as simulation
    from study_server.simulated_rater import read_model

    with _open(database) as opened:
        tally = simulation.simulate(
            opened,
            _secret(opened),
            name,
            model=read_model(model),
            raters=raters,
            seed=seed,
            at_once=at_once,
            url=url,
        )
    click.echo(
        f"SIMULATED: {tally.completed} raters finished, {tally.dropped} dropped out,"
        f" {tally.judgments} judgments in {tally.seconds:.1f} s"
        f" ({tally.judgments / max(tally.seconds, 1e-9):.0f}/s)"
    )
    for condition, rate in tally.truth.items():
        click.echo(f"  true fool rate of {condition}: {rate:.3f}")


def _change_state(name: str, database: str, state: str) -> None:
    from study_server import studies

    with _open(database) as opened, opened.session() as db_session:
        found = studies.find_study(db_session, name)
        studies.set_state(db_session, found, state, os.environ.get("USER", "command line"))
        click.echo(f"study {found.slug} version {found.version} is {found.state}")


@study.command("open")
@click.argument("name")
@database_option
def open_study(name: str, database: str) -> None:
    """Open a study to raters: a draft, or one that was paused.

    \b
    Example: python manage.py study open demo
    """
    _change_state(name, database, "open")


@study.command()
@click.argument("name")
@database_option
def pause(name: str, database: str) -> None:
    """Let no new raters in, and make those under way wait.

    \b
    Example: python manage.py study pause demo
    """
    _change_state(name, database, "paused")


@study.command()
@click.argument("name")
@database_option
@click.option(
    "--forget-payment-ids", is_flag=True, help="Make the panel's ids unreadable for good."
)
def close(name: str, database: str, forget_payment_ids: bool) -> None:
    """Close a study for good. Raters under way get the code for having run out of time.

    \b
    Example: python manage.py study close demo
    """
    _change_state(name, database, "closed")
    if forget_payment_ids:
        from study_server import studies

        with _open(database) as opened:
            studies.forget_payment_ids(opened, name)
        click.echo("the panel's ids cannot be read any more")


@study.command()
@click.argument("name")
@click.argument("count", type=click.IntRange(1, 10_000))
@database_option
def invite(name: str, count: int, database: str) -> None:
    """Print COUNT one-time links (their paths). They are shown once and stored hashed.

    \b
    Example: python manage.py study invite lab-study 20
    """
    from study_server.invitations import invite as make

    with _open(database) as opened:
        for path in make(opened, name, count):
            click.echo(path)


@study.command()
@database_option
def migrate(database: str) -> None:
    """Upgrade a database to this version's tables. Make a backup first.

    \b
    Example: python manage.py study migrate --database sqlite:///foolrate.sqlite3
    """
    from study_server import schema
    from study_server.database import Database
    from study_server.database import sqlite_path
    from study_server.errors import DatabaseError

    opened = Database(database)
    if opened.sqlite and not sqlite_path(opened.url).exists():
        raise DatabaseError(f"{opened.url.database}: no such database, `study create` makes one")
    before = schema.current_revision(opened)
    schema.upgrade(opened)
    click.echo(f"tables at version {schema.current_revision(opened)} (before: {before or 'none'})")
    opened.dispose()


@study.command()
@click.argument("file", type=click.Path(path_type=Path))
@database_option
def backup(file: Path, database: str) -> None:
    """Write a consistent copy of the database while the site runs. The secret is not in it.

    \b
    Example: python manage.py study backup backups/monday.sqlite3
    """
    from study_server.backups import backup as copy

    with _open(database) as opened:
        copy(opened, file)
    click.echo(f"{file}: {file.stat().st_size} bytes")


@study.command()
@click.argument("file", type=click.Path(path_type=Path))
@database_option
def restore(file: Path, database: str) -> None:
    """Make a database out of a backup; one that exists is never overwritten.

    \b
    Example: python manage.py study restore backups/monday.sqlite3 --database sqlite:///new.sqlite3
    """
    from study_server.backups import restore as put_back

    put_back(file, database)
    click.echo(f"{database}: restored from {file}")
