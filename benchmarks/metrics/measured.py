"""Measurements that are written down as soon as they are made, so that a run can be interrupted.

A file holds a line of JSON for each measurement: its name, the setting it was made under, its
numbers, when and under which load. Where a measurement of the same name and setting stands there,
it is taken instead of made again.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

Numbers = dict[str, Any]


class Measured:
    """The measurements of one setting in a file."""

    def __init__(self, path: Path, setting: Numbers) -> None:
        self._path = path
        self._setting = setting
        self._known: dict[str, Numbers] = {}
        lines = path.read_text().splitlines() if path.exists() else []
        for line in lines:
            try:
                kept = json.loads(line)
            except ValueError:  # the line that was being written when the run was killed
                continue
            if kept["setting"] == setting:
                self._known[kept["name"]] = kept

    def of(self, name: str, measure: Callable[[], Numbers]) -> Numbers:
        """Return the numbers of a measurement, made now unless they are known."""
        if name in self._known:
            kept = self._known[name]
            click.echo(f"{name}: measured at {kept['at']}, load {kept['load']}", err=True)
        else:
            kept = self._made(name, measure)
        found: Numbers = kept["found"]
        return found

    def _made(self, name: str, measure: Callable[[], Numbers]) -> Numbers:
        load = f"{os.getloadavg()[0]:.1f}"
        found = measure()
        at = time.strftime("%Y-%m-%d %H:%M:%S")
        kept = {"name": name, "setting": self._setting, "found": found, "at": at, "load": load}
        text = self._path.read_text() if self._path.exists() else ""
        broken = "" if text.endswith("\n") or not text else "\n"
        with self._path.open("a") as file:
            file.write(f"{broken}{json.dumps(kept)}\n")
            file.flush()
            os.fsync(file.fileno())
        self._known[name] = kept
        return kept
