"""Progress of a training: losses, pace and time left on the display, and in a log beside it."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from torch import Tensor

from generators.errors import WriteError
from generators.progress import Display, Silent, display

EVERY = 10.0  # seconds between lines


class Progress:
    """Shows a training's losses, images per second and time left, and appends them to a log.

    `batch` is the images of a step, `step` where the training stands when it begins or goes on.
    """

    def __init__(self, name: str, log: Path, steps: int, batch: int, step: int) -> None:
        self.name, self.log, self.steps, self.batch = name, log, steps, batch
        self.began, self.first, self.step = time.monotonic(), step, step
        self.said = self.began
        self.sums: dict[str, float] = {}
        self.count = 0
        self.display: Display = Silent()

    @contextmanager
    def on(self, speaks: bool) -> Iterator[Progress]:
        """Show it while the training runs, in the one process that speaks."""
        self.speaks = speaks
        if not speaks:
            yield self
            return
        with display(self.name, self.steps, self.step) as self.display:
            yield self

    def update(self, step: int, values: Mapping[str, Tensor]) -> None:
        """Count one step; speaks at most every ten seconds."""
        self.step = step
        if not self.speaks:
            return
        for name, value in values.items():
            self.sums[name] = self.sums.get(name, 0.0) + float(value)
        self.count += 1
        now = time.monotonic()
        if now - self.said >= EVERY or step == self.steps:
            self._say(now)

    def note(self, facts: dict[str, Any]) -> None:
        """Record validation figures."""
        if self.speaks:
            self._write({"step": self.step} | facts)
            text = "  ".join(f"{name} {value:.4g}" for name, value in facts.items())
            self.display.note(f"{self.name}  step {self.step}  {text}")

    def _say(self, now: float) -> None:
        means = {name: total / self.count for name, total in self.sums.items()}
        pace = (self.step - self.first) * self.batch / max(1e-9, now - self.began)
        left = (self.steps - self.step) * self.batch / max(1e-9, pace)
        self._write({"step": self.step} | means | {"images_per_second": round(pace, 1)})
        self.said, self.sums, self.count = now, {}, 0
        text = "  ".join(f"{name} {value:.4f}" for name, value in means.items())
        self.display.show(
            self.step,
            f"{text}  {pace:.1f} images/s  {math.ceil(left / 60)} min left",
        )

    def _write(self, facts: dict[str, Any]) -> None:
        try:
            self.log.parent.mkdir(parents=True, exist_ok=True)
            with self.log.open("a") as stream:
                stream.write(json.dumps(facts) + "\n")
        except OSError as error:
            raise WriteError(str(self.log), error.strerror) from None
