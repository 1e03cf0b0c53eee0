"""The numbers of the results page: confidence sequences after whole batches of finished raters."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from threading import Lock

from sqlalchemy import Connection, func, select

from study_server.config import StudyFile
from study_server.storage.models import RaterSession
from study_server.web.admin.dashboard import counts, queries
from study_server.web.admin.dashboard.judged import Judged
from study_server.web.admin.dashboard.panels import LiveInterval, interval

FRESH_S = 60  # that a browser, a cache and this process keep the numbers


@dataclass(frozen=True)
class Line:
    """One condition: after how many raters, and within which bounds (0-1); None before any."""

    condition: str
    raters: int
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Table:
    """One question of a task: its place among the trial's questions from 0, and its lines."""

    task: str
    place: int
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class Numbers:
    """What the page shows of a study: a table a question, and whether raters are simulated."""

    tables: tuple[Table, ...]
    simulated: bool


def public_numbers(
    connection: Connection, judged: Judged, file: StudyFile, live_interval: LiveInterval
) -> Numbers:
    """Return the numbers that everybody may see now, of one state of the database."""
    judged.refresh(connection)
    names = queries.conditions(connection, judged.study_id)
    batch = file.results.batch

    def table(task: str, place: int, means: Mapping[int, list[float]]) -> Table:
        lines = (_line(name, means.get(of, []), batch, live_interval) for of, name in names.items())
        return Table(task, place, tuple(lines))

    first = counts.means(judged, file.design.trial)
    tables = [
        table(task, 0, {of: means for (asked, of), means in first.items() if asked == task})
        for task in file.study.tasks
    ]
    # A study that asks more has one task.
    tables += [
        table(file.study.tasks[0], place, counts.win_shares(judged, place))
        for place in range(1, len(file.questions))
    ]
    query = select(func.count(RaterSession.id)).where(
        RaterSession.study_id == judged.study_id, RaterSession.simulated
    )
    return Numbers(tuple(tables), simulated=connection.execute(query).scalar_one() > 0)


def _line(name: str, means: list[float], batch: int, live_interval: LiveInterval) -> Line:
    # A last batch that is not full stays away for good: it may be one rater.
    counted = tuple(means[: len(means) // batch * batch])
    low, high = interval(live_interval, counted) if counted else (None, None)
    return Line(name, len(counted), low, high)


@dataclass
class Kept:
    """Numbers by study, made anew at most once in `FRESH_S`, however often anybody asks."""

    clock: Callable[[], float] = time.monotonic
    _found: dict[int, tuple[float, Numbers]] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def numbers(self, study_id: int, make: Callable[[], Numbers]) -> Numbers:
        """Return a study's numbers, at most `FRESH_S` old; older ones while another makes them."""
        found = self._fresh(study_id)
        if found is not None:
            return found
        if not self._lock.acquire(blocking=study_id not in self._found):
            return self._found[study_id][1]  # the threads of the site are there for raters
        try:
            found = self._fresh(study_id) or make()
            self._found[study_id] = (self.clock() + FRESH_S, found)
            return found
        finally:
            self._lock.release()

    def _fresh(self, study_id: int) -> Numbers | None:
        until, found = self._found.get(study_id, (0.0, None))
        return found if self.clock() < until else None
