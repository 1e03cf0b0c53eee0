"""The people and things of the browser tests: a site, its images, and a rater at a browser."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import actors
import numpy as np
from flask import Flask
from PIL import Image
from sqlalchemy import select

from study_server.storage.database import Database
from study_server.storage.models import Judgment, RaterSession, Study
from study_server.studies.states import set_state
from study_server.web.results.numbers import Kept

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, ConsoleMessage, Page

DESKTOP = {"viewport": {"width": 1280, "height": 800}}
PHONE = {
    "viewport": {"width": 390, "height": 844},
    "device_scale_factor": 3,
    "has_touch": True,
    "is_mobile": True,
}
SIDE = 96
STUDY = """
[study]
id = "leaves"
title = "Leaves and stones"
tasks = ["{task}"]
contact = "lab@example.org"
minutes = 5

[images]
reference = "{folder}/real"
inputs = "{folder}/small"

[conditions]
blurred = "{folder}/blurred"

[design]
raters = {raters}
trials = {trials}
exposure_ms = {exposure_ms}
answer_while_shown = {early}
break_every = {break_every}
seed = 1

[practice]
trials = {practice}

[catch]
trials = {catch}

[provider]
{provider}
"""


WCAG = {
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    "resultTypes": ["violations"],
}
SMALL_TARGETS = """() => [...document.querySelectorAll('button, a[href], textarea')]
    .filter(e => e.checkVisibility({visibilityProperty: true}))
    .map(e => [e.outerHTML.slice(0, 80), e.getBoundingClientRect()])
    .filter(([, box]) => box.width < 44 || box.height < 44)
    .map(([html]) => html)"""


def check(page: Page, seen: dict[str, list[str]], name: str) -> None:
    """Note what axe, the targets and a look for sideways scrolling find on the page shown.

    With FOOLRATE_SHOTS=FOLDER, a picture of each page is kept there for a person to look at.
    """
    keep_picture(page, name)
    problems = violations(page)
    problems += [f"small: {target}" for target in page.evaluate(SMALL_TARGETS)]
    if page.evaluate("document.documentElement.scrollWidth") > page.viewport_size["width"]:
        problems.append("scrolls sideways")
    seen[name] = problems


def look_at_entrance(
    rater: Rater, site: Site, seen: dict[str, list[str]], *, language: str, name: str
) -> None:
    """Take a rater to the card before the first trial, each page on the way checked."""
    rater.page.goto(f"{site.entry}?lang={language}")
    check(rater.page, seen, f"{name}-consent")
    rater.page.click("button[value=yes]")
    rater.check_device()
    check(rater.page, seen, f"{name}-instructions")
    rater.read_instructions()


AXE = """options => axe.run(document, options).then(
    found => found.violations.map(rule => `${rule.id}: ${rule.nodes[0].html}`))"""


def violations(page: Page) -> list[str]:
    """Return what axe finds on the page; one that is just giving way to the next is left alone."""
    from axe_playwright_python.base import AXE_SCRIPT
    from playwright.sync_api import Error as PlaywrightError

    for _ in range(4):
        page.wait_for_load_state()
        try:
            if not page.evaluate("'axe' in window"):
                page.evaluate(f"{AXE_SCRIPT};0")
            found: list[str] = page.evaluate(AXE, WCAG)
        except PlaywrightError as error:
            gone = ("documentElement", "destroyed", "axe is not defined")
            if not any(words in error.message for words in gone):
                raise
        else:
            return found
    raise AssertionError(f"{page.url}: no page stayed long enough to be looked at")


def keep_picture(page: Page, name: str) -> None:
    """Write a picture of the page into the folder that FOOLRATE_SHOTS names, if it does."""
    folder = os.environ.get("FOOLRATE_SHOTS")
    if folder:
        language = page.get_attribute("html", "lang")
        width = page.viewport_size["width"]
        Path(folder).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=f"{folder}/{name}-{language}-{width}.png", full_page=True)


@dataclass
class Site:
    """A running study site and its database."""

    url: str
    database: Database
    app: Flask

    @property
    def entry(self) -> str:
        """Return the address that raters are given."""
        return f"{self.url}/s/leaves/"

    def wait_for_judgments(self, count: int) -> list[Judgment]:
        """Return the judgments as soon as there are so many."""
        for _ in range(1200):
            if len(found := self.judgments()) >= count:
                return found
            time.sleep(0.05)
        raise AssertionError(f"{len(found)} judgments after 60 s, expected {count}")

    def judgments(self) -> list[Judgment]:
        """Return the stored judgments, in the order of the trials."""
        with self.database.session() as db_session:
            return list(db_session.scalars(select(Judgment).order_by(Judgment.position)))

    def sessions(self) -> list[RaterSession]:
        """Return the raters' sessions."""
        with self.database.session() as db_session:
            return list(db_session.scalars(select(RaterSession)))

    def forget_results(self) -> None:
        """Let the results page be made anew, as if a minute were over."""
        self.app.extensions["foolrate results"] = Kept()

    def set_state(self, state: str) -> None:
        """Open, pause or close the study."""
        with self.database.session() as db_session:
            set_state(db_session, db_session.scalars(select(Study)).one(), state, "the test")


