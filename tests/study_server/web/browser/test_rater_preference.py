"""A rater compares two models: keyboard and touch, two questions a trial, reload, offline, axe."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from browsers import PHONE, Rater, Site, check, draw_images, keep_picture, look_at_entrance

pytestmark = pytest.mark.browser

STUDY = """
[study]
id = "leaves"
title = "Leaves and stones"
contact = "lab@example.org"
[images]
reference = "{folder}/real"
beside = "{beside}"
inputs = "{folder}/small"
[conditions]
exact = "{folder}/real"
blurred = "{folder}/blurred"
[design]
trial = "preference"
raters = 4
trials = {trials}
exposure_ms = 0
seed = 1
[practice]
trials = 1
[catch]
trials = 0
[[question]]
id = "fidelity"
wording = {{ en = "Which one is closer to the original?", zh = "哪一张更接近原图？" }}
answers = ["left", "right", "tie"]
[[question]]
id = "beauty"
wording = {{ en = "Which one is more beautiful?", zh = "哪一张更美？" }}
answers = ["left", "right", "tie", "bad"]
"""
LAPTOP = {"viewport": {"width": 1366, "height": 640}}


def draw_prompted(folder: Path) -> None:
    """Write the images and a prompt for each."""
    draw_images(folder)
    rows = [f"{n:02},A path of leaves and {n} grey stones in the rain" for n in range(14)]
    (folder / "prompts.csv").write_text("\n".join(["id,prompt", *rows]))


@pytest.fixture
def make_preferences(
    folder_of: Callable[..., Path], serve_study: Callable[..., Site]
) -> Callable[..., Site]:
    """Return a function that serves the study until the test is over."""

    def make(beside: str = "nothing", trials: int = 3) -> Site:
        shown, folder = "nothing" if beside == "prompt" else beside, folder_of(draw_prompted)
        text = STUDY.format(folder=folder, beside=shown, trials=trials)
        if beside == "prompt":
            text = text.replace("[images]", f'[images]\nprompts = "{folder}"')
        return serve_study(text)

    return make


def asks(rater: Rater, words: str) -> None:
    """Wait until a question is asked and its answers are taken."""
    rater.page.wait_for_function(
        "words => document.querySelector('h1')?.textContent === words", arg=words
    )
    rater.page.wait_for_selector("#left[aria-disabled=false]")


def test_two_questions_by_keyboard_with_reload_second_tab_and_offline(
    make_preferences: Callable[..., Site], make_rater: Callable[..., Rater]
) -> None:
    site = make_preferences()
    rater = make_rater(site)
    rater.arrive()
    rater.start()
    asks(rater, "Which one is closer to the original?")
    rater.page.keyboard.press("b")  # no answer to this question
    rater.page.keyboard.press("n")
    asks(rater, "Which one is more beautiful?")
    rater.page.keyboard.press("b")
    [practised] = site.wait_for_judgments(1)
    assert practised.choice is None
    stored = json.loads(practised.answers)
    assert {name: one["choice"] for name, one in stored.items()} == {
        "fidelity": "tie", "beauty": "bad",
    }  # fmt: skip
    assert practised.rt_ms == stored["fidelity"]["rt_ms"] > 0
    rater.start()  # of the main part: practice had no feedback
    asks(rater, "Which one is closer to the original?")
    rater.page.keyboard.press("f")
    asks(rater, "Which one is more beautiful?")
    rater.page.reload()  # half answered: asked from the first question again
    rater.start()
    asks(rater, "Which one is closer to the original?")
    rater.context.set_offline(True)
    rater.page.keyboard.press("j")
    asks(rater, "Which one is more beautiful?")
    rater.page.keyboard.press("ArrowLeft")
    asks(rater, "Which one is closer to the original?")
    rater.context.set_offline(False)
    site.wait_for_judgments(2)
    rater.page.keyboard.press("f")
    asks(rater, "Which one is more beautiful?")
    rater.go_on_in_a_second_tab()  # half answered there, too
    asks(rater, "Which one is closer to the original?")
    rater.page.keyboard.press("j")
    asks(rater, "Which one is more beautiful?")
    rater.page.keyboard.press("j")
    asks(rater, "Which one is closer to the original?")
    rater.page.keyboard.press("f")
    asks(rater, "Which one is more beautiful?")
    rater.page.keyboard.press("n")
    assert rater.finish()
    judgments = site.judgments()
    assert [judgment.choice for judgment in judgments] == [None, "right", "right", "left"]
    said = [json.loads(each.answers)["beauty"]["choice"] for each in judgments]
    assert said == ["bad", "left", "right", "tie"]
    assert [judgment.views for judgment in judgments] == [1, 2, 2, 1]


@pytest.mark.parametrize(
    ("screen", "language", "beside"),
    [
        (LAPTOP, "en", "reference"),
        (PHONE, "zh", "input"),
        (PHONE, "en", "prompt"),
    ],
)
def test_the_pages_are_sound_on_every_screen(
    make_preferences: Callable[..., Site],
    make_rater: Callable[..., Rater],
    screen: dict[str, object],
    language: str,
    beside: str,
) -> None:
    site = make_preferences(beside, trials=1)
    rater = make_rater(site, **screen)
    seen: dict[Any, Any] = {}
    touch = screen is PHONE
    press = rater.page.tap if touch else rater.page.click
    look_at_entrance(rater, site, seen, language=language, name=f"preference-{beside}")
    rater.start()
    for number in range(2):
        rater.page.wait_for_selector("#bad", state="hidden")  # no answer to the first question
        rater.page.wait_for_selector("#left[aria-disabled=false]")
        assert rater.page.is_visible("#tie")
        if beside == "prompt":
            assert "grey stones" in rater.page.inner_text("#prompt")
        if number == 1:
            check(rater.page, seen, f"preference-{beside}-first")
        press("#tie" if number % 2 else "#right")
        rater.page.wait_for_selector("#bad:visible")
        rater.page.wait_for_function("!document.querySelector('.chosen')")
        if number == 1:
            check(rater.page, seen, f"preference-{beside}-second")
        press("#bad" if number % 2 else "#left")
        if number == 0:
            rater.page.wait_for_selector("#card-button:visible")
            keep_picture(rater.page, f"preference-{beside}-card")
            rater.start()
    assert rater.finish()
    assert seen == {name: [] for name in seen}
    assert rater.problems == []
    inputs = {judgment.input for judgment in site.judgments()}
    assert inputs == {"touch" if touch else "mouse"}
