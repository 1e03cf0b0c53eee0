"""What survey tools add to their tables that is no judgment: header rows, previews, end marks."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from analysis.errors import TableError
from analysis.judgments.ids import folded
from analysis.sources.table import SourceTable

# Qualtrics' Status, as text and as code: 0 is a real response, an imported one is 4.
PREVIEWS = {"survey preview", "survey test", "spam", "1", "2", "8", "9", "12", "17"}
END_MARKS = ("END OF FILE",)  # Gorilla's last row


def without_survey_rows(source: SourceTable, keep_unfinished: bool) -> SourceTable:
    """Return a source without what its survey tool put around the responses; says what went."""
    source = _without_end(source)
    headers = _qualtrics_headers(source)
    if headers is None:
        return source
    table = source.table.iloc[headers:]
    said = list(source.left_out)
    status = _folded_column(table, "Status")
    if status is not None:
        real = [each not in PREVIEWS for each in status]
        said += _told(real, "previews, tests and spam, by Qualtrics' Status")
        table = table[real]
    finished = _folded_column(table, "Finished")
    if finished is not None and not keep_unfinished:
        _refuse_other_words(finished)
        done = [each in ("true", "1") for each in finished]
        said += _told(done, "unfinished responses, by Qualtrics' Finished (--keep-unfinished)")
        table = table[done]
    how = f"{source.how}; Qualtrics, {headers + 1} header rows"
    return replace(source, table=table, how=how, left_out=tuple(said))


def _refuse_other_words(finished: list[str]) -> None:
    other = next((each for each in finished if each not in ("true", "1", "false", "0", "")), None)
    if other is not None:
        raise TableError(
            f"Qualtrics' Finished holds {other!r}, expected true or false; give --keep-unfinished"
            " and --where Finished=VALUE"
        )


def _qualtrics_headers(source: SourceTable) -> int | None:
    """Return how many of the first rows are headers of Qualtrics, None where it is another's."""
    for at in range(min(3, len(source.table))):
        if any("ImportId" in cell and cell.startswith("{") for cell in source.table.iloc[at]):
            return at + 1
    return None


def _folded_column(table: pd.DataFrame, name: str) -> list[str] | None:
    return [folded(each) for each in table[name]] if name in table else None


def _told(kept: list[bool], what: str) -> list[str]:
    count = kept.count(False)
    return [f"{count} {what}"] if count else []


def _without_end(source: SourceTable) -> SourceTable:
    table = source.table
    if len(table) and table.shape[1] and table.iloc[-1, 0] in END_MARKS:
        return replace(source, table=table.iloc[:-1])
    return source
