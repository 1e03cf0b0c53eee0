"""The export folder as one zip file to download."""

from __future__ import annotations

import io
import tempfile
import zipfile
from pathlib import Path

from study_server.export.export import export_study
from study_server.storage.database import Database
from study_server.storage.models import Study


def zipped_export(database: Database, study: Study) -> bytes:
    """Return the study's export folder, as `study export` writes it, as a zip file."""
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / f"{study.slug}-v{study.version}"
        export_study(database, f"{study.slug}@{study.version}", target)
        return _zip(target)


def _zip(folder: Path) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                archive.write(path, path.relative_to(folder.parent).as_posix())
    return stream.getvalue()
