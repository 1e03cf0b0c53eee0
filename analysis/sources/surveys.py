"""What survey tools add to their tables that is no judgment: header rows, previews, end marks."""

from __future__ import annotations

import re
from dataclasses import replace

from analysis.errors import TableError
from analysis.judgments.ids import folded
from analysis.numerals import counted
from analysis.sources.table import SourceTable

# Qualtrics' Status, as text and as code: 0 is a real response, an imported one is 4.
PREVIEWS = {"survey preview", "survey test", "spam", "1", "2", "8", "9", "12", "17"}
# In every language a response is named after the IP address that it came from.
RESPONSES = re.compile(r"0|4|16||(.*[^a-z])?ip([^a-z].*)?|.*import.*|.*offline.*")
PREVIEW = "previews, tests and spam, by Qualtrics' Status"
END_MARKS = ("END OF FILE",)  # Gorilla's last row


def without_survey_rows(source: SourceTable, keep_unfinished: bool) -> SourceTable:
    """Return a source without what its survey tool put around the responses; says what went."""
    source = _without_end(source)
    headers = _qualtrics_headers(source)
    if headers is None:
        return source
    table = source.table.iloc[headers:]
    said = list(source.left_out)
    name = _named(source, headers, "status", "Status")
    if name is not None:
        status = [folded(each) for each in table[name]]
        real = [RESPONSES.fullmatch(each) is not None for each in status]
        said += _told([each not in PREVIEWS for each in status], PREVIEW)
        for word in sorted({*status} - PREVIEWS):
            if not RESPONSES.fullmatch(word):
                count = counted(status.count(word), "row")
                said.append(f"{count} with {name} {word!r}")
        table = table[real]
    name = _named(source, headers, "finished", "Finished")
    if name is not None and not keep_unfinished:
        finished = [folded(each) for each in table[name]]
        _refuse_other_words(name, finished)
        done = [each in ("true", "1") for each in finished]
        said += _told(done, "unfinished responses, by Qualtrics' Finished (--keep-unfinished)")
        table = table[done]
    how = f"{source.how}; Qualtrics, {headers + 1} header rows"
    return replace(source, table=table, how=how, left_out=tuple(said))


def _refuse_other_words(name: str, finished: list[str]) -> None:
    other = next((each for each in finished if each not in ("true", "1", "false", "0", "")), None)
    if other is not None:
        raise TableError(
            f"Qualtrics' {name} holds {other!r}, expected true or false; give --keep-unfinished"
            f" and --where {name}=VALUE"
        )


def _qualtrics_headers(source: SourceTable) -> int | None:
    """Return how many of the first rows are headers of Qualtrics, None where it is another's."""
    for at in range(min(3, len(source.table))):
        if any("ImportId" in cell and cell.startswith("{") for cell in source.table.iloc[at]):
            return at + 1
    return None


def _named(source: SourceTable, headers: int, import_id: str, english: str) -> str | None:
    """Return the column that Qualtrics knows by an id; its name is in the survey's language."""
    wanted = re.compile(rf'{{"ImportId":\s*"{import_id}"[,}}].*')
    ids = source.table.iloc[headers - 1]
    found = next((name for name, cell in ids.items() if wanted.fullmatch(str(cell))), None)
    return str(found) if found is not None else english if english in source.table else None


def _told(kept: list[bool], what: str) -> list[str]:
    count = kept.count(False)
    return [f"{count} {what}"] if count else []


def _without_end(source: SourceTable) -> SourceTable:
    table = source.table
    if len(table) and table.shape[1] and table.iloc[-1, 0] in END_MARKS:
        return replace(source, table=table.iloc[:-1])
    return source
