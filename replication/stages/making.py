"""Stages made one after another: each once, whatever interrupts, with the time that is left.

A stage's record is written before it begins and after it ends. One whose record is finished and
whose inputs and outputs are as recorded is not made again; what a stage of other inputs left is
removed first.
"""

from __future__ import annotations

import json
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from generators.files import write_atomically
from generators.foreign_text import one_line
from replication.errors import ReplicationError
from replication.stages.stage import Stage

ROOT = Path(__file__).resolve().parents[2]
FORMAT_VERSION = 1
STAGES = "stages"  # the folder of records
Run = Callable[[Sequence[str], Path, int], None]


@dataclass(frozen=True)
class Place:
    """Where the stages' records and logs go, and which release makes them."""

    folder: Path
    version: str
    lock: int  # an open handle that commands inherit: a folder is free when the last of them ends

    def record(self, stage: Stage) -> Path:
        """Return the file that says how far a stage is."""
        return self.folder / STAGES / f"{stage.name}.json"

    def log(self, stage: Stage) -> Path:
        """Return the file with what a stage's commands said."""
        return self.folder / "logs" / f"{stage.name}.log"


def make(stages: Sequence[Stage], place: Place, say: Callable[[str], None], run: Run) -> None:
    """Make what is not made yet, in order. Raises `ReplicationError` with a command's own line.

    `run` runs one command line, its output going to a log, while a handle is held.
    """
    began, spent, expected = time.monotonic(), 0.0, 0.0
    for number, stage in enumerate(stages, 1):
        head = f"[{number}/{len(stages)}] {stage.says}"
        key = stage.key(place.version)
        if _finished(stage, key, place):
            say(f"{head}: is made")
            continue
        pace = max(spent / expected, 0.2) if expected > 20 else 1.0
        left = pace * sum(each.seconds for each in stages[number - 1 :] if not _known(each, place))
        say(f"{head} …  ({_span(left)} left)")
        _make_one(stage, key, place, run)
        spent, expected = time.monotonic() - began, expected + stage.seconds


def _known(stage: Stage, place: Place) -> bool:
    return bool(_read(place.record(stage)).get("outputs"))


def _finished(stage: Stage, key: str, place: Place) -> bool:
    record = _read(place.record(stage))
    made = record.get("outputs")
    return record.get("key") == key and bool(made) and made == stage.outputs()


def _make_one(stage: Stage, key: str, place: Place, run: Run) -> None:
    path = place.record(stage)
    begun = _read(path)
    if begun.get("key") != key or begun.get("outputs") or not stage.resumes:
        _remove((*stage.writes, *stage.scratch))
    record = {"format_version": FORMAT_VERSION, "key": key}
    write_atomically(path, _json(record))
    clock, processor = time.monotonic(), _processor_seconds()
    for command in stage.commands:
        run(command, place.log(stage), place.lock)
    made = stage.outputs()
    lacking = [name for name, found in made.items() if not found]
    if lacking:
        raise ReplicationError(
            f"{stage.says}: {lacking[0]} was not written, see {place.log(stage)}"
        )
    took = {"seconds": time.monotonic() - clock, "processor": _processor_seconds() - processor}
    write_atomically(path, _json(record | {"outputs": made, "took": took}))


def _processor_seconds() -> float:
    """Return what finished commands have used of all processors together."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def run_command(command: Sequence[str], log: Path, lock: int) -> None:
    """Run one of manage.py's command lines; it holds the lock, too. Raises `ReplicationError`."""
    log.parent.mkdir(parents=True, exist_ok=True)
    line = [sys.executable, str(ROOT / "manage.py"), *command]
    with log.open("ab") as stream:
        stream.write(f"$ manage.py {' '.join(command)}\n".encode())
        stream.flush()
        done = subprocess.run(
            line, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream,
            pass_fds=(lock,), check=False,
        )  # fmt: skip
    if done.returncode == 130:
        raise KeyboardInterrupt
    if done.returncode:
        raise ReplicationError(f"`{' '.join(command[:2])}` failed: {_last_line(log)} (log: {log})")


def _last_line(log: Path) -> str:
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    said = next((line for line in reversed(lines) if line.startswith(("error: ", "Error: "))), "")
    return one_line((said or lines[-1]).removeprefix("error: ").removeprefix("Error: "))


def _remove(paths: Sequence[Path]) -> None:
    for path in paths:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _read(path: Path) -> dict[str, Any]:
    try:
        record = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    known = isinstance(record, dict) and record.get("format_version") == FORMAT_VERSION
    return record if known else {}


def _json(record: dict[str, Any]) -> bytes:
    return (json.dumps(record, indent=1, sort_keys=True) + "\n").encode()


def _span(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"about {minutes} min" if minutes else "less than a minute"
