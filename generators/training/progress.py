"""Progress of a training: a bar on a terminal, else a line every ten seconds; a log beside it."""

from __future__ import annotations

import json
import math
import sys
import time
from typing import TYPE_CHECKING, Any

from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar
from torch import Tensor

from generators.errors import WriteError

if TYPE_CHECKING:
    from generators.training.loop import TrainConfig

EVERY = 10.0  # seconds between lines


class Progress:
    """Shows loss, images per second and the time left, and appends them to ``log.jsonl``."""

    def __init__(self, config: TrainConfig, step: int, rank: int) -> None:
        self.config, self.quiet = config, rank > 0
        self.began, self.first, self.step = time.monotonic(), step, step
        self.said, self.losses = self.began, [0.0, 0.0]
        self.bar: Bar | None = None

    def __enter__(self) -> Progress:
        if not self.quiet and sys.stderr.isatty():
            text = TextColumn("{task.fields[text]}")
            self.bar = Bar("{task.description}", BarColumn(), text, TimeRemainingColumn())
            self.task = self.bar.add_task(
                self.config.name, total=self.config.steps, completed=self.step, text=""
            )
            self.bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.bar:
            self.bar.stop()

    def update(self, step: int, loss: Tensor) -> None:
        """Count one step; speaks at most every ten seconds."""
        self.step = step
        if self.quiet:
            return
        self.losses[0] += float(loss)
        self.losses[1] += 1
        now = time.monotonic()
        if now - self.said < EVERY and step < self.config.steps:
            return
        self._say(now)

    def note(self, facts: dict[str, Any]) -> None:
        """Record validation figures."""
        if not self.quiet:
            self._log({"step": self.step} | facts)
            text = "  ".join(f"{name} {value:.4g}" for name, value in facts.items())
            self._print(f"{self.config.name}  step {self.step}  {text}")

    def _say(self, now: float) -> None:
        loss = self.losses[0] / max(1, self.losses[1])
        pace = (self.step - self.first) * self.config.batch / max(1e-9, now - self.began)
        left = (self.config.steps - self.step) * self.config.batch / max(1e-9, pace)
        self._log({"step": self.step, "loss": loss, "images_per_second": round(pace, 1)})
        self.said, self.losses = now, [0.0, 0.0]
        text = f"loss {loss:.4f}  {pace:.1f} images/s"
        if self.bar:
            self.bar.update(self.task, completed=self.step, text=text)
        else:
            self._print(
                f"{self.config.name}  {self.step}/{self.config.steps}  {text}  "
                f"{math.ceil(left / 60)} min left"
            )

    def _print(self, line: str) -> None:
        if self.bar:
            self.bar.console.print(line)
        else:
            print(line, file=sys.stderr, flush=True)

    def _log(self, facts: dict[str, Any]) -> None:
        path = self.config.out / "log.jsonl"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("a") as stream:
                stream.write(json.dumps(facts) + "\n")
        except OSError as error:
            raise WriteError(str(path), error.strerror) from None
