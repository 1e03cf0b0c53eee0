"""What a rater's browser shows: sharp, accessible, bilingual, and silent about the truth."""

from __future__ import annotations

import io
import re
from urllib.parse import urlsplit

import numpy as np
import pytest
from browsers import PHONE, SIDE, check, draw_images
from PIL import Image

pytestmark = [pytest.mark.browser, pytest.mark.integration]


def walk(rater, look):
    """Go through the whole study, calling `look(page, name)` on every page and state."""
    page = rater.page
    page.goto(rater.site.entry)
    look(page, "consent")
    page.click("button[value=yes]")
    page.wait_for_selector("button[name=go]:enabled")
    look(page, "device")
    rater.check_device()
    look(page, "instructions")
    rater.read_instructions()
    page.wait_for_selector("#card-button:visible")
    look(page, "card")
    rater.start()
    for state in ("fixation", "shown", "choose"):
        rater.wait_for(state)
        look(page, state)
    page.keyboard.press("f")
    page.wait_for_selector("#next:visible")
    look(page, "feedback")
    page.click("#next")
    rater.start()
    while "/run" in page.url:
        rater.answer()
        page.wait_for_selector("#panels[data-state=choose], textarea")
    look(page, "comment")
    page.click("main .button")
    page.wait_for_selector("#code")
    look(page, "debrief")
    page.goto(page.url.replace("/end", "/withdraw"))
    look(page, "withdraw")
    page.goto(f"{rater.site.url}/s/nothing/")
    look(page, "message")


def test_every_page_is_accessible(make_site, make_rater):
    site = make_site(trials=1, catch=0, exposure_ms=6000, task="task1")
    rater = make_rater(site, locale="en-GB", **PHONE)
    seen: dict[str, list] = {}
    walk(rater, lambda page, name: check(page, seen, name))
    assert len(seen) == 12
    assert {name: problems for name, problems in seen.items() if problems} == {}


def test_the_whole_study_speaks_chinese_and_is_accessible(make_site, make_rater):
    site = make_site(trials=1, catch=0, exposure_ms=6000, task="task1")
    rater = make_rater(site, locale="zh-CN")
    english: dict[str, set] = {}
    seen: dict[str, list] = {}

    def look(page, name):
        check(page, seen, name)
        assert page.get_attribute("html", "lang") == "zh-Hans"
        words = set(re.findall(r"[A-Za-z]{2,}", page.inner_text("body")))
        english[name] = words - {"Leaves", "and", "stones", "lab", "example", "org", "English"}

    walk(rater, look)
    assert seen == {name: [] for name in english}
    code = english.pop("debrief")
    assert len(code) <= 8  # pieces of the completion code at most
    assert english.pop("device") <= {"Hz"}
    assert english.pop("consent") <= {"IP"}
    # A page without a study offers every language, each under its own name.
    assert english.pop("message") <= {"Deutsch", "Fran", "ais", "Espa", "ol"}
    assert {name: words for name, words in english.items() if words} == {}
    assert rater.site.sessions()[0].language == "zh"


def test_the_language_can_be_changed_and_stays(make_site, make_rater):
    rater = make_rater(make_site())
    rater.page.goto(f"{rater.site.entry}?PROLIFIC_PID=5f")
    rater.page.click("a[lang=zh-Hans]")
    assert "PROLIFIC_PID=5f" in rater.page.url
    rater.page.click("button[value=yes]")
    rater.check_device()
    assert rater.page.inner_text("h1") == "操作说明"


def screen_of(page):
    """Return the screen's device pixels, (H, W, 3)."""
    shot = Image.open(io.BytesIO(page.screenshot(scale="device")))
    return np.asarray(shot.convert("RGB"))


def panel_box(page, side):
    """Return left, top, width and height of a panel's canvas in device pixels."""
    ratio = page.evaluate("devicePixelRatio")
    box = page.locator(f"#{side} canvas").bounding_box()
    return tuple(round(box[name] * ratio) for name in ("x", "y", "width", "height"))


@pytest.mark.parametrize(
    "screen",
    [
        {"device_scale_factor": 1},
        {"device_scale_factor": 1.5},
        {"viewport": {"width": 640, "height": 400}, "device_scale_factor": 2},  # 200 % zoom of 1280
        PHONE,
    ],
    ids=["1x", "1.5x", "200%", "phone"],
)
def test_every_image_pixel_covers_whole_device_pixels(make_site, make_rater, folder_of, screen):
    site = make_site(exposure_ms=6000)
    rater = make_rater(site, **screen)
    rater.arrive()
    rater.start()
    rater.wait_for("shown")
    shown = screen_of(rater.page)
    files = [
        *folder_of(draw_images).glob("real/*.png"),
        *folder_of(draw_images).glob("blurred/*.png"),
    ]
    images = [np.asarray(Image.open(path)) for path in files]
    for side in ("left", "right"):
        left, top, width, height = panel_box(rater.page, side)
        assert width == height
        assert width % SIDE == 0
        scale = width // SIDE
        enlarged = [image.repeat(scale, 0).repeat(scale, 1) for image in images]
        # An emulated pixel ratio places boxes to the CSS pixel, a real one to the device pixel.
        nearby = [
            shown[top + down : top + down + height, left + right : left + right + width]
            for down in range(-scale, scale + 1)
            for right in range(-scale, scale + 1)
        ]
        assert any(np.array_equal(place, image) for place in nearby for image in enlarged)


