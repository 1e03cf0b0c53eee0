"""Writing a data set to publish out of an export: judgments, images that may go, descriptions."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from generators.errors import GeneratorError
from generators.files import file_sha256, utc_now
from generators.manifest import Run, open_run
from study_server.errors import StudyError
from study_server.publication import metadata, released_rows
from study_server.publication.licences import DATA, IMAGES, checked
from study_server.publication.released_tables import Table, tables_of
from study_server.study_record import STUDY, RunRecord, StudyRecord, read_study_record

CHECKSUMS = "CHECKSUMS.sha256"
REFERENCE = "reference"


def release(
    export: Path,
    folder: Path,
    *,
    licence: str,
    images: Mapping[str, Path],
    image_licences: Mapping[str, str],
    url: str = "",
) -> int:
    """Write a release of an export into a new folder and return how many rows it holds.

    `images` maps conditions, or ``reference``, to their folders; each needs its licence. Raises
    `StudyError`, and leaves no folder, for a licence that does not allow it, images that are not
    the ones that raters saw, or a kind of trial that is not known.
    """
    if folder.exists():
        raise StudyError(f"{folder}: is there already, expected a new folder")
    checked(licence, DATA, "--license")
    study = read_study_record(export / STUDY)
    tables = tables_of(study, str(export))
    runs = _runs(study, images, image_licences)
    rows = released_rows.released_rows(export, tables)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
        made = Path(temporary) / "release"
        released = [
            _write_table(made, study, table, part, further=number > 0)
            for number, (table, part) in enumerate(zip(tables, rows, strict=True))
        ]
        for name, run in runs.items():
            _copy(run, made / "images" / name)
        facts = metadata.Facts(
            study=study,
            tables=tuple(released),
            licence=licence,
            images={name: image_licences[name] for name in runs},
            released_at=utc_now(),
            raters=len({row["rater_id"] for row in rows[0]}),
            url=url,
        )
        _describe(made, facts)
        shutil.move(made, folder)
    return len(rows[0])


def _write_table(
    made: Path, study: StudyRecord, table: Table, rows: list[released_rows.Row], *, further: bool
) -> metadata.Released:
    """Write a table as CSV, by Psych-DS's rule of names, and Parquet; return what was written."""
    number = str(study.study_id).replace("-", "")
    csv = f"data/study-{number}{'_description-further' if further else ''}_data.csv"
    _write(made / csv, released_rows.to_csv(rows, table))
    _write(made / table.parquet, released_rows.to_parquet(rows, table))
    return metadata.Released(table, csv, file_sha256(made / csv), len(rows))


def _runs(
    study: StudyRecord, images: Mapping[str, Path], licences: Mapping[str, str]
) -> dict[str, Run]:
    """Return the opened image folders, each checked against what raters saw."""
    known = dict(study.conditions) | ({REFERENCE: study.reference} if study.reference else {})
    found = {}
    for name, folder in images.items():
        if name not in known:
            raise StudyError(f"--images {name}: expected one of {', '.join(known)}")
        if name not in licences:
            raise StudyError(f"--images {name}: needs --images-license {name}=LICENCE")
        checked(licences[name], IMAGES, f"--images-license {name}")
        found[name] = _opened(name, folder, known[name])
    if REFERENCE in found:
        found = {name: run.with_ids_of(found[REFERENCE]) for name, run in found.items()}
    return found


def _opened(name: str, folder: Path, record: RunRecord) -> Run:
    try:
        run = open_run(folder)
    except GeneratorError as error:
        raise StudyError(f"--images {name}: {error}") from None
    if record.run_digest is not None and run.digest() != record.run_digest:
        raise StudyError(
            f"{folder}: has the digest {run.digest()[:12]}, expected {record.run_digest[:12]}:"
            " these are not the images that raters saw"
        )
    return run


def _copy(run: Run, folder: Path) -> None:
    folder.mkdir(parents=True)
    for item, path in run.files.items():
        shutil.copyfile(run.folder / path, folder / f"{item}{Path(path).suffix}")


def _describe(made: Path, facts: metadata.Facts) -> None:
    _write(made / "README.md", metadata.data_card(facts).encode())
    _write(made / "croissant.json", metadata.croissant(facts).encode())
    _write(made / "dataset_description.json", metadata.psych_ds(facts).encode())
    _write(made / "LICENSE", f"{facts.licence}\n{DATA[facts.licence]}\n".encode())
    files = sorted(path for path in made.rglob("*") if path.is_file())
    lines = [f"{file_sha256(path)}  {path.relative_to(made).as_posix()}" for path in files]
    _write(made / CHECKSUMS, ("\n".join(lines) + "\n").encode())


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
