"""What a simulated rater does besides choosing: looks around with the zoom, writes a reason."""

from __future__ import annotations

from random import Random
from typing import Any

_SEEN = 320  # pixels a side of the part that is seen enlarged


def looks(trial: dict[str, Any], random: Random) -> dict[str, Any]:
    """Return the answer's `viewport` for a trial as the site describes it; nothing without zoom."""
    if trial["levels"] is None:
        return {}
    width, height = trial["width"], trial["height"]
    across, down = min(_SEEN, width), min(_SEEN, height)
    places = [
        (random.randint(0, width - across), random.randint(0, height - down)) for _ in range(2)
    ]
    reduced = 1 / max([1, *(divisor for divisor, *_ in trial["levels"])])
    whole = (reduced, 0, 0, width, height)
    glances: list[tuple[Any, ...]] = [("fit", 0.0, *whole)]
    for place, kind in zip(places, ("zoom", "move"), strict=True):
        at = round(glances[-1][1] + random.uniform(200, 900), 1)
        glances.append((kind, at, 1.0, *place, across, down))
    glances.append(("zoom", round(glances[-1][1] + random.uniform(200, 900), 1), *whole))
    return {"viewport": glances}


def writes(trial: dict[str, Any], random: Random) -> dict[str, Any]:
    """Return the answer's `reason` for a trial that asks for one; it says that nobody wrote it."""
    if not trial["reason"]:
        return {}
    text = f"simulated reason {random.randint(1, 9)}"
    return {"reason": {"text": text, "ms": round(random.uniform(1_500, 9_000), 1)}}
