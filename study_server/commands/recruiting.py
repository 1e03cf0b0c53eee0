"""The `study recruit` commands: what is asked of the panel, and what it answers."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from study_server.commands.database import database_option, opened_database, secret_of

if TYPE_CHECKING:
    from study_server.recruit.client import Prolific
    from study_server.recruit.decide import Decision, Desk
    from study_server.recruit.token import Token
    from study_server.storage.database import Database
    from study_server.storage.models import Study

URL_VARIABLE = "PROLIFIC_URL"

token_option = click.option(
    "--token-file",
    type=click.Path(path_type=Path, dir_okay=False),
    envvar="FOOLRATE_PANEL_TOKEN_FILE",
    help="File of mode 0600 with the panel's token; without it, PROLIFIC_TOKEN is read.",
)
yes_option = click.option("--yes", is_flag=True, help="Send it; otherwise it is only shown.")


@click.group()
def recruit() -> None:
    """Recruit raters on Prolific, watch and pay them; give credit in SONA.

    The panel's token comes from PROLIFIC_TOKEN or a private file, never from the command line. What
    is sent is written down first: a command that was interrupted can be run again.
    """


@contextmanager
def _panel(token_file: Path | None) -> Iterator[Prolific]:
    from study_server.recruit.client import BASE, Prolific
    from study_server.recruit.token import load_token

    panel = Prolific(load_token(token_file), os.environ.get(URL_VARIABLE) or BASE)
    try:
        yield panel
    finally:
        panel.close()


@contextmanager
def _at_panel(
    name: str, database: str, token_file: Path | None
) -> Iterator[tuple[Database, Prolific, Study]]:
    from study_server.recruit.panel_study import find

    with opened_database(database) as opened, _panel(token_file) as panel:
        yield opened, panel, find(opened, name)


def _common(command: Callable[..., None]) -> Callable[..., None]:
    return click.argument("name")(database_option(token_option(command)))


@recruit.command()
@_common
@click.option("--site", required=True, metavar="URL", help="The https:// address of your site.")
def draft(name: str, database: str, token_file: Path | None, site: str) -> None:
    """Make a draft of the study on Prolific, from the study file. It costs nothing yet.

    \b
    Example: python manage.py study recruit draft my-study --site https://study.example.org
    """
    from study_server.recruit import panel_study

    with _at_panel(name, database, token_file) as (opened, panel, study):
        panel_id, new = panel_study.draft(opened, panel, study, site)
        click.echo(f"{'made' if new else 'there already'}: draft {panel_id}")
        for line in panel_study.look(opened, panel, study).lines():
            click.echo(line)
        click.echo(f"  cost: {panel_study.cost(panel, panel_id)}")


@recruit.command()
@_common
@yes_option
def publish(name: str, database: str, token_file: Path | None, yes: bool) -> None:
    """Publish the study on Prolific: raters come, and money is spent.

    \b
    Example: python manage.py study recruit publish my-study --yes
    """
    from study_server.errors import PanelError
    from study_server.recruit import panel_study

    with _at_panel(name, database, token_file) as (opened, panel, study):
        if study.state != "open":
            raise PanelError(
                f"study {study.slug} is {study.state} here, expected open: raters would find it so"
            )
        seen = panel_study.look(opened, panel, study)
        for line in seen.lines():
            click.echo(line)
        click.echo(f"  cost: {panel_study.cost(panel, seen.panel_id)}")
        if not yes and seen.status == "UNPUBLISHED":
            click.echo("nothing was sent: add --yes to publish it")
            return
        click.echo(panel_study.transition(opened, panel, study, "PUBLISH"))


@recruit.command()
@_common
def status(name: str, database: str, token_file: Path | None) -> None:
    """Show the study as Prolific sees it, and keep that for the dashboard.

    \b
    Example: python manage.py study recruit status my-study
    """
    from study_server.recruit.panel_study import look

    with _at_panel(name, database, token_file) as (opened, panel, study):
        for line in look(opened, panel, study).lines():
            click.echo(line)


@recruit.command()
@_common
def pause(name: str, database: str, token_file: Path | None) -> None:
    """Make Prolific send no new raters; those who are under way can finish.

    \b
    Example: python manage.py study recruit pause my-study
    """
    from study_server.recruit.panel_study import transition

    with _at_panel(name, database, token_file) as (opened, panel, study):
        click.echo(transition(opened, panel, study, "PAUSE"))


@recruit.command()
@_common
def resume(name: str, database: str, token_file: Path | None) -> None:
    """Let Prolific send raters again after a pause.

    \b
    Example: python manage.py study recruit resume my-study
    """
    from study_server.recruit.panel_study import transition

    with _at_panel(name, database, token_file) as (opened, panel, study):
        click.echo(transition(opened, panel, study, "START"))


@recruit.command("more-places")
@_common
@click.argument("places", type=click.IntRange(1, 100_000))
def more_places(name: str, database: str, token_file: Path | None, places: int) -> None:
    """Raise the number of places on Prolific to PLACES in all.

    \b
    Example: python manage.py study recruit more-places my-study 60
    """
    from study_server.recruit.panel_study import set_places

    with _at_panel(name, database, token_file) as (opened, panel, study):
        for line in set_places(opened, panel, study, places).lines():
            click.echo(line)


@recruit.command()
@_common
@click.option("--every", type=click.IntRange(10, 3600), default=60, show_default=True,
              help="Seconds between two looks.")  # fmt: skip
@click.option("--looks", type=click.IntRange(1), help="Stop after so many looks.")
def watch(name: str, database: str, token_file: Path | None, every: int, looks: int | None) -> None:
    """Look at the study on Prolific again and again, for the dashboard, until you stop it.

    It keeps trying while Prolific cannot be reached, and stops if Prolific refuses the token.

    \b
    Example: python manage.py study recruit watch my-study --every 60
    """
    from study_server.errors import LostAnswerError, UnreachableError
    from study_server.recruit.panel_study import look

    shown: list[str] = []
    with _at_panel(name, database, token_file) as (opened, panel, study):
        done = 0
        while looks is None or done < looks:
            if done:
                time.sleep(every)
            done += 1
            try:
                lines = look(opened, panel, study).lines()
            except (LostAnswerError, UnreachableError) as error:
                lines = [str(error)]
            if lines != shown:
                click.echo("\n".join(lines))
            shown = lines


@recruit.command()
@_common
@yes_option
@click.option(
    "--pay-again",
    multiple=True,
    metavar="RATER",
    help="Send a bonus again whose answer was lost and that Prolific does not show.",
)
def decide(
    name: str, database: str, token_file: Path | None, yes: bool, pay_again: tuple[str, ...]
) -> None:
    """Show what is owed to whom, and with --yes approve, pay and ask to return.

    Exactly what reconciliation suggests is sent; what it says to look at is left to you, and
    nobody is ever rejected from here. Each rater is paid once, however often this is run.

    \b
    Example: python manage.py study recruit decide my-study --yes
    """
    from study_server.errors import PanelError
    from study_server.recruit import decide as deciding

    with _at_panel(name, database, token_file) as (opened, panel, study):
        desk = deciding.Desk(opened, panel, study, secret_of(opened))
        if pay_again:
            problems = _paid_again(desk, pay_again, yes)
        else:
            found = deciding.decisions(desk)
            _show(found)
            problems = deciding.send(desk, found) if yes else []
        for line in problems:
            click.echo(line, err=True)
        if problems:
            raise PanelError(f"{len(problems)} did not go through: run this again")


def _paid_again(desk: Desk, raters: tuple[str, ...], yes: bool) -> list[str]:
    from study_server.recruit import decide as deciding

    if yes:
        return deciding.pay_again(desk, raters)
    click.echo(f"a bonus would be sent again to {', '.join(raters)}: add --yes")
    return []


def _show(found: list[Decision]) -> None:
    from collections import Counter

    for one in found:
        if one.what.action != "nothing":
            who = f"{one.what.rater or '-':6} {one.what.participant:24}"
            money = f" {one.cents / 100:.2f}" if one.cents else ""
            click.echo(f"{one.what.action + money:20} {who} {one.what.reason}")
    counts: Counter[str] = Counter(one.what.action for one in found)
    click.echo(", ".join(f"{n} {name}" for name, n in sorted(counts.items())) or "no submissions")
    if any(one.change for one in found):
        bonuses = sum(one.cents for one in found) / 100
        to_send = sum(one.change is not None for one in found)
        click.echo(f"to send: {to_send}, bonuses of {bonuses:.2f} in all")


@recruit.command()
@click.argument("name")
@database_option
@click.option(
    "--token-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File of mode 0600 with SONA's credit token; without it, FOOLRATE_SONA_TOKEN.",
)
@yes_option
def credit(name: str, database: str, token_file: Path | None, yes: bool) -> None:
    """Give everybody who finished their credit in SONA, once.

    \b
    Example: python manage.py study recruit credit my-study --yes
    """
    from study_server.errors import PanelError
    from study_server.recruit import sona
    from study_server.recruit.panel_study import find

    with opened_database(database) as opened:
        study = find(opened, name)
        codes = sona.owed(opened, secret_of(opened), study)
        click.echo(f"credit is owed to {len(codes)}: {', '.join(codes) or 'nobody'}")
        if not yes or not codes:
            return
        problems = sona.give_credit(opened, study, _sona_token(token_file), codes)
    for line in problems:
        click.echo(line, err=True)
    if problems:
        raise PanelError(f"{len(problems)} of {len(codes)} got no credit: run this again")


def _sona_token(token_file: Path | None) -> Token:
    from study_server.recruit.sona import VARIABLE
    from study_server.recruit.token import load_token

    return load_token(token_file, variable=VARIABLE)
