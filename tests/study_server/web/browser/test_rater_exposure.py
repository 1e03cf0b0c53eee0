"""The images are shown for as long as the study says, to the frame."""

from __future__ import annotations

import os
import statistics

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.integration, pytest.mark.slow]


TRIALS = int(os.environ.get("FOOLRATE_EXPOSURES", "4"))


def draw_many(folder):
    """Write images enough for all trials."""
    from browsers import draw_images

    draw_images(folder, count=TRIALS + 4)


def distribution(exposures):
    """Return what docs/decisions/0004 states of the achieved exposures."""
    cuts = statistics.quantiles(exposures, n=20, method="inclusive")
    named = {
        "minimum": min(exposures),
        "5th percentile": cuts[0],
        "median": statistics.median(exposures),
        "95th": cuts[-1],
        "maximum": max(exposures),
    }
    values = ", ".join(f"{name} {value:.1f}" for name, value in named.items())
    return f"exposure of {len(exposures)} trials in ms: {values}"


def test_each_exposure_is_within_a_frame_of_three_seconds(make_site, make_rater, capsys):
    """Or as many frames later as this machine dropped meanwhile, which is stored with it."""
    site = make_site(trials=TRIALS, practice=1, catch=0, exposure_ms=3000, images=draw_many)
    rater = make_rater(site)
    rater.reach_main()
    for _ in range(TRIALS):
        rater.answer()
    rater.page.wait_for_url("**/comment")
    shown = [judgment for judgment in site.judgments() if judgment.position > 0]
    assert len(shown) == TRIALS
    exposures = [judgment.exposure_ms for judgment in shown]
    frame = 1000 / statistics.median(judgment.refresh_hz for judgment in shown)
    dropped = sum(judgment.dropped_frames for judgment in shown)
    with capsys.disabled():
        print(f"\n{distribution(exposures)}, frame {frame:.2f} ms, {dropped} frames dropped")
    for judgment in shown:
        late = judgment.dropped_frames
        assert abs(judgment.exposure_ms - 3000) <= frame * (1 + late), (judgment.exposure_ms, late)
    assert all(judgment.rt_ms >= judgment.exposure_ms for judgment in shown)
