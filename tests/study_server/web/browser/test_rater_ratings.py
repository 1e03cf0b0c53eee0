"""A rater says whether an image is real, then rates it: keys, touch, reload, second tab, axe."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from browsers import PHONE, Rater, Site, check, draw_images, look_at_entrance

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
real_side = "left"
raters = 4
trials = {trials}
exposure_ms = {exposure}
seed = 1
[practice]
trials = 1
[catch]
trials = 0
{reason}

[[question]]
id = "quality"
wording = {{ en = "How good is the image?", zh = "图像质量如何？", de = "Wie gut ist das Bild?", ar = "ما جودة الصورة؟" }}
scale = "ordinal"
options = [
  {{ value = "1", text = {{ en = "Very annoying", zh = "非常差", de = "Sehr störend", ar = "مزعجة جدًا" }} }},
  {{ value = "0", text = {{ en = "Annoying", zh = "差", de = "Störend", ar = "مزعجة" }} }},
  {{ value = "fair", text = {{ en = "Slightly annoying", zh = "一般", de = "Etwas störend", ar = "مزعجة قليلًا" }} }},
  {{ value = "good", text = {{ en = "Perceptible", zh = "好", de = "Wahrnehmbar, aber nicht störend", ar = "ملحوظة" }} }},
  {{ value = "bad", text = {{ en = "Imperceptible", zh = "非常好", de = "Nicht wahrnehmbar", ar = "غير ملحوظة" }} }},
]
[[question]]
id = "people"
wording = {{ en = "Does it show people?", zh = "图中有人吗？", de = "Zeigt es Menschen?", ar = "هل فيها أشخاص؟" }}
scale = "nominal"
options = [
  {{ value = "yes", text = {{ en = "Yes", zh = "有", de = "Ja", ar = "نعم" }} }},
  {{ value = "no", text = {{ en = "No", zh = "没有", de = "Nein", ar = "لا" }} }},
]
"""  # noqa: E501
FIRST = "Is this image from a camera, or was it made by a computer?"
ASKED = (FIRST, "How good is the image?", "Does it show people?")
REASON = '[reason]\nask = "optional"'
LAPTOP = {"viewport": {"width": 1366, "height": 640}}
DESKTOP = {"viewport": {"width": 1280, "height": 900}}


@pytest.fixture
def make_rated(
    folder_of: Callable[..., Path], serve_study: Callable[..., Site]
) -> Callable[..., Site]:
    """Return a function that serves the study until the test is over."""

    def make(trials: int, exposure: int = 0, images: str = "", reason: str = "") -> Site:
        folder = folder_of(draw_images)
        fields = {"trials": trials, "exposure": exposure, "images": images, "reason": reason}
        return serve_study(STUDY.format(folder=folder, **fields))

    return make


def asks(rater: Rater, words: str) -> None:
    """Wait until a question is asked and its answers are taken."""
    rater.page.wait_for_function(
        "words => document.querySelector('h1')?.textContent === words", arg=words
    )
    rater.page.wait_for_selector("#real[aria-disabled=false]", state="attached")


def answer(rater: Rater, *keys: str) -> None:
    """Answer the questions of a trial by keys, from the first."""
    for words, key in zip(ASKED, keys, strict=False):
        asks(rater, words)
        rater.page.keyboard.press(key)


def stored(site: Site) -> list[list[str]]:
    """Return what was said in each trial, by question."""
    names = ("real", "quality", "people")
    given = [json.loads(judgment.answers) for judgment in site.judgments()]
    return [[each[name]["choice"] for name in names] for each in given]


def test_ratings_by_keyboard_with_reload_second_tab_and_offline(
    make_rated: Callable[..., Site], make_rater: Callable[..., Rater]
) -> None:
    site = make_rated(trials=4)
    rater = make_rater(site)
    rater.arrive()
    rater.start()
    asks(rater, FIRST)
    rater.page.keyboard.press("1")  # no answer to which is real
    rater.page.keyboard.press("f")
    asks(rater, ASKED[1])
    for key in ("f", "ArrowLeft", "6", "n"):  # no steps of this scale
        rater.page.keyboard.press(key)
    rater.page.keyboard.press("5")
    asks(rater, ASKED[2])
    assert site.judgments() == []  # nothing before the last answer
    rater.page.keyboard.press("Numpad2")
    [practised] = site.wait_for_judgments(1)
    assert stored(site) == [["real", "bad", "no"]]
    assert practised.choice == "left"
    rater.page.wait_for_selector("#next:visible")
    rater.page.click("#next")
    rater.start()
    answer(rater, "j", "1")
    asks(rater, ASKED[2])
    rater.page.reload()  # half answered: asked from the first question again
    rater.start()
    rater.context.set_offline(True)
    answer(rater, "f", "2", "1")
    rater.context.set_offline(False)
    site.wait_for_judgments(2)
    answer(rater, "j", "3")
    asks(rater, ASKED[2])
    rater.go_on_in_a_second_tab()
    for count in (3, 4, 5):
        answer(rater, "j", "4", "2")
        if count < 5:
            site.wait_for_judgments(count)
    assert rater.finish()
    assert stored(site)[1:] == [["real", "0", "yes"]] + 3 * [["made", "good", "no"]]
    times = [json.loads(judgment.answers)["quality"]["rt_ms"] for judgment in site.judgments()]
    assert all(0 < each < 60_000 for each in times)


@pytest.mark.parametrize(
    ("screen", "language", "images"),
    [
        (DESKTOP, "en", ""),
        (LAPTOP, "de", 'view = "zoom"'),
        (PHONE, "zh", ""),
        (PHONE, "ar", 'view = "zoom"'),
    ],
)
def test_the_pages_are_sound_on_every_screen(
    make_rated: Callable[..., Site],
    make_rater: Callable[..., Rater],
    screen: dict[str, object],
    language: str,
    images: str,
) -> None:
    site = make_rated(trials=2, images=images, reason=REASON)
    rater = make_rater(site, **screen)
    seen: dict[str, list[str]] = {}
    name = f"rated-{images[8:12] or 'whole'}"
    press = rater.page.tap if screen is PHONE else rater.page.click
    look_at_entrance(rater, site, seen, language=language, name=name)
    rater.start()
    for number in range(3):
        places = []
        for which, button in enumerate(("#real", "[value=bad]", "[value=no]")):
            rater.page.wait_for_selector("#real[aria-disabled=false]", state="attached")
            rater.page.wait_for_selector(f"{button}:visible")
            box = rater.page.locator("#only canvas").bounding_box()
            places.append([box[name] for name in ("x", "width", "height")])
            if number == 0:
                check(rater.page, seen, f"{name}-{which}")
            press(button)
            if which < 2:
                rater.page.wait_for_selector(f"{button}:visible", state="detached")
        assert places == 3 * [places[0]]  # the image stays as large as it is
        rater.page.wait_for_selector("#reason:visible")
        if number == 0:
            check(rater.page, seen, f"{name}-reason")
        press("#reason button")
        if number == 0:
            press("#next")
            rater.start()
    assert rater.finish()
    assert stored(site) == 3 * [["real", "bad", "no"]]
    assert seen == {each: [] for each in seen}
    assert rater.problems == []
