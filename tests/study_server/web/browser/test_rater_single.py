"""A rater looks at single images: keys, touch, feedback, reload, second tab, offline, axe."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from browsers import PHONE, Rater, Site, check, draw_images, look_at_entrance
from sqlalchemy import select

from study_server.storage.models import Condition, Judgment, Trial

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser

STUDY = """
[study]
id = "leaves"
title = "Leaves and stones"
contact = "lab@example.org"
languages = ["en", "zh", "de", "ar"]
[images]
reference = "{folder}/real"
{images}
[conditions]
blurred = "{folder}/blurred"
[design]
trial = "single"
real_side = "{side}"
raters = 4
trials = {trials}
exposure_ms = {exposure}
seed = 1
[practice]
trials = 2
[catch]
trials = 1
"""
LAPTOP = {"viewport": {"width": 1366, "height": 640}}
FEEDBACK = {
    "real": "This image is from a camera.",
    "made": "This image was made by a computer.",
}


@pytest.fixture
def make_single(
    folder_of: Callable[..., Path], serve_study: Callable[..., Site]
) -> Callable[..., Site]:
    """Return a function that serves the study until the test is over."""

    def make(side: str = "left", exposure: int = 0, images: str = "", trials: int = 4) -> Site:
        return serve_study(
            STUDY.format(
                folder=folder_of(draw_images),
                side=side,
                exposure=exposure,
                images=images,
                trials=trials,
            )
        )

    return make


def truths(site: Site) -> list[str]:
    """Return what each trial of the first rater's block shows."""
    query = (
        select(Condition.name)
        .join(Trial, Trial.condition_id == Condition.id)
        .where(Trial.block_id == site.sessions()[0].block_id)
        .order_by(Trial.position)
    )
    with site.database.session() as db_session:
        return ["real" if name == "real" else "made" for name in db_session.scalars(query)]


def ready(page: Page) -> None:
    """Wait until an image is there and its answers are taken."""
    page.wait_for_selector("#panels[data-state=shown]")
    page.wait_for_selector("body:not(:has(.chosen)) #real[aria-disabled=false]")


def said(judgment: Judgment, truth: str) -> str:
    """Return what a stored answer said of the image."""
    return truth if judgment.fooled == 0 else {"real": "made", "made": "real"}[truth]


def test_by_keyboard_with_feedback_reload_second_tab_and_offline(
    make_single: Callable[..., Site], make_rater: Callable[..., Rater]
) -> None:
    """The answer "made" stands on the left: F and the left arrow say so."""
    from playwright.sync_api import expect

    site = make_single(side="right")
    rater = make_rater(site)
    rater.arrive()
    rater.start()
    left, right = (rater.page.locator(f"#{name}").bounding_box() for name in ("made", "real"))
    assert left["x"] < right["x"]
    keys = [("f", "made"), ("j", "real")]
    for key, answer in keys:
        ready(rater.page)
        rater.page.keyboard.press("n")  # no answer here
        rater.page.keyboard.press(key)
        truth = truths(site)[len(site.wait_for_judgments(keys.index((key, answer)) + 1)) - 1]
        verdict = rater.page.locator("#verdict")
        expect(verdict).to_contain_text("Right." if truth == answer else "Not this time.")
        expect(verdict).to_contain_text(FEEDBACK[truth])
        rater.page.click("#next")
    rater.start()
    ready(rater.page)
    rater.page.reload()
    rater.start()
    ready(rater.page)
    rater.page.keyboard.press("ArrowLeft")
    site.wait_for_judgments(3)
    rater.go_on_in_a_second_tab()
    second = rater.page
    ready(second)
    rater.context.set_offline(True)
    second.keyboard.press("ArrowRight")
    ready(second)
    second.keyboard.press("f")
    ready(second)
    rater.context.set_offline(False)
    site.wait_for_judgments(5)
    for key in "jf":
        ready(second)
        second.keyboard.press(key)
    second.wait_for_url("**/comment")
    judgments = site.judgments()
    given = [said(each, truth) for each, truth in zip(judgments, truths(site), strict=True)]
    assert given == ["made", "real", "made", "real", "made", "real", "made"]
    assert [each.choice for each in judgments] == [
        {"made": "left", "real": "right"}[answer] for answer in given
    ]
    assert judgments[2].views == 2
    assert {each.input for each in judgments} == {"keyboard"}


@pytest.mark.parametrize(
    ("screen", "language", "images"),
    [
        (PHONE, "ar", ""),
        (PHONE, "zh", 'view = "zoom"'),
        (LAPTOP, "de", 'view = "crop"\nwindow = [48, 64]'),
    ],
)
def test_the_pages_are_sound_on_every_screen(
    make_single: Callable[..., Site],
    make_rater: Callable[..., Rater],
    screen: dict[str, object],
    language: str,
    images: str,
) -> None:
    site = make_single(images=images, trials=2)
    rater = make_rater(site, **screen)
    seen: dict[Any, Any] = {}
    name = f"single-{images[8:12] or 'whole'}"
    touch = screen is PHONE
    press = rater.page.tap if touch else rater.page.click
    look_at_entrance(rater, site, seen, language=language, name=name)
    check(rater.page, seen, f"{name}-card")
    rater.start()
    for number in range(5):
        ready(rater.page)
        left, right = (rater.page.locator(f"#{each}").bounding_box() for each in ("real", "made"))
        assert left["x"] < right["x"]  # in every script
        if number == 0:
            check(rater.page, seen, f"{name}-trial")
        press("#real" if number % 2 else "#made")
        if number < 2:
            rater.page.wait_for_selector("#next:visible")
            if number == 0:
                check(rater.page, seen, f"{name}-feedback")
            rater.page.click("#next")
        if number == 1:
            rater.start()
    assert rater.finish()
    check(rater.page, seen, f"{name}-debrief")
    assert seen == {each: [] for each in seen}
    assert rater.problems == []
    judgments = site.judgments()
    assert {judgment.input for judgment in judgments} == {"touch" if touch else "mouse"}
    assert [each.choice for each in judgments] == ["right", "left"] * 2 + ["right"]


def test_an_image_is_taken_away_after_its_time(
    make_single: Callable[..., Site], make_rater: Callable[..., Rater]
) -> None:
    site = make_single(exposure=150)
    rater = make_rater(site)
    rater.arrive()
    rater.start()
    rater.answer("f")
    [judgment] = site.wait_for_judgments(1)
    assert judgment.exposure_ms == pytest.approx(150, abs=60)
    assert judgment.rt_ms > judgment.exposure_ms
