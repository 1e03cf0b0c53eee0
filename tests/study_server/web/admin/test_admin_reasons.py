"""A researcher reads what raters wrote, by model and choice, beside the images, and nobody else."""

from __future__ import annotations

import io
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from actors import Rater
from flask import Flask
from PIL import Image
from preference_study import make_preference
from researchers import PASSWORD, cheap_hashing, logged_in
from served import in_threads
from small_study import MakeStudy, app_on

from study_server.storage.database import Database
from study_server.web.admin.accounts import set_password

if TYPE_CHECKING:
    from playwright.sync_api import Browser

__all__ = ["cheap_hashing"]  # a fixture that every test here uses
PAGE = "/admin/studies/1/reasons"
ASKED = ("[practice]", '[reason]\nask = "required"\n[practice]')
NASTY = "<script>alert(1)</script> \u202egnp.exe"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


def answer_all(rater: Rater) -> None:
    """Answer every trial, each reason naming its side; the first of practice is nasty."""
    while rater.state["trials"]:
        trial = rater.state["trials"][0]
        side = ("left", "right")[trial["position"] % 2]
        text = NASTY if trial["position"] == 0 else f"The {side} one."
        why: dict[str, Any] = {"reason": {"text": text, "ms": 4000}} if trial["reason"] else {}
        rater.answer(side, **why)


def entries(page: str) -> list[str]:
    """Return the page's entries as HTML."""
    return re.findall(r"<article.*?</article>", page, flags=re.DOTALL)


def test_reasons_by_model_and_choice(database: Database, make_study: MakeStudy) -> None:
    make_study(database, ASKED)
    app = app_on(database)
    rater = Rater(app).begin()
    answer_all(rater)
    researcher = logged_in(app)
    assert 'href="/admin/studies/1/reasons"' in researcher.client.get("/admin/studies/1/").text
    whole = researcher.client.get(PAGE).text
    assert len(entries(whole)) == 6
    assert NASTY not in whole
    assert "&lt;script&gt;" in whole
    truth = rater.truth()
    told = {1: "main", 0: "practice"}
    assert entries(whole)[-1].count(told[0]) == 1
    picked = entries(researcher.client.get(f"{PAGE}?picked=1").text)
    asked = [trial for trial in truth if trial.reason]
    sides = ("left", "right")
    fooled = [trial for trial in asked if trial.model_side == sides[trial.position % 2]]
    assert len(picked) == len(fooled)
    for entry in picked:
        assert "real photo <b>" not in entry
        assert entry.count("✓ picked") == 1
    condition = asked[-1].condition_id
    of_one = entries(researcher.client.get(f"{PAGE}?model={condition}&picked=0").text)
    assert len(of_one) == sum(
        trial.condition_id == condition for trial in asked if trial not in fooled
    )
    for junk in ("model=x&page=-3", "page=99", f"model={2**70}", f"page={2**70}", "picked=2"):
        assert researcher.client.get(f"{PAGE}?{junk}").status_code == 200, junk


@pytest.mark.slow
def test_an_image_is_small_and_of_this_study(sqlite: Database, make_study: MakeStudy) -> None:
    make_study(sqlite, ASKED, ("[images]", '[images]\nview = "zoom"\nshow_at = [400, 200]'))
    app = app_on(sqlite)
    trial = Rater(app).begin().truth()[0]
    researcher = logged_in(app)
    sent = researcher.client.get(f"/admin/studies/1/images/{trial.left_id}.png")
    with Image.open(io.BytesIO(sent.data)) as image:
        assert image.size == (320, 160)  # without the reductions that lie below it
    for path in (f"1/images/{10**9}", f"2/images/{trial.left_id}", f"1/images/{10**30}"):
        assert researcher.client.get(f"/admin/studies/{path}.png").status_code == 404
    for path in (PAGE, f"/admin/studies/1/images/{trial.left_id}.png"):
        stranger = app.test_client().get(path)
        assert (stranger.status_code, stranger.mimetype) == (303, "text/html")


@pytest.mark.slow
def test_a_preference_names_both_models_and_every_answer(sqlite: Database, images: Path) -> None:
    make_preference(sqlite, images, ASKED)
    app = app_on(sqlite)
    answer_all(Rater(app).begin())
    researcher = logged_in(app)
    every = entries(researcher.client.get(PAGE).text)
    assert all(len(re.findall("<figcaption>", entry)) == 2 for entry in every)
    blurred = entries(researcher.client.get(f"{PAGE}?model=1").text)
    assert 0 < len(blurred) < len(every)
    assert all("blurred" in entry for entry in blurred)
    won = entries(researcher.client.get(f"{PAGE}?model=1&picked=1").text)
    assert all("blurred <b>✓ picked" in entry for entry in won)
    lost = entries(researcher.client.get(f"{PAGE}?model=1&picked=0").text)
    assert len(won) + len(lost) == len(blurred)


@pytest.fixture
def served(sqlite: Database, images: Path) -> Any:
    """Yield the address of a site with some reasons."""
    make_preference(sqlite, images, ASKED, ("trials = 6", "trials = 5"))
    set_password(sqlite, "admin", PASSWORD)
    app: Flask = app_on(sqlite)
    for _ in range(3):
        answer_all(Rater(app).begin())
    with in_threads(app) as address:
        yield address


@pytest.mark.browser
def test_the_page_is_clean_for_axe_and_fits(browser: Browser, served: str) -> None:
    from axe_playwright_python.sync_playwright import Axe

    for width, scheme in ((1280, "light"), (390, "dark")):
        options: dict[str, Any] = {"viewport": {"width": width, "height": 844}}
        options["color_scheme"] = scheme
        page = browser.new_page(**options)
        page.goto(f"{served}/admin/")
        page.fill("input[type=password]", PASSWORD)
        page.keyboard.press("Enter")
        page.wait_for_url("**/studies/1/")
        page.get_by_role("link", name="Reasons").click()
        page.wait_for_selector("article img")
        if folder := os.environ.get("FOOLRATE_SHOTS"):
            page.screenshot(path=f"{folder}/admin-reasons-{width}.png", full_page=True)
        rules = {"runOnly": {"type": "tag", "values": RULES}}
        assert Axe().run(page, options=rules).response["violations"] == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        page.get_by_role("link", name="Older").click()
        page.wait_for_selector("text=page 2 of 2")
        page.close()
