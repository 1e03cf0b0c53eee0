"""Large images: one viewport for all of a trial, or a window; each pixel says where it lies."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from browsers import PHONE, Rater, Site, check, keep_picture
from PIL import Image
from sqlalchemy import select

from study_server.export.export import export_study
from study_server.storage.models import Trial

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser

STUDY = """
[study]
id = "leaves"
title = "Leaves and stones"
contact = "lab@example.org"
languages = ["en", "zh", "ar"]
[images]
{view}
[conditions]
even = "{folder}/even"
odd = "{folder}/odd"
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
"""
ZOOM = 'view = "zoom"\nflicker = true'
SIZE = (1100, 700)
LARGE = 2048
LAPTOP = {"viewport": {"width": 1366, "height": 640}}  # what a browser leaves of 1366 x 768
# The image position and the model (its parity) of a canvas' pixel, as `draw_places` wrote them.
PLACE = """([side, x, y]) => {
    const canvas = document.querySelector(side).closest('.panel').querySelector('canvas');
    const context = new OffscreenCanvas(1, 1).getContext('2d', {willReadFrequently: true});
    context.drawImage(canvas, x, y, 1, 1, 0, 0, 1, 1);
    const [r, g, b] = context.getImageData(0, 0, 1, 1).data;
    return {x: r + 256 * (b >> 5), y: g + 256 * ((b >> 2) & 7), odd: b & 1};
}"""

LAST_PIXEL = """() => {
    const {width, height} = document.querySelector('.panel canvas');
    return [width - 1, height - 1];
}"""


def draw_places(folder: Path, count: int = 3, size: tuple[int, int] = SIZE) -> None:
    """Write two models' outputs, whose every pixel says where it lies, and whose it is."""
    x, y = np.meshgrid(np.arange(size[0]), np.arange(size[1]))
    for odd, name in enumerate(("even", "odd")):
        (folder / name).mkdir()
        pixels = np.stack([x % 256, y % 256, (x // 256) * 32 + (y // 256) * 4 + odd], axis=2)
        for item in range(count):
            Image.fromarray(pixels.astype(np.uint8)).save(folder / name / f"{item}.png")


def draw_large(folder: Path) -> None:
    """Write such images of 2048 pixels a side."""
    draw_places(folder, 2, (LARGE, LARGE))


@pytest.fixture
def make_views(
    folder_of: Callable[..., Path], serve_study: Callable[..., Site]
) -> Callable[..., Site]:
    """Return a function that serves a study with these lines under [images]."""

    def make(view: str, draw: Callable[[Path], None] = draw_places, trials: int = 2) -> Site:
        text = STUDY.format(folder=folder_of(draw), view=view, trials=trials)
        return serve_study(text)

    return make


def place(page: Page, side: str, x: int, y: int) -> dict[str, int]:
    """Return what a canvas shows at one of its pixels, once the next frame is drawn."""
    page.evaluate(
        "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
    )
    found: dict[str, int] = page.evaluate(PLACE, [side, x, y])
    return found


def seen(page: Page, x: int, y: int) -> tuple[int, int]:
    """Return the image pixel that both panels show at a canvas pixel, one of each model."""
    left, right = place(page, "#left", x, y), place(page, "#right", x, y)
    assert (left["x"], left["y"]) == (right["x"], right["y"])
    assert {left["odd"], right["odd"]} == {0, 1}
    return left["x"], left["y"]


def canvas_box(page: Page, side: str = "#left") -> dict[str, float]:
    box = page.locator(".panel", has=page.locator(side)).locator("canvas").bounding_box()
    assert box is not None
    return {name: float(value) for name, value in box.items()}  # type: ignore[arg-type]


def magnification(page: Page) -> str:
    """Return what the page says of it."""
    return page.inner_text("#magnification")


def shown(rater: Rater) -> None:
    """Wait until the images are there and answers are taken."""
    rater.wait_for("shown")
    rater.page.wait_for_selector("#left[aria-disabled=false]")


def look_closer(page: Page) -> None:
    """Zoom with the wheel, drag, zoom and move with keys: what both show is where it should be."""
    assert magnification(page) == "50 %"  # 1100 pixels in 640: every second one
    box = canvas_box(page)
    middle = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2}
    page.mouse.move(middle["x"] + 60, middle["y"] + 30)
    page.mouse.wheel(0, -100)
    page.wait_for_function("document.querySelector('#magnification').innerText === '100 %'")
    x, y = round(box["width"] / 2) + 60, round(box["height"] / 2) + 30
    # What lay under the pointer is still there: 60 device pixels from the middle at one half.
    there = seen(page, x, y)
    assert abs(there[0] - (550 + 120)) <= 2
    assert abs(there[1] - (350 + 60)) <= 2
    page.mouse.down()
    page.mouse.move(middle["x"] + 10, middle["y"] + 10, steps=4)
    page.mouse.up()
    assert seen(page, x - 50, y - 20) == there  # dragged along
    page.keyboard.press("+")
    assert magnification(page) == "200 %"
    before, next_one = seen(page, 100, 100), seen(page, 102, 100)
    assert (next_one[0] - before[0], next_one[1] - before[1]) == (1, 0)  # two device pixels to each
    page.keyboard.press("ArrowRight")
    assert seen(page, 100, 100)[0] > before[0]  # an arrow key looks further right


def test_both_images_move_together_on_a_laptop(
    make_views: Callable[[str], Site], make_rater: Callable[..., Rater]
) -> None:
    """And nothing is asked of the server meanwhile, and no movement is an answer."""
    site = make_views(ZOOM)
    rater = make_rater(site, **LAPTOP)
    page = rater.page
    asked: list[str] = []
    rater.arrive()
    rater.start()
    shown(rater)
    page.wait_for_load_state("networkidle")
    page.on("request", lambda request: asked.append(request.url))
    look_closer(page)
    own = place(page, "#left", 100, 100)["odd"]
    page.keyboard.down("s")
    assert place(page, "#left", 100, 100)["odd"] == 1 - own
    page.keyboard.press("f")  # which of the two would that be?
    page.keyboard.up("s")
    assert place(page, "#left", 100, 100)["odd"] == own
    page.keyboard.press("0")
    assert magnification(page) == "50 %"
    assert not [url for url in asked if "/i/" in url]
    assert site.judgments() == []
    page.keyboard.press("f")
    [judged] = site.wait_for_judgments(1)
    kinds = [kind for kind, *_ in json.loads(judged.viewport)]
    assert kinds == ["fit", "zoom", "move", "zoom", "move", "swap", "back", "fit"]
    assert judged.scale == 0.5
    assert rater.problems == []


def test_reload_second_tab_and_a_lost_connection_keep_what_was_looked_at(
    make_views: Callable[[str], Site], make_rater: Callable[..., Rater], tmp_path: Path
) -> None:
    site = make_views(ZOOM)
    rater = make_rater(site)
    rater.arrive()
    rater.start()
    shown(rater)
    rater.page.keyboard.press("f")
    rater.start()  # of the main part
    shown(rater)
    rater.page.click("#zoom-in")
    rater.page.reload()
    rater.start()
    shown(rater)
    assert magnification(rater.page) == "50 %"
    rater.page.wait_for_load_state("networkidle")
    rater.context.set_offline(True)
    rater.page.click("#zoom-in")
    rater.page.click("#right")
    rater.page.wait_for_selector("#progress-text:has-text('2 of 2')")
    shown(rater)
    rater.context.set_offline(False)
    site.wait_for_judgments(2)
    rater.page.click("#zoom-in")
    rater.go_on_in_a_second_tab()
    shown(rater)
    assert magnification(rater.page) == "50 %"  # what was done in the first tab is not taken over
    rater.page.keyboard.press("j")
    assert rater.finish()
    stored = site.judgments()
    assert [judgment.views for judgment in stored] == [1, 2, 2]
    assert [kind for kind, *_ in json.loads(stored[1].viewport)] == ["fit", "zoom"]
    export_study(site.database, "leaves", tmp_path / "export")
    lines = (tmp_path / "export" / "viewports.csv").read_text().splitlines()
    assert [line.split(",")[2:6:2] for line in lines[1:]] == [
        ["0", "fit"], ["1", "fit"], ["1", "zoom"], ["2", "fit"],
    ]  # fmt: skip


def pinch(page: Page, x: float, y: float) -> None:
    """Put two fingers down beside a point and spread them."""
    session = page.context.new_cdp_session(page)

    def send(kind: str, *across: float) -> None:
        fingers = [{"x": at, "y": y, "id": number} for number, at in enumerate(across)]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": fingers})

    send("touchStart", x - 30, x + 30)
    for reach in (45, 60, 90, 120):
        send("touchMove", x - reach, x + reach)
    send("touchEnd")
    session.detach()


@pytest.mark.parametrize(
    ("screen", "divisor", "layout"), [(LAPTOP, 5, "row"), (PHONE, 3, "column")]
)
def test_pairs_of_2048_pixels_are_seen_whole_and_to_their_corners(
    make_views: Callable[..., Site],
    make_rater: Callable[..., Rater],
    screen: dict[str, Any],
    divisor: int,
    layout: str,
) -> None:
    """On a laptop of 1366 x 768 and a phone of 390 x 844, from the device check to the answer."""
    site = make_views(ZOOM, draw_large, trials=1)
    rater = make_rater(site, **screen)
    page, window = rater.page, screen["viewport"]
    rater.walk_in()
    rater.start()
    shown(rater)
    keep_picture(page, "large-whole")
    assert magnification(page) == f"{100 // divisor} %"
    assert page.get_attribute("#panels", "data-layout") == layout
    for side in ("#left", "#right"):
        box = canvas_box(page, side)
        room = min(box["width"], box["height"]) * page.evaluate("devicePixelRatio")
        assert LARGE // divisor <= room < LARGE / (divisor - 1)  # no larger one fits
        assert 0 <= box["x"] <= window["width"] - box["width"]
        assert 0 <= box["y"] <= window["height"] - box["height"]
    while magnification(page) != "100 %":
        page.click("#zoom-in")
    for _ in range(40):
        page.keyboard.press("ArrowRight")
        page.keyboard.press("ArrowDown")
    last = page.evaluate(LAST_PIXEL)
    assert seen(page, *last) == (LARGE - 1, LARGE - 1)
    keep_picture(page, "large-corner")
    assert page.evaluate("document.documentElement.scrollWidth") <= window["width"]
    page.keyboard.press("f")
    [judged] = site.wait_for_judgments(1)
    (_, _, _, *first), *_, (_, _, scale, x, y, across, down) = json.loads(judged.viewport)
    whole = LARGE // divisor * divisor  # a reduction has no part of a pixel
    assert first == [0, 0, whole, whole]
    assert (scale, x + across, y + down) == (1, LARGE, LARGE)  # and their last corner
    assert rater.problems == []


@pytest.mark.parametrize("language", ["zh", "ar"])
def test_two_fingers_on_a_phone_and_sound_pages(
    make_views: Callable[[str], Site], make_rater: Callable[..., Rater], language: str
) -> None:
    site = make_views(ZOOM)
    rater = make_rater(site, **(LAPTOP if language == "ar" else PHONE))
    page = rater.page
    noted: dict[Any, Any] = {}
    page.goto(f"{site.entry}?lang={language}")
    page.click("button[value=yes]")
    rater.check_device()
    check(page, noted, "zoom-instructions")
    rater.read_instructions()
    rater.start()
    rater.wait_for("shown")
    page.wait_for_selector("#left[aria-disabled=false]")
    first = magnification(page)
    check(page, noted, "zoom-whole")
    if language != "ar":
        assert page.get_attribute("#panels", "data-layout") == "column"
        box = canvas_box(page)
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        pinch(page, x, y)
        assert magnification(page) != first
        seen(page, 300, 300)
    else:
        page.keyboard.press("+")
        page.keyboard.press("+")
    check(page, noted, "zoom-enlarged")
    (page.tap if language != "ar" else page.click)("#right")
    [judged] = site.wait_for_judgments(1)
    assert {kind for kind, *_ in json.loads(judged.viewport)} >= {"fit", "zoom"}
    assert noted == {name: [] for name in noted}
    assert rater.problems == []


def test_the_window_of_a_crop_is_the_stored_one(
    make_views: Callable[[str], Site], make_rater: Callable[..., Rater]
) -> None:
    site = make_views('view = "crop"\nwindow = [256, 200]')
    rater = make_rater(site)
    rater.arrive()
    rater.start()
    with site.database.session() as db_session:
        block = site.sessions()[0].block_id
        query = select(Trial).where(Trial.block_id == block).order_by(Trial.position)
        planned = [(trial.window_x, trial.window_y) for trial in db_session.scalars(query)]
    for number, (left, top) in enumerate(planned):
        shown(rater)
        assert seen(rater.page, 0, 0) == (left, top)
        assert seen(rater.page, 255, 199) == (left + 255, top + 199)
        keep_picture(rater.page, "crop")
        rater.page.keyboard.press("f")
        site.wait_for_judgments(number + 1)
        if number == 0:
            rater.start()
    assert len(set(planned)) == 3
