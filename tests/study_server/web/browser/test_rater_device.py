"""The device check and the trial page agree on which windows hold the images."""

from __future__ import annotations

import pytest
from browsers import SIDE

from study_server.web.rater.device import Panels, Room, fits

pytestmark = [pytest.mark.browser, pytest.mark.integration]

RATIOS = (0.8, 1, 1.25, 1.5, 2, 2.625, 3)
ROOM_AND_SCALE = """async (window) => {
    const { fit } = await import('/static/rater/fit.js');
    return window.map(([count, side, rowW, rowH, colW, colH, ratio]) => fit({
        count, width: side, height: side, ratio,
        room: { row: { width: rowW, height: rowH }, column: { width: colW, height: colH } },
    }).scale);
}"""


def rooms():
    """Return rooms around every edge: a pixel too small, just enough, a pixel to spare."""
    for ratio in RATIOS:
        for count in (2, 3):
            for side in (96, 256, 333):
                for times in (1, 2):  # device pixels to an image pixel
                    least = side * times / ratio
                    for slack in (-1, -0.01, 0, 0.01, 1):
                        yield count, side, count * least + slack, least + 9, 0, 0, ratio
                        yield count, side, count * least + 9, least + slack, 0, 0, ratio
                        yield count, side, 0, 0, least + slack, count * least + 9, ratio
                        yield count, side, 0, 0, least + 9, count * least + slack, ratio


def test_the_servers_rule_is_the_pages(make_site, make_rater):
    rater = make_rater(make_site())
    rater.consent()
    cases = list(rooms())
    scales = rater.page.evaluate(ROOM_AND_SCALE, [list(case) for case in cases])
    server = [fits(Room(*case[2:]), Panels(case[0], case[1], case[1])) for case in cases]
    assert [scale > 0 for scale in scales] == server
    assert 0.2 < sum(server) / len(server) < 0.8


ZOOM_SCALE = """async (rooms) => {
    const { fitZoom } = await import('/static/rater/ladder.js');
    const trial = { width: 2048, height: 1536, levels: [[2, 0, 0, 1024, 768], [4, 0, 0, 512, 384],
        [8, 0, 0, 256, 192], [16, 0, 0, 128, 96]] };
    return rooms.map(([count, rowW, rowH, colW, colH, ratio]) => fitZoom({
        count, trial, ratio,
        room: { row: { width: rowW, height: rowH }, column: { width: colW, height: colH } },
    }).scale);
}"""


def test_the_servers_rule_is_the_pages_where_raters_zoom(make_site, make_rater):
    rater = make_rater(make_site())
    rater.consent()
    cases = [
        (count, *room, ratio)
        for count in (2, 3)
        for ratio in (0.5, 0.8, 1, 1.25, 2, 3)
        for slack in (-1, -0.01, 0.01, 1, 200)
        for side in (180 * max(1, 1 / ratio) + slack,)
        for room in (
            (count * side, side + 50, 0, 0),
            (count * side + 50, side, 0, 0),
            (0, 0, side + 50, count * side),
            (0, 0, side, count * side + 50),
        )
    ]
    scales = rater.page.evaluate(ZOOM_SCALE, [list(case) for case in cases])
    server = [fits(Room(*case[1:]), Panels(case[0], 2048, 1536, zoom=True)) for case in cases]
    assert [scale > 0 for scale in scales] == server
    assert 0.2 < sum(server) / len(server) < 0.8


def continue_or_leave(page):
    """Return whether the device check lets this window through, once it is finished."""
    page.wait_for_selector("button[name=go]:enabled, button[name=leave]:visible")
    return page.is_enabled("button[name=go]")


def smallest_height(page, width):
    """Return the least window height at this width that the device check passes."""
    low, high = 100, 1200
    while high - low > 1:
        middle = (low + high) // 2
        page.set_viewport_size({"width": width, "height": middle})
        page.wait_for_function(
            "h => document.querySelector('#check-size .value')?.textContent.endsWith(`× ${h}`)",
            arg=middle,
        )
        low, high = (low, middle) if continue_or_leave(page) else (middle, high)
    return high


@pytest.mark.parametrize(
    ("screen", "task", "locale"),
    [
        ((320, 2), "task2", "en-GB"),  # stacked
        ((400, 1), "task1", "en-GB"),  # three side by side, and a long question above them
        ((360, 3), "task1", "zh-CN"),
        ((1280, 1.5), "task2", "zh-CN"),
    ],
)
def test_the_smallest_window_that_passes_shows_the_images(
    make_site, make_rater, screen, task, locale
):
    """And at one pixel less, the trial page says that the window is too small, as the check did."""
    width, ratio = screen
    rater = make_rater(
        make_site(task=task, exposure_ms=6000),
        viewport={"width": width, "height": 1200},
        device_scale_factor=ratio,
        locale=locale,
    )
    page = rater.page
    rater.consent()
    height = smallest_height(page, width)
    page.set_viewport_size({"width": width, "height": height})
    rater.check_device()
    rater.read_instructions()
    page.set_viewport_size({"width": width, "height": height - 1})
    title = page.inner_text("#card-title")
    rater.start()
    page.wait_for_function(
        "t => !['', t].includes(document.getElementById('card-title').innerText)", arg=title
    )
    page.set_viewport_size({"width": width, "height": height})
    rater.wait_for("shown")
    drawn = page.evaluate("document.querySelector('#left canvas').getBoundingClientRect().width")
    assert drawn >= SIDE / 2


def test_a_window_too_small_can_be_made_larger(make_site, make_rater):
    site = make_site()
    rater = make_rater(site, viewport={"width": 180, "height": 300})
    rater.consent()
    assert not continue_or_leave(rater.page)
    assert rater.page.locator("#check-size .advice").is_visible()
    rater.page.set_viewport_size({"width": 900, "height": 700})
    rater.page.wait_for_selector("button[name=leave]", state="hidden")
    rater.check_device()
    assert "/instructions" in rater.page.url


def test_who_cannot_make_it_larger_gets_the_code_of_that(make_site, make_rater):
    site = make_site()
    rater = make_rater(site, viewport={"width": 180, "height": 300})
    rater.consent()
    rater.page.click("button[name=leave]:visible")
    rater.page.wait_for_selector("#code")
    assert [session.outcome for session in site.sessions()] == ["screened_out"]
    assert rater.problems == []
