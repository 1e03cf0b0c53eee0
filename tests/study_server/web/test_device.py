"""Who the device check lets in: edge sizes, pixel ratios, and numbers that are none."""

from __future__ import annotations

import pytest

from study_server.web.rater.device import Device, Panels, Room, fits

PAIR = Panels(2, 256, 256)
TRIPLE = Panels(3, 256, 256)


def row_only(width, height, ratio):
    return Room(width, height, 0, 0, ratio)


def column_only(width, height, ratio):
    return Room(0, 0, width, height, ratio)


# The least CSS pixels that a 256-pixel image takes: a whole number of device pixels for each of its
# pixels, and at least half a CSS pixel. Up to a ratio of 2 that is 1 device pixel, at 2.625 and 3
# it is 2 (one would be 0.38 and 0.33 CSS pixels). A ratio of 0.8 is a page zoomed out.
LEAST = [(0.8, 320), (1, 256), (1.25, 204.8), (1.5, 170.67), (2, 128), (2.625, 195.05), (3, 170.67)]


@pytest.mark.parametrize(("ratio", "side"), LEAST)
@pytest.mark.parametrize("panels", [PAIR, TRIPLE], ids=["pair", "triple"])
def test_the_least_room_that_is_enough(panels, ratio, side):
    count = panels.count
    assert fits(row_only(count * side + 0.1, side + 0.1, ratio), panels)
    assert not fits(row_only(count * side - 0.1, side + 0.1, ratio), panels)
    assert not fits(row_only(count * side + 0.1, side - 0.1, ratio), panels)
    assert fits(column_only(side + 0.1, count * side + 0.1, ratio), panels)
    assert not fits(column_only(side - 0.1, count * side + 0.1, ratio), panels)
    assert not fits(column_only(side + 0.1, count * side - 0.1, ratio), panels)


def test_sides_that_differ_are_not_mixed_up():
    wide = Panels(2, 400, 100)
    assert fits(row_only(800, 100, 1), wide)
    assert not fits(row_only(799, 100, 1), wide)
    assert fits(column_only(400, 200, 1), wide)
    assert not fits(column_only(400, 199, 1), wide)


@pytest.mark.parametrize("room", [Room(9e4, 9e4, 9e4, 9e4, 0), Room(-9e4, -9e4, -9e4, -9e4, -3)])
def test_a_screen_without_pixels_holds_nothing(room):
    assert not fits(room, PAIR)


@pytest.mark.parametrize("text", ["nan", "inf", "1e9", "wide", "1,5", "0x10", "٣x"])
def test_numbers_that_are_none_are_refused(text):
    good = {"row_width": "9", "row_height": "9", "column_width": "9", "column_height": "9"}
    assert Room.from_form({**good, "pixel_ratio": "1"})
    assert Room.from_form({**good, "pixel_ratio": text}) is None
    assert Device.from_form({"width": text, "input": "mouse"}) is None
