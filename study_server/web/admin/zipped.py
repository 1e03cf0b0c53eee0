"""The export folder as one zip file to download, made by a process of its own.

Writing out 100,000 judgments takes seconds of processor time; in a thread of the worker, every
answer would wait for it again and again. The process has the lowest priority.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from study_server.errors import StudyError
from study_server.export.export import export_study
from study_server.storage.database import Database
from study_server.storage.models import Study
from study_server.web.settings import DATABASE_VARIABLE

CHECKOUT = Path(__file__).resolve().parents[3]


def zipped_export(database: Database, study: Study) -> bytes:
    """Return the study's export folder, as `study export` writes it, as a zip file.

    Raises `StudyError`.
    """
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "export.zip"
        name = f"{study.slug}@{study.version}"
        command = [sys.executable, "-m", "study_server.web.admin.zipped", name, str(file)]
        # By the environment, because everybody on the machine can read a command line.
        url = database.url.render_as_string(hide_password=False)
        path = os.pathsep.join([str(CHECKOUT), *filter(None, [os.environ.get("PYTHONPATH")])])
        environment = os.environ | {"PYTHONPATH": path, DATABASE_VARIABLE: url}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            reason = done.stderr.strip().splitlines()[-1:] or ["no reason given"]
            raise StudyError(f"the export was not made: {reason[0]}")
        return file.read_bytes()


def main(name: str, file: Path) -> None:
    """Write the export of a study in the database of FOOLRATE_DATABASE into a zip file."""
    os.nice(19)
    database = Database(os.environ[DATABASE_VARIABLE])
    with tempfile.TemporaryDirectory(dir=file.parent) as folder:
        export_study(database, name, Path(folder) / name.replace("@", "-v"))
        _zip(Path(folder), file)
    database.dispose()


def _zip(folder: Path, file: Path) -> None:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                archive.write(path, path.relative_to(folder).as_posix())


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