def draw_images(folder: Path, count: int = 14) -> None:
    """Write a reference run, a blurred one and low-resolution inputs: coloured noise by seed."""
    for name in ("real", "blurred", "small"):
        (folder / name).mkdir()
    for seed in range(count):
        noise = np.random.default_rng(seed).integers(0, 256, (24, 24, 3), dtype=np.uint8)
        real = Image.fromarray(noise).resize((SIDE, SIDE), Image.Resampling.NEAREST)
        small = real.resize((SIDE // 4, SIDE // 4), Image.Resampling.BOX)
        real.save(folder / "real" / f"{seed:02}.png")
        small.save(folder / "small" / f"{seed:02}.png")
        blurred = small.resize((SIDE, SIDE), Image.Resampling.BICUBIC)
        blurred.save(folder / "blurred" / f"{seed:02}.png")


class Rater:
    """A person at a browser."""

    def __init__(self, site: Site, context: BrowserContext) -> None:
        self.site = site
        self.context = context
        self.problems: list[str] = []
        self.page = self.open_tab()

    def open_tab(self) -> Page:
        """Open a tab whose errors and console messages are kept in `problems`."""
        page = self.context.new_page()
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        page.on("console", self._note)
        return page

    def _note(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.problems.append(message.text)

    def consent(self, **parameters: str) -> None:
        """Open the study, agree, and wait for the page that follows."""
        query = "&".join(f"{name}={value}" for name, value in parameters.items())
        self.page.goto(f"{self.site.entry}?{query}")
        with self.page.expect_navigation():
            self.page.click("button[value=yes]")

    def check_device(self) -> None:
        """Wait for the checks, continue, and wait for the page that follows."""
        self.page.click("button[name=go]:enabled")
        self.page.wait_for_url(lambda url: not url.endswith("/device"))

    def read_instructions(self) -> None:
        """Go from the instructions to the trials."""
        self.page.click("main .button")
        self.page.wait_for_url("**/run")

    def walk_in(self) -> None:
        """Go from the link to the trial page."""
        self.consent()
        self.check_device()
        self.read_instructions()

    def arrive(self, *, practised: bool = False) -> None:
        """Open the trial page, as one who has gone from the link to there, in this browser.

        The pages on the way are for the tests that look at them: each takes a browser as long as a
        trial. With `practised`, the first trial is answered, too.
        """
        before = actors.Rater(self.site.app, "leaves")
        language = self.page.evaluate("navigator.language")
        before.client.environ_base["HTTP_ACCEPT_LANGUAGE"] = language
        before.enter()
        if practised:
            before.open()
            before.answer("left")
        kept = before.client.get_cookie("session")
        assert kept is not None
        self.context.add_cookies([{"name": kept.key, "value": kept.value, "url": self.site.url}])
        self.page.goto(f"{self.site.url}/r/{before.token}/run")

    def start(self) -> None:
        """Press the button of the card that is shown."""
        self.page.click("#card-button")

    def go_on_in_a_second_tab(self) -> None:
        """Open the study in another tab, which is `page` from then on; the first says so."""
        first = self.page
        self.page = self.open_tab()
        self.page.goto(first.url)
        self.start()
        first.wait_for_selector("#card-title:has-text('Open elsewhere')")

    def wait_for(self, state: str) -> None:
        """Wait until the trial page is in a state."""
        self.page.wait_for_selector(f"#panels[data-state={state}]")

    def answer(self, key: str = "f") -> None:
        """Wait for the images to go, press a key, and wait until it is taken."""
        self.wait_for("choose")
        self.page.keyboard.press(key)
        self.page.wait_for_selector("#panels[data-state=choose]", state="detached")

    def practise(self, key: str = "f") -> None:
        """Do the first practice trial and read its feedback."""
        self.start()
        self.answer(key)
        self.page.click("#next")

    def reach_main(self) -> None:
        """Be before the first main trial, past one practice trial."""
        self.arrive(practised=True)
        self.start()

    def finish(self) -> str:
        """Leave no comment and return the completion code."""
        self.page.wait_for_url("**/comment")
        self.page.click("main .button")
        return self.page.inner_text("#code").strip()