COUNT_DRAWS = """
const draw = CanvasRenderingContext2D.prototype.drawImage;
window.draws = [];
CanvasRenderingContext2D.prototype.drawImage = function (...rest) {
  window.draws.push([document.timeline.currentTime, rest[0].width]);
  return draw.apply(this, rest);
};
"""


def test_both_images_are_drawn_in_one_frame(make_site, make_rater):
    site = make_site(task="task1", exposure_ms=1500)
    rater = make_rater(site)
    rater.page.add_init_script(COUNT_DRAWS)
    rater.arrive()
    rater.start()
    rater.wait_for("shown")
    draws = rater.page.evaluate("window.draws")
    assert len(draws) == 3
    assert len({time for time, _ in draws}) == 1


def test_after_the_exposure_no_pixel_of_the_images_is_left(make_site, make_rater):
    rater = make_rater(make_site(exposure_ms=300))
    rater.arrive()
    rater.start()
    rater.wait_for("choose")
    for side in ("left", "right"):
        rater.page.mouse.move(2, 2)
        left, top, width, height = panel_box(rater.page, side)
        colours = np.unique(screen_of(rater.page)[top : top + height, left : left + width])
        assert len(colours) == 1  # one value in all pixels and channels: an even, neutral grey


def test_nothing_on_the_page_tells_which_image_is_real(make_site, make_rater):
    site = make_site(task="task1", exposure_ms=1500)
    rater = make_rater(site)
    bodies = []

    def keep(reply):
        bodies.append(reply)

    rater.page.on("response", keep)
    rater.arrive()
    rater.start()
    rater.wait_for("shown")
    page = rater.page
    doms = [page.content()]
    storage = page.evaluate("JSON.stringify([localStorage, sessionStorage])")
    rater.wait_for("choose")
    doms.append(page.content())
    texts = [
        reply.text()
        for reply in bodies
        if reply.url.endswith(("/open", "/answer", "/run"))  # earlier pages' bodies are gone
    ]
    assert any('"trials"' in text for text in texts)
    forbidden = ("blurred", "real/", "reference", "catch", "condition", "fooled", "model")
    for text in [*doms, storage, *texts]:
        shown = re.sub(r'<script type="application/json".*?</script>', "", text, flags=re.DOTALL)
        assert [word for word in forbidden if word in shown.lower()] == []
    panels = page.evaluate(
        "['left', 'right'].map(id => document.getElementById(id).outerHTML"
        ".replaceAll(/left|right|Left|Right|[FJ](?=<)/g, '').replace(/style=\"[^\"]*\"/, ''))"
    )
    assert panels[0] == panels[1]
    assert page.locator("[alt], [title]").count() == 0
    images = [reply for reply in bodies if "/i/" in reply.url]
    # Replies come in any order, so the sizes of a trial are found by its addresses.
    sizes = {urlsplit(reply.url).path: reply.headers["content-length"] for reply in images}
    listed = [trial for text in texts for trial in re.findall(r'\{[^{}]*"left"[^{}]*\}', text)]
    trials = [re.findall(r'"(/i/[^"]+)"', trial) for trial in listed]
    fetched = [paths for paths in trials if paths and set(paths) <= set(sizes)]
    assert fetched
    assert all(len({sizes[path] for path in paths}) == 1 for paths in fetched)
    assert len({len(reply.url) for reply in images}) == 1


def test_a_narrow_window_says_so_and_goes_on_when_widened(make_site, make_rater):
    rater = make_rater(make_site())
    rater.arrive()
    rater.page.set_viewport_size({"width": 200, "height": 150})
    rater.start()
    rater.page.wait_for_selector("#card-title:text('too small')")
    rater.page.set_viewport_size({"width": 1280, "height": 800})
    rater.answer()


def test_nothing_moves_for_who_wants_reduced_motion(make_site, make_rater):
    rater = make_rater(make_site(exposure_ms=1500), reduced_motion="reduce")
    rater.arrive()
    rater.start()
    rater.wait_for("shown")
    assert rater.page.evaluate("document.getAnimations().length") == 0


def test_without_javascript_the_page_says_what_is_missing(make_site, new_context):
    site = make_site()
    page = new_context(java_script_enabled=False).new_page()
    page.goto(site.entry)
    page.click("button[value=yes]")
    assert "needs JavaScript" in page.inner_text("main")
