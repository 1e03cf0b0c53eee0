"""The article remade in one folder: the stages, then the report of what they gave."""

from __future__ import annotations

import platform
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from generators.errors import WriteError
from generators.files import alone_in, utc_now, write_together
from replication.errors import ReplicationError
from replication.page.html import render
from replication.results.classes import classes_section
from replication.results.schema import Results, to_json
from replication.results.upscaling import faces_section, large_faces_section, photos_section
from replication.stages.making import STAGES, Place, Run, make, run_command
from replication.stages.plan import plan
from replication.stages.request import QUICK, Request

# What may change the outputs of a command that is given the same inputs.
LIBRARIES = ("numpy", "pillow", "scipy", "torch", "foolrate-cpu-kernels")


def remake(request: Request, say: Callable[[str], None], run: Run = run_command) -> Path:
    """Make all that is not made yet and return report.html's path; `run` runs one command.

    Raises `ReplicationError` with the line of the command that failed, `WriteError` where the
    folder cannot be written.
    """
    try:
        with alone_in(request.out, "is at work in it") as held:
            _refuse_others_files(request.out)
            stages = plan(request)
            (request.out / STAGES).mkdir(exist_ok=True)
            for config in (one for stage in stages for one in stage.configs):
                config.write()
            make(stages, Place(request.out, _versions(), held), say, run)
            results = collect(request)
            report = request.out / "report.html"
            page = render(results).encode()
            write_together({request.out / "results.json": to_json(results), report: page})
    except WriteError:
        raise
    except OSError as error:  # a full disk, a file that went
        raise ReplicationError(f"{error.filename or request.out}: {error.strerror}") from None
    return report


def _refuse_others_files(out: Path) -> None:
    """Refuse a folder of somebody's own files: stages remove what is in their outputs' way."""
    if any(out.iterdir()) and not (out / STAGES).is_dir():
        raise ReplicationError(
            f"{out}: holds other files, expected a new folder or one that this command began"
        )


def collect(request: Request) -> Results:
    """Return what finished stages gave."""
    sections = (
        faces_section(request),
        large_faces_section(request),
        photos_section(request),
        classes_section(request),
    )
    return Results(request.size == QUICK, sections, utc_now())


def _versions() -> str:
    found: dict[str, Any] = {"python": platform.python_version()}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = None
    return str(found)
