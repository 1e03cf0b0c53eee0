"""What every request needs, made once a worker and kept in ``app.extensions["foolrate"]``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from flask import current_app

from study_server.sessions.answering.stimulus_store import StimulusStore
from study_server.sessions.answering.tokens import Tokens
from study_server.sessions.answering.trials import TrialBook
from study_server.storage.database import Database
from study_server.storage.upkeep.probe import WriteProbe
from study_server.web.settings import Settings

LiveInterval = Callable[[Sequence[float]], tuple[float, float]]


@dataclass(frozen=True)
class Site:
    """The parts of one running application."""

    settings: Settings
    database: Database
    tokens: Tokens
    stimuli: StimulusStore
    book: TrialBook
    write_probe: WriteProbe
    live_interval: LiveInterval | None = None  # rater means -> an interval that may be looked at


def make_site(
    settings: Settings,
    database: Database,
    live_interval: LiveInterval | None,
) -> Site:
    """Return the parts of an application on an open database."""
    tokens = Tokens(settings.secret)
    store = StimulusStore(database, settings.cache_bytes)
    book = TrialBook(database, tokens)
    probe = WriteProbe(database)
    return Site(settings, database, tokens, store, book, probe, live_interval)


def this_site() -> Site:
    """Return the parts of the application that is answering this request."""
    site: Site = current_app.extensions["foolrate"]
    return site
