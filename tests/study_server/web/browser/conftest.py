"""A real site on a free port, a real Chromium, and a rater who reads like a person."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from browsers import DESKTOP, STUDY, Rater, Site, draw_images
from served import in_threads
from small_study import COMPILED, create_once

from study_server.storage.schema import open_database
from study_server.web.app import create_app
from study_server.web.context import LiveInterval
from study_server.web.settings import Settings

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext


Draw = Callable[[Path], None]


@pytest.fixture(scope="session")
def folder_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Draw], Path]:
    """Return a function that gives the folder with the images that a function draws, each once."""

    @cache
    def drawn(draw: Draw) -> Path:
        folder = tmp_path_factory.mktemp("drawn")
        draw(folder)
        return folder

    return drawn


@pytest.fixture
def serve_study(tmp_path: Path, empty_sqlite: Path) -> Iterator[Callable[..., Site]]:
    """Return a function that serves a study file's text until the test is over."""
    with ExitStack() as until_the_end:

        def serve(text: str, live_interval: LiveInterval | None = None) -> Site:
            shutil.copy(empty_sqlite, tmp_path / "study.sqlite3")
            settings = Settings(f"sqlite:///{tmp_path}/study.sqlite3", secret=b"s" * 32)
            database = open_database(settings.database_url)
            until_the_end.callback(database.dispose)
            create_once(database, text)
            app = create_app(settings, database=database, live_interval=live_interval)
            app.jinja_env.bytecode_cache = COMPILED
            site = Site(until_the_end.enter_context(in_threads(app)), database, app)
            site.set_state("open")
            return site

        yield serve


@pytest.fixture
def make_site(
    folder_of: Callable[[Draw], Path], serve_study: Callable[..., Site]
) -> Callable[..., Site]:
    """Return a function that creates a study and serves it until the test is over."""

    def make(
        *,
        task: str = "task2",
        trials: int = 4,
        practice: int = 1,
        catch: int = 1,
        exposure_ms: int = 150,
        early: bool = False,
        break_every: int = 0,
        raters: int = 4,
        provider: str = "",
        languages: str = "",
        images: Draw = draw_images,
        live_interval: LiveInterval | None = None,
    ) -> Site:
        text = STUDY.format(
            task=task,
            folder=folder_of(images),
            trials=trials,
            practice=practice,
            catch=catch,
            exposure_ms=exposure_ms,
            early=str(early).lower(),
            break_every=break_every,
            raters=raters,
            provider=provider,
        )
        if languages:
            text = text.replace("minutes = 5", f"minutes = 5\nlanguages = {languages}")
        return serve_study(text, live_interval)

    return make


@pytest.fixture
def new_context(browser: Browser) -> Iterator[Callable[..., BrowserContext]]:
    """Return a function that opens a fresh browser profile."""
    contexts: list[BrowserContext] = []

    def open_one(**options: object) -> BrowserContext:
        context = browser.new_context(**{**DESKTOP, "locale": "en-GB", **options})  # type: ignore[arg-type]
        context.set_default_timeout(60_000)
        contexts.append(context)
        return context

    yield open_one
    for context in contexts:
        context.close()


@pytest.fixture
def make_rater(new_context: Callable[..., BrowserContext]) -> Callable[..., Rater]:
    """Return a function that seats a rater before a fresh browser."""
    return lambda site, **options: Rater(site, new_context(**options))
