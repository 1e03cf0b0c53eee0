"""A file, the options of `analysis import`, and what comes out: the table, or one line."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

import manage


def imported(
    folder: Path, name: str, content: str | bytes, *options: str
) -> tuple[int, pd.DataFrame | None]:
    """Return the exit status of an import of a file and the table that it wrote, if any."""
    source = folder / name
    source.write_bytes(content.encode() if isinstance(content, str) else content)
    out = folder / "out.csv"
    status = manage.run(["analysis", "import", str(source), "-o", str(out), *options])
    table = pd.read_csv(out, dtype=str, keep_default_na=False) if out.exists() else None
    return status, table


def refused(
    folder: Path, capsys: pytest.CaptureFixture[str], name: str, content: str | bytes, *options: str
) -> str:
    """Return the one line that an import ends with; it has to write nothing and print nothing."""
    before = {path.name for path in folder.iterdir()}
    status, table = imported(folder, name, content, *options)
    told = capsys.readouterr()
    assert status in (1, 2), told.out
    assert table is None
    assert {path.name for path in folder.iterdir()} - before <= {name}
    assert told.out == ""
    lines = told.err.strip().split("\n")
    assert len(lines) == 1 or status == 2, told.err
    assert "Traceback" not in told.err
    return lines[-1]
