"""How times are measured, and the row of a load on the study site.

CPU time tells what something costs also where other programs compete for the machine.
"""

from __future__ import annotations

import os
import resource
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.support.http_load import Measured


def cpu_seconds() -> float:
    """Return the CPU time of this process and its children: a busy machine does not change it."""
    # In microseconds; os.times() counts in hundredths of a second.
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def alternate(
    ours: Callable[[], Any], theirs: Callable[[], Any], rounds: int
) -> tuple[float, float]:
    """Return the median CPU seconds of both, on one thread, timed in turn."""
    ours(), theirs()
    times: list[list[float]] = [[], []]
    for _ in range(rounds):
        for kept, function in zip(times, (ours, theirs), strict=True):
            started = cpu_seconds()
            function()
            kept.append(cpu_seconds() - started)
    return float(np.median(times[0])), float(np.median(times[1]))


def cpu_seconds_of(process: int) -> float:
    """Return the processor time of a process and all its descendants so far.

    Where other programs compete for the machine this still tells what an answer costs.
    """
    ticks, waiting = 0, [process]
    while waiting:
        pid = waiting.pop()
        waiting += map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


@dataclass
class Result:
    """One row of the table."""

    what: str
    judgments: int
    seconds: float
    measured: Measured
    stored: int
    repeated: int
    cpu_ms: tuple[float, float] | None = None  # of the server and of the load, for one answer

    def line(self) -> str:
        """Return the row as text."""
        times = "  ".join(f"{self.measured.percentile(share):7.1f}" for share in (0.5, 0.95, 0.99))
        lost = self.judgments - self.stored
        return (
            f"{self.what:34} {self.judgments:7} {self.judgments / self.seconds:8.1f}/s  {times}"
            f"  {self.measured.percentile(0.99, images=True):9.1f}"
            f"  {self.measured.errors():4} {lost:5} {self.repeated:6}"
            + (f"  {self.cpu_ms[0]:6.2f} {self.cpu_ms[1]:6.2f}" if self.cpu_ms else "")
        )

    def record(self) -> dict[str, Any]:
        """Return the row as data."""
        times = {f"p{share}": self.measured.percentile(share / 100) for share in (50, 95, 99)}
        return {
            "what": self.what,
            "judgments": self.judgments,
            "per_second": self.judgments / self.seconds,
            **times,
            "image_p99": self.measured.percentile(0.99, images=True),
            "errors": self.measured.errors(),
            "lost": self.judgments - self.stored,
            "duplicated": self.repeated,
            "cpu_ms": self.cpu_ms,
        }


HEADER = (
    f"{'':34} {'answers':>7} {'rate':>10}  {'p50 ms':>7}  {'p95 ms':>7}  {'p99 ms':>7}"
    f"  {'image p99':>9}  {'5xx':>4} {'lost':>5} {'double':>6}  CPU ms: server, load"
)
