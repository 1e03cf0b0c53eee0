"""The compact layout is taken wherever the ordinary one does not fit, and only there."""

from __future__ import annotations

import pytest
from browsers import draw_images
from PIL import Image

pytestmark = pytest.mark.browser


def draw_large(folder):
    """Write the images at 256 pixels a side."""
    draw_images(folder, 6)
    for path in folder.glob("*/*.png"):
        Image.open(path).resize((256, 256), Image.Resampling.NEAREST).save(path)


def test_every_height_from_the_least_on_holds_a_pair(make_site, make_rater):
    """A pair of 256 pixels at 1366 of width: it once fitted at 440 of height, and not at 460."""
    rater = make_rater(
        make_site(exposure_ms=0, images=draw_large), viewport={"width": 1366, "height": 768}
    )
    rater.arrive()
    rater.start()
    rater.wait_for("shown")
    found = {}
    for height in (380, 440, 460, 480, 520, 560, 620):
        rater.page.set_viewport_size({"width": 1366, "height": height})
        rater.page.wait_for_function("h => innerHeight === h", arg=height)
        found[height] = (
            rater.page.evaluate("""() => new Promise((done) => requestAnimationFrame(() => {
            const box = document.querySelector('#left canvas').getBoundingClientRect();
            const bar = document.querySelector('.progress').getBoundingClientRect();
            done([document.body.classList.contains('compact'), box.width, box.bottom < bar.top]);
        }))""")
        )
    assert {height: drawn for height, (_, drawn, _) in found.items()} == dict.fromkeys(found, 256)
    assert all(clear for _, _, clear in found.values())
    compact = [height for height, (taken, _, _) in found.items() if taken]
    assert compact == [height for height in found if height <= max(compact)]
    assert {440, 460} <= set(compact)
    assert 620 not in compact
