"""Each example of docs/import.md, run from the page's own text."""

from __future__ import annotations

import csv
import gzip
import io
import re
import shlex
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pytest
from click.testing import CliRunner

import manage

PAGE = Path(__file__).resolve().parents[3] / "docs" / "import.md"
OUTPUTS = ("judgments.csv", "comparisons.csv")
KINDS_OF_POINT_2 = (
    "--duels",
    "--map winner",
    "fooled_count",
    "fool_rate",
    "--join",
    "--where",
    "--extract",
    "--skip-lines",
    "--rater-per-row",
    ".parquet",
    ".gz",
    ".xlsx",
    "jatos",
    "qualtrics",
    "--each",
    "--section",
    "--radio",
    "--json-column",
    "--unknown-raters",
    "--unknown-items",
)


@dataclass(frozen=True)
class Example:
    files: tuple[tuple[str, str], ...]
    command: str
    out: str
    expected: str


def examples() -> list[Example]:
    """Return the page's examples: files, then a command, then the file that comes out."""
    found = []
    files: list[tuple[str, str]] = []
    command = ""
    for info, body in re.findall(
        r"^```(.*?)\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE
    ):
        kind, _, name = info.partition(" ")
        if kind == "sh":
            command = body.replace("\\\n", " ").strip()
        elif name in OUTPUTS:
            found.append(Example(tuple(files), command, name, body))
            files = []
        else:
            files.append((name, body))
    return found


def typed(cell: str) -> object:
    if cell in ("TRUE", "FALSE"):
        return cell == "TRUE"
    if re.fullmatch(r"\d{4}-\d\d-\d\d", cell):
        return datetime.fromisoformat(cell)
    return int(cell) if cell.isdecimal() else cell


def put(path: Path, text: str) -> None:
    """Write a file of the page; Excel, Parquet and gzip are made of the CSV that is shown."""
    path.parent.mkdir(exist_ok=True)
    rows = [[typed(cell) for cell in row] for row in csv.reader(io.StringIO(text))]
    if path.suffix == ".xlsx":
        from openpyxl import Workbook

        book = Workbook()
        for row in rows:
            book.active.append(row)
        book.save(path)
    elif path.suffix == ".parquet":
        import pyarrow as pa
        import pyarrow.parquet as pq

        header, *body = rows
        pq.write_table(
            pa.table(dict(zip(map(str, header), zip(*body, strict=True), strict=True))), path
        )
    elif path.suffix == ".gz":
        path.write_bytes(gzip.compress(text.encode()))
    else:
        path.write_text(text)


@pytest.mark.parametrize("example", examples(), ids=lambda each: each.files[0][0])
def test_an_example_of_the_page_does_what_the_page_says(
    example: Example, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, body in example.files:
        put(tmp_path / name, body)
    words = shlex.split(example.command)
    assert words[:4] == ["python", "manage.py", "analysis", "import"]
    result = CliRunner().invoke(manage.main, words[2:], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    written = (tmp_path / example.out).read_text()
    assert re.sub(r"\br[0-9a-f]{4}-(?=\d{4}\b)", "r-", written) == example.expected
    assert "answers:" in result.output  # the table of answers is printed by every import


def test_each_kind_has_its_example() -> None:
    shown = " ".join(f"{each.files} {each.command}" for each in examples())
    assert [kind for kind in KINDS_OF_POINT_2 if kind not in shown] == []
