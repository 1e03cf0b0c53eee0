"""The `study` commands that run a site: serving it, its states, its backups."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

from study_server.commands.database import database_option, opened_database, secret_of

if TYPE_CHECKING:
    from flask import Flask

    from study_server.storage.database import Database
    from study_server.web.settings import Settings


def _limit(_ctx: click.Context, _parameter: click.Parameter, text: str) -> str:
    from limits import parse_many

    try:
        parse_many(text)
    except ValueError:
        raise click.BadParameter(f"{text!r}, expected such as '30 per 5 minutes'") from None
    return text


@click.command()
@database_option
@click.option("--bind", default="127.0.0.1:8000", show_default=True, metavar="[HOST:]PORT",
              help="The address to listen on.")  # fmt: skip
@click.option("--workers", type=click.IntRange(1, 64), default=2, show_default=True,
              help="Server processes; one for each core.")  # fmt: skip
@click.option("--threads", type=click.IntRange(1, 64), default=4, show_default=True,
              help="Threads of each worker.")  # fmt: skip
@click.option("--https", is_flag=True, help="Raters come through TLS: cookies are marked Secure.")
@click.option("--proxies", type=click.IntRange(0, 5), default=0, show_default=True,
              help="How many reverse proxies in front have their headers believed.")  # fmt: skip
@click.option(
    "--limiter-storage",
    envvar="FOOLRATE_LIMITER_STORAGE",
    default="shared://",
    metavar="URL",
    help="Where rate limits are counted; by default, together for all workers of this host. Give a"
    " URL with a password by FOOLRATE_LIMITER_STORAGE, because command lines are public.",
)
@click.option(
    "--entry-limit",
    default="30 per 5 minutes",
    show_default=True,
    metavar="N per TIME",
    callback=_limit,
    help="Consents allowed from one address: at least the seats of your laboratory.",
)
@click.option("--draft", is_flag=True, help="Keep studies that are drafts closed to raters.")
@click.pass_context
def serve(
    ctx: click.Context,
    /,
    database: str,
    *,
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
    from study_server.studies import states
    from study_server.web.serve import parse_address, require_free
    from study_server.web.serve import serve as run_server

    host, port = parse_address(bind)
    require_free(host, port)
    _forget_secrets(database)
    with opened_database(database) as opened:
        settings = _settings(opened, database, **site)
        _ensure_admin(opened)
        if not draft:
            states.open_drafts(opened, "command line")
        for line in _addresses(opened, _origin(host, port, https=settings.https)):
            click.echo(line)
    run_server(_factory(settings, ctx.obj or {}), host, port, workers=workers, threads=threads)


def _forget_secrets(url: str) -> None:
    """Start again without what the server has no use for: the panels' tokens, the first password.

    The password has made the first account by then. What a process was started with can be read in
    /proc for as long as it runs, by all that runs as the same user; a new start is the only way to
    forget it.
    """
    from study_server.recruit import sona, token
    from study_server.web.admin import accounts

    if accounts.VARIABLE in os.environ:
        with opened_database(url) as opened:
            _ensure_admin(opened)
    useless = {accounts.VARIABLE, token.VARIABLE, sona.VARIABLE}
    if not useless & os.environ.keys():
        return
    rest = {name: value for name, value in os.environ.items() if name not in useless}
    os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], rest)


def _ensure_admin(database: Database) -> None:
    from study_server.web.admin.accounts import ensure_account

    password = ensure_account(database)
    if password:
        click.echo(f"admin password, shown this once: {password}", err=True)


def _settings(database: Database, url: str, **site: Any) -> Settings:
    from study_server.web.settings import Settings

    return Settings(url, secret_of(database), **site)


def _factory(settings: Settings, given: dict[str, Any]) -> Callable[[], Flask]:
    def make_app() -> Flask:
        # Imported in the worker, so that each makes its own connections and metrics.
        from study_server.web.app import create_app
        from study_server.web.monitoring import configure_logs

        configure_logs()
        return create_app(settings, live_interval=given.get("live_interval"))

    return make_app


def _origin(host: str, port: int, *, https: bool) -> str:
    """Return where raters come in: with --https that is the proxy, whose name is not known here."""
    if https:
        return "https://<the proxy's name>"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _addresses(database: Database, origin: str) -> list[str]:
    from sqlalchemy import select

    from study_server.sessions.entering.providers import panel_of
    from study_server.storage.models import Study
    from study_server.studies.states import study_file

    lines = [f"admin  {origin}/admin/"]
    with database.reading() as db_session:
        for each in db_session.scalars(select(Study).order_by(Study.slug, Study.version)):
            file = study_file(each)
            panel = panel_of(file.provider)
            names = [name for name in (panel.id_parameter, panel.submission_parameter) if name]
            query = "?" + "&".join(f"{name}=…" for name in names) if names else ""
            address = f"{origin}/s/{each.slug}/{query}"
            lines.append(f"{each.slug} version {each.version}, {each.state}: {address}")
            if file.results.public != "never":
                lines.append(f"results, for everybody: {origin}/results/{each.slug}/")
    return lines


def _change_state(name: str, database: str, state: str) -> None:
    from study_server.studies import states

    with opened_database(database) as opened, opened.session() as db_session:
        found = states.find_study(db_session, name)
        states.set_state(db_session, found, state, os.environ.get("USER", "command line"))
        click.echo(f"study {found.slug} version {found.version} is {found.state}")


@click.command("open")
@click.argument("name")
@database_option
def open_study(name: str, database: str) -> None:
    """Open a study to raters: a draft, or one that was paused.

    \b
    Example: python manage.py study open demo
    """
    _change_state(name, database, "open")


@click.command()
@click.argument("name")
@database_option
def pause(name: str, database: str) -> None:
    """Let no new raters in, and make those under way wait.

    \b
    Example: python manage.py study pause demo
    """
    _change_state(name, database, "paused")


@click.command()
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
        from study_server.studies import states

        with opened_database(database) as opened:
            states.forget_payment_ids(opened, name)
        click.echo("the panel's ids cannot be read any more")


@click.command()
@click.argument("name")
@click.argument("count", type=click.IntRange(1, 10_000))
@database_option
def invite(name: str, count: int, database: str) -> None:
    """Print COUNT one-time links (their paths). They are shown once and stored hashed.

    \b
    Example: python manage.py study invite lab-study 20
    """
    from study_server.sessions.entering.invitations import invite as make

    with opened_database(database) as opened:
        for path in make(opened, name, count):
            click.echo(path)


@click.command()
@click.argument("name")
@click.argument("ids", type=click.File(encoding="utf-8"))
@database_option
def links(name: str, ids: TextIO, database: str) -> None:
    """Print a signed link (its path) for each of the panel's ids in a file, one a line.

    A signed link opens its rater's session in any browser: send it to that rater only. A study with
    `signed_links = true` lets no other links in.

    \b
    Example: python manage.py study links panel-study participants.txt
    """
    from study_server.sessions.entering.signed_links import sign_links

    with opened_database(database) as opened:
        for path in sign_links(opened, secret_of(opened), name, ids):
            click.echo(path)


@click.command()
@database_option
def migrate(database: str) -> None:
    """Upgrade a database to this version's tables. Make a backup first.

    \b
    Example: python manage.py study migrate --database sqlite:///foolrate.sqlite3
    """
    from study_server.errors import DatabaseError
    from study_server.storage import schema
    from study_server.storage.database import Database, sqlite_path

    opened = Database(database)
    if opened.sqlite and not sqlite_path(opened.url).exists():
        raise DatabaseError(f"{opened.url.database}: no such database, `study create` makes one")
    before = schema.current_revision(opened)
    schema.upgrade(opened)
    click.echo(f"tables at version {schema.current_revision(opened)} (before: {before or 'none'})")
    opened.dispose()


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@database_option
def backup(file: Path, database: str) -> None:
    """Write a consistent copy of the database while the site runs. The secret is not in it.

    \b
    Example: python manage.py study backup backups/monday.sqlite3
    """
    from study_server.storage.upkeep.backups import backup as copy

    with opened_database(database) as opened:
        copy(opened, file)
    click.echo(f"{file}: {file.stat().st_size} bytes")


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@database_option
def restore(file: Path, database: str) -> None:
    """Make a database from a backup; an existing database is never overwritten.

    \b
    Example: python manage.py study restore backups/monday.sqlite3 --database sqlite:///new.sqlite3
    """
    from study_server.storage.database import parse_url
    from study_server.storage.upkeep.backups import restore as put_back

    put_back(file, database)
    shown = parse_url(database).render_as_string(hide_password=True)
    click.echo(f"{shown}: restored from {file}")


OPERATIONS = (serve, open_study, pause, close, invite, links, migrate, backup, restore)
