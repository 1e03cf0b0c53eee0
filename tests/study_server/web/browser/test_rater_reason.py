"""A rater says why: keyboard, touch, reload, offline, a held key, an input method, axe."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from browsers import PHONE, Rater, Site, check, draw_images, keep_picture, look_at_entrance
from sqlalchemy import select

from study_server.storage.asked_models import JudgmentReason

pytestmark = pytest.mark.browser

STUDY = """
[study]
id = "leaves"
title = "Leaves and stones"
contact = "lab@example.org"
languages = {languages}
[images]
reference = "{folder}/real"
view = "{view}"
[conditions]
exact = "{folder}/real"
blurred = "{folder}/blurred"
[design]
trial = "{trial}"
kind = "within-raters"
raters = 4
trials = {trials}
exposure_ms = {exposure}
seed = 1
[practice]
trials = 1
[catch]
trials = 0
[reason]
ask = "{ask}"
most = 80
"""
TASK_TEXT = "#reason-text"


@pytest.fixture
def make_reasons(
    folder_of: Callable[..., Path], serve_study: Callable[..., Site]
) -> Callable[..., Site]:
    """Return a function that serves the study until the test is over."""

    def make(
        ask: str = "required",
        trial: str = "real-or-model",
        exposure: int = 150,
        languages: str = '["en", "zh", "ar"]',
        view: str = "whole",
        *,
        trials: int = 2,
    ) -> Site:
        values = {"ask": ask, "trial": trial, "exposure": exposure, "languages": languages}
        values["trials"] = trials
        return serve_study(STUDY.format(folder=folder_of(draw_images), view=view, **values))

    return make


def reasons(site: Site) -> list[JudgmentReason]:
    """Return the stored reasons in order."""
    with site.database.session() as db_session:
        return list(db_session.scalars(select(JudgmentReason).order_by(JudgmentReason.position)))


def asked(rater: Rater) -> None:
    """Wait until a reason is asked, and see that the images are gone and the writing can begin."""
    rater.wait_for("reason")
    rater.page.wait_for_function("document.activeElement.id === 'reason-text'")
    assert not rater.page.is_visible("#left")


def test_a_reason_by_keyboard_with_reload_offline_and_a_held_key(
    make_reasons: Callable[..., Site], make_rater: Callable[..., Rater]
) -> None:
    site = make_reasons()
    rater = make_rater(site)
    rater.arrive()
    rater.start()
    rater.wait_for("choose")
    rater.page.keyboard.down("j")
    asked(rater)
    rater.page.keyboard.down("j")  # held on: a repeat, and no letter of the reason
    rater.page.keyboard.up("j")
    assert rater.page.inner_text("#reason-said") == "Your answer: Right"
    rater.page.keyboard.press("Enter")  # of nothing
    assert rater.page.inner_text("#reason-wrong") == "Please write a few words."
    rater.page.keyboard.type("just")
    assert not rater.page.is_visible("#reason-wrong")
    rater.page.keyboard.press("Shift+Enter")
    rater.page.keyboard.type("sharper")
    rater.page.wait_for_timeout(700)
    rater.page.keyboard.press("Enter")
    rater.page.click("#next")  # the feedback of practice
    [practised] = site.wait_for_judgments(1)
    [kept] = reasons(site)
    assert kept.words == "just\nsharper"
    assert (kept.taken_ms or 0) > 700
    assert practised.choice == "right"
    rater.start()
    rater.answer("f")
    asked(rater)
    rater.page.keyboard.type("The <b>leaves</b>")
    rater.page.reload()  # the choice stands, and so does what was written
    rater.start()
    asked(rater)
    assert rater.page.input_value(TASK_TEXT) == "The <b>leaves</b>"
    assert rater.page.inner_text("#reason-said") == "Your answer: Left"
    rater.context.set_offline(True)
    rater.page.keyboard.press("Enter")
    rater.answer("j")
    asked(rater)
    rater.page.keyboard.type("x" * 100)
    assert rater.page.inner_text("#reason-count") == "Characters left: 0"
    rater.page.keyboard.press("Enter")
    rater.page.wait_for_selector("#banner:visible")
    assert len(site.judgments()) == 1
    rater.context.set_offline(False)
    assert rater.finish()
    assert [each.words for each in reasons(site)][1:] == ["The <b>leaves</b>", "x" * 80]
    assert [each.choice for each in site.judgments()] == ["right", "left", "right"]
    assert site.judgments()[1].views == 1  # nobody looked again
    assert (
        rater.page.evaluate("Object.keys(localStorage).filter(k => /draft|outbox/.test(k))") == []
    )


def test_an_enter_that_ends_a_composed_character_does_not_send(
    make_reasons: Callable[..., Site], make_rater: Callable[..., Rater]
) -> None:
    site = make_reasons()
    rater = make_rater(site)
    rater.arrive()
    rater.start()
    rater.answer()
    asked(rater)
    rater.page.evaluate(
        """() => document.getElementById('reason-text').dispatchEvent(
            new KeyboardEvent('keydown', {key: 'Enter', isComposing: true, bubbles: true}))"""
    )
    assert not rater.page.is_visible("#reason-wrong")
    rater.page.keyboard.insert_text("更清晰")
    rater.page.keyboard.press("Enter")
    rater.page.click("#next")
    assert [each.words for each in reasons(site)] == ["更清晰"]


def test_another_tab_takes_over_while_a_reason_is_written(
    make_reasons: Callable[..., Site], make_rater: Callable[..., Rater]
) -> None:
    site = make_reasons("optional")
    rater = make_rater(site)
    rater.arrive()
    rater.start()
    rater.answer("f")
    asked(rater)
    rater.page.keyboard.type("half a")
    first, rater.page = rater.page, rater.open_tab()
    rater.page.goto(first.url)
    first.wait_for_selector("#card-title:visible")
    assert not first.is_visible("#reason")
    rater.start()
    asked(rater)
    assert rater.page.input_value(TASK_TEXT) == "half a"
    rater.page.keyboard.press("Control+A")
    rater.page.keyboard.press("Delete")
    rater.page.keyboard.press("Enter")  # it may be left empty
    rater.page.click("#next")
    [judgment] = site.wait_for_judgments(1)
    assert (judgment.choice, judgment.reason) == ("left", None)
    assert reasons(site) == []


def test_zoom_keys_write_in_a_reason(
    make_reasons: Callable[..., Site], make_rater: Callable[..., Rater]
) -> None:
    site = make_reasons(view="zoom", exposure=0, trial="preference")
    rater = make_rater(site)
    rater.arrive()
    rater.start()
    rater.page.wait_for_selector("#left[aria-disabled=false]")
    rater.page.keyboard.press("f")
    asked(rater)
    rater.page.keyboard.type("s+0-")
    rater.page.keyboard.press("ArrowLeft")
    rater.page.keyboard.type("1")
    assert rater.page.input_value(TASK_TEXT) == "s+01-"
    rater.page.keyboard.press("Enter")
    site.wait_for_judgments(1)
    assert [each.words for each in reasons(site)] == ["s+01-"]


@pytest.mark.parametrize(
    ("screen", "language", "trial"),
    [
        ({}, "ar", "real-or-model"),
        (PHONE, "en", "preference"),
        (PHONE, "zh", "real-or-model"),
    ],
)
def test_the_pages_are_sound_on_every_screen(
    make_reasons: Callable[..., Site],
    make_rater: Callable[..., Rater],
    screen: dict[str, object],
    language: str,
    trial: str,
) -> None:
    site = make_reasons("required" if language == "en" else "optional", trial, 0, trials=1)
    rater = make_rater(site, **screen)
    seen: dict[Any, Any] = {}
    press = rater.page.tap if screen is PHONE else rater.page.click
    look_at_entrance(rater, site, seen, language=language, name="reason")
    rater.start()
    for number in range(2):
        rater.page.wait_for_selector("#left[aria-disabled=false]")
        press("#left")
        asked(rater)
        box = rater.page.locator(TASK_TEXT).bounding_box()
        assert box is not None
        assert box["y"] + box["height"] < 844 * 0.55  # a telephone's keyboard takes the rest
        if number == 1:
            check(rater.page, seen, "reason-asked")
            if language == "en":
                press("#reason button")
                check(rater.page, seen, "reason-missing")
        rater.page.keyboard.insert_text("Sharper hair, 头发更清晰, شعر أوضح")
        if number == 1:
            keep_picture(rater.page, "reason-written")
        press("#reason button")
        if number == 0:
            if trial == "real-or-model":
                rater.page.click("#next")
            rater.start()
    assert rater.finish()
    assert seen == {name: [] for name in seen}
    assert rater.problems == []
    assert len(reasons(site)) == 2
