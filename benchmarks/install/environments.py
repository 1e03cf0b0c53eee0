"""Fresh environments: how long an installation takes, how large it is, what runs in it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import click

ROOT = Path(__file__).resolve().parents[2]
PARTS = {"site": ("base", "site"), "analysis": ("base", "analysis")}
PEERS = {"Potato": "potato-annotation", "oTree": "otree"}


@dataclass(frozen=True)
class Step:
    """One step: how long it took and how many bytes it left behind; None: that is not asked."""

    name: str
    seconds: float | None
    bytes: int | None = None

    def line(self) -> str:
        """Return the step as a line of a table."""
        size = "" if self.bytes is None else f"{self.bytes / 1e6:8.0f} MB"
        seconds = 9 * " " if self.seconds is None else f"{self.seconds:7.1f} s"
        return f"{self.name:50} {seconds} {size}".rstrip()


@dataclass
class Environment:
    """A fresh environment with nothing but what was asked for, and a home of its own."""

    folder: Path
    given: dict[str, str] = field(default_factory=dict)

    @property
    def python(self) -> Path:
        """Return its interpreter."""
        return self.folder / "bin" / "python"

    @property
    def variables(self) -> dict[str, str]:
        """Return what its programs get to know: nothing of the machine's own settings."""
        home = self.folder / "home"
        home.mkdir(exist_ok=True)
        own = {"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "HOME": str(home), "LANG": "C.UTF-8"}
        return own | self.given

    def manage(self, *arguments: object) -> str:
        """Run a command of foolrate there and return what it printed."""
        return self.run(self.python, "manage.py", *arguments)

    def run(self, *command: object) -> str:
        """Run a program there. Raises `ClickException` with its last line where it fails."""
        words = [str(word) for word in command]
        done = subprocess.run(
            words, cwd=ROOT, env=self.variables, capture_output=True, text=True, check=False
        )
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise click.ClickException(f"{' '.join(words[1:5])} …: {last}")
        return done.stdout

    @contextmanager
    def process(self, *command: object) -> Iterator[subprocess.Popen[bytes]]:
        """Yield a program that runs there; it is ended afterwards."""
        words, nowhere = [str(word) for word in command], subprocess.DEVNULL
        with subprocess.Popen(
            words, cwd=ROOT, env=self.variables, stdout=nowhere, stderr=nowhere
        ) as running:
            try:
                yield running
            finally:
                running.terminate()
                running.wait(60)


def index_answers(folder: Path) -> bool:
    """Return whether an index of packages can be reached from here."""
    asked = [
        "download",
        "-q",
        "--no-deps",
        "--disable-pip-version-check",
        "-d",
        str(folder),
        "click",
    ]
    done = subprocess.run([sys.executable, "-m", "pip", *asked], capture_output=True, check=False)
    return done.returncode == 0


def install(folder: Path, name: str, *, quick: bool = False) -> tuple[Environment, Step]:
    """Return a fresh environment with a part of foolrate or a peer, and what that took.

    Its size is that of all files that came with the packages, without pip. `quick` leaves out the
    bytecode and a pip of its own, and takes what pip has kept; else everything is fetched from the
    index. Raises `ClickException` where pip fails.
    """
    made = Environment(folder)
    bare = ["--without-pip"] if quick else []
    subprocess.run([sys.executable, "-m", "venv", *bare, str(folder)], check=True)
    before = size_of(folder)
    if name in PARTS:
        files = [word for part in PARTS[name] for word in ("-r", f"requirements/{part}.txt")]
        wanted = ["-c", "constraints.txt", *files]
    else:
        wanted = [PEERS[name]]
    ours = [sys.executable, "-m", "pip", "--python", str(made.python)]
    pip = [*(ours if quick else [str(made.python), "-m", "pip"]), "install", "-q"]
    pip += ["--disable-pip-version-check"]
    # Where packages come from is for the machine's own settings to say.
    fetching = Environment(folder, {k: v for k, v in os.environ.items() if k != "PYTHONPATH"})
    started = time.perf_counter()
    fetching.run(*pip, "--no-compile" if quick else "--no-cache-dir", *wanted)
    seconds = time.perf_counter() - started
    return made, Step(f"{name}: pip install", seconds, size_of(folder) - before)


def compiled_in(folder: Path) -> int:
    """Return the bytes of the bytecode in an environment, which an image is made without."""
    return sum(path.lstat().st_size for path in folder.rglob("*.pyc"))


def size_of(folder: Path) -> int:
    """Return the bytes of all files below a folder."""
    return sum(path.lstat().st_size for path in folder.rglob("*") if not path.is_dir())


def timed(steps: list[Step], name: str) -> _Timed:
    """Return a context that adds a step; its `left` may be given the folder that it writes."""
    return _Timed(steps, name)


@dataclass
class _Timed:
    steps: list[Step]
    name: str
    left: Path | None = None
    started: float = 0.0

    def __enter__(self) -> _Timed:
        self.started = time.perf_counter()
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        seconds = time.perf_counter() - self.started
        if kind is None:
            size = None
            if self.left is not None:
                size = size_of(self.left) if self.left.is_dir() else self.left.stat().st_size
            self.steps.append(Step(self.name, seconds, size))
