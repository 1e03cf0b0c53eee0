"""A rater is asked which is real, then more: keys, touch, reload, second tab, offline, axe."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from browsers import PHONE, Rater, Site, check, draw_images, look_at_entrance
from small_study import FURTHER

pytestmark = pytest.mark.browser

STUDY = """
[study]
id = "leaves"
title = "Leaves and stones"
contact = "lab@example.org"
[images]
reference = "{folder}/real"
[conditions]
blurred = "{folder}/blurred"
[design]
raters = 4
trials = {trials}
exposure_ms = {exposure}
seed = 1
[practice]
trials = 1
[catch]
trials = 0
"""
FIRST = {"en": "Which image would you guess is from a camera?", "zh": "您猜哪张图片是相机拍摄的？"}


@pytest.fixture
def make_further(
    folder_of: Callable[..., Path], serve_study: Callable[..., Site]
) -> Callable[..., Site]:
    """Return a function that serves the study until the test is over."""

    def make(trials: int, exposure: int = 0) -> Site:
        folder = folder_of(draw_images)
        text = STUDY + FURTHER
        return serve_study(text.format(folder=folder, trials=trials, exposure=exposure))

    return make


def asks(rater: Rater, words: str) -> None:
    """Wait until a question is asked and its answers are taken."""
    rater.page.wait_for_function(
        "words => document.querySelector('h1')?.textContent === words", arg=words
    )
    rater.page.wait_for_selector("#left[aria-disabled=false]")


def answer(rater: Rater, *keys: str) -> None:
    """Answer all questions of a trial by keys."""
    questions = (FIRST["en"], "Which one is sharper?", "Which one is nicer?")
    for words, key in zip(questions, keys, strict=False):
        asks(rater, words)
        rater.page.keyboard.press(key)


def test_three_questions_by_keyboard_with_reload_second_tab_and_offline(
    make_further: Callable[..., Site], make_rater: Callable[..., Rater]
) -> None:
    site = make_further(trials=3)
    rater = make_rater(site)
    rater.arrive()
    rater.start()
    asks(rater, FIRST["en"])
    rater.page.keyboard.press("n")  # no answer to which is real
    answer(rater, "f", "n", "b")
    [practised] = site.wait_for_judgments(1)
    stored = {name: one["choice"] for name, one in json.loads(practised.answers).items()}
    assert (practised.choice, stored) == (
        "left", {"real": "left", "sharper": "tie", "nicer": "bad"},
    )  # fmt: skip
    rater.page.wait_for_selector("#next:visible")
    verdict = rater.page.inner_text("#verdict")
    assert ("Right." in verdict) == (practised.fooled == 0)
    rater.page.click("#next")
    rater.start()
    answer(rater, "f", "n")
    asks(rater, "Which one is nicer?")
    rater.page.reload()  # half answered: asked from the first question again
    rater.start()
    rater.context.set_offline(True)
    answer(rater, "j", "ArrowLeft", "j")
    rater.context.set_offline(False)
    site.wait_for_judgments(2)
    answer(rater, "j", "n")  # half answered in the first tab: asked from the first question again
    asks(rater, "Which one is nicer?")
    rater.go_on_in_a_second_tab()
    answer(rater, "f", "f", "f")
    site.wait_for_judgments(3)
    answer(rater, "f", "f", "f")
    assert rater.finish()
    judgments = site.judgments()
    assert [judgment.choice for judgment in judgments] == ["left", "right", "left", "left"]
    said = [json.loads(each.answers)["nicer"]["choice"] for each in judgments]
    assert said == ["bad", "right", "left", "left"]


@pytest.mark.parametrize(
    ("screen", "language"), [({"viewport": {"width": 1366, "height": 640}}, "en"), (PHONE, "zh")]
)
def test_the_pages_are_sound(
    make_further: Callable[..., Site],
    make_rater: Callable[..., Rater],
    screen: dict[str, object],
    language: str,
) -> None:
    site = make_further(trials=1, exposure=1500)
    rater = make_rater(site, **screen)
    seen: dict[str, list[str]] = {}
    press = rater.page.tap if screen is PHONE else rater.page.click
    look_at_entrance(rater, site, seen, language=language, name="further")
    rater.start()
    for number in range(2):
        for which, button in enumerate(("#left", "#tie", "#bad")):
            rater.page.wait_for_selector("#left[aria-disabled=false]")
            rater.page.wait_for_selector(f"{button}:visible")
            assert rater.page.is_visible("#tie") == (which > 0)
            assert rater.page.is_visible("#bad") == (which > 1)
            if number == 0:
                check(rater.page, seen, f"further-{which}")
            press(button)
            if which < 2:
                rater.page.wait_for_selector(".chosen", state="detached")
        if number == 0:
            press("#next")
            rater.start()
    assert rater.finish()
    assert seen == {name: [] for name in seen}
    assert rater.problems == []
