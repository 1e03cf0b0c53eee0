"""Sections and texts of a study file: texts in one language or several, in place or from files.

A format module (no flask, no sqlalchemy). ``consent = "file:consent.txt"`` takes the words of that
file. What was read is kept in a table ``[texts]`` at the end of the study file, so that a study
needs no other file once it is made.
"""

from __future__ import annotations

import copy
import json
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from generators.errors import cause
from generators.files import from_home, read_file
from study_server.errors import StudyFileError

# One text for all languages, or language -> text.
Words = str | dict[str, str]

MARK = "file:"
TABLE = "texts"
MOST_BYTES = 64 * 1024
# Where a study file may name a file: below these keys.
_PLACES = (
    ("study", "title"),
    ("study", "consent"),
    ("study", "pay"),
    ("study", "question"),
    ("question",),
    ("check",),
    ("ask",),
    ("reason", "wording"),
    ("results", "names"),
    ("recruit", "description"),
)
_SAID = "# The words of the files named above, as they were read. The files are not read again."


class Section(BaseModel):
    """A part of the file: frozen, and a key it does not know is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Option(Section):
    """One answer of several: what is stored, and what raters read."""

    value: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.+-]{0,39}$")
    text: Words


def is_pair(given: Any, kind: type) -> bool:
    """Return whether a value of the file is a list of two of this kind."""
    two = isinstance(given, (list, tuple)) and len(given) == 2
    return two and all(type(each) is kind for each in given)


def in_language(words: Words, language: str) -> str:
    """Return a text in a language; where it has none of its own, the first that there is."""
    if isinstance(words, str):
        return words
    return words.get(language) or next(iter(words.values()))


def lacking(words: Words | None, languages: Iterable[str]) -> str | None:
    """Return the first language that a text lacks, None for one that lacks none."""
    if not isinstance(words, Mapping):
        return None
    return next((each for each in languages if not words.get(each, "").strip()), None)


def with_files(text: str, fields: Mapping[str, Any], name: str) -> str:
    """Return a study file's text with a table of the texts that it takes from files.

    Paths are relative to the directory that the command is run in, as all paths of a study file.
    Raises `StudyFileError` for a file that is missing, too long, not UTF-8 or empty.
    """
    wanted = dict(_named(fields))
    kept = fields.get(TABLE) or {}
    if not isinstance(kept, dict):
        return text  # and `filled_in` says so
    lacking = {file: where for file, where in wanted.items() if file not in kept}
    if not lacking:
        return text
    if kept:
        file, where = next(iter(lacking.items()))
        raise StudyFileError(_lacks(name, where, file))
    read = {file: _read(file, f"{name}: {where}") for file, where in lacking.items()}
    lines = [f"{_quoted(file)} = {_quoted(words)}" for file, words in read.items()]
    return "\n".join([text.rstrip("\n"), "", _SAID, f"[{TABLE}]", *lines, ""])


def filled_in(fields: dict[str, Any], name: str, *, stored: bool) -> dict[str, Any]:
    """Return the content of a study file with the words of [texts] where files are named.

    A `stored` study of before may have words that begin as a file's name does. Raises
    `StudyFileError` for a file whose words are not there.
    """
    texts = fields.get(TABLE, {})
    if not isinstance(texts, dict) or not all(isinstance(each, str) for each in texts.values()):
        raise StudyFileError(f"{name}: [{TABLE}] holds something else than texts")

    def words(file: str, where: str) -> str:
        if file not in texts and not stored:
            raise StudyFileError(_lacks(name, where, file))
        return str(texts.get(file, MARK + file))

    rest = {key: value for key, value in fields.items() if key != TABLE}
    for place in _PLACES:
        _change(rest, place, "", words)
    return rest


def _lacks(name: str, where: str, file: str) -> str:
    return f"{name}: {where} is {MARK + file!r}, and [{TABLE}] has no such text"


def _named(fields: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield (file, where) of every file that is named."""
    found: list[tuple[str, str]] = []

    def note(file: str, where: str) -> str:
        found.append((file, where))
        return MARK + file

    for place in _PLACES:
        _change(copy.deepcopy(dict(fields)), place, "", note)
    yield from reversed(found)  # of two places that name one file, the first is told


def _change(
    inside: Any, place: tuple[str, ...], where: str, words: Callable[[str, str], str]
) -> None:
    """Put other words in place of the files' names below a place, `inside` itself is changed."""
    listed = isinstance(inside, list)
    keys: list[Any] = list(range(len(inside))) if listed else [place[0]] if place else list(inside)
    rest = place if listed else place[1:]
    for key in keys:
        value = inside[key] if listed else inside.get(key)
        here = f"{where}.{key}" if where else str(key)
        if isinstance(value, dict | list):
            _change(value, rest, here, words)
        elif isinstance(value, str) and not rest and value.startswith(MARK):
            inside[key] = words(value.removeprefix(MARK), here)


def _read(file: str, where: str) -> str:
    """Return the words of a file, its lines ended alike. Raises `StudyFileError` naming both."""
    what = f"{where}: {file}"
    try:
        words = read_file(Path(from_home(file)), MOST_BYTES).decode("utf-8-sig")
    except FileNotFoundError:
        raise StudyFileError(f"{what}: no such file, expected a text file (UTF-8)") from None
    except UnicodeDecodeError as error:
        raise StudyFileError(
            f"{what}: byte {error.start} is not UTF-8, expected a text file (UTF-8)"
        ) from None
    except (OSError, ValueError) as error:
        raise StudyFileError(f"{what}: cannot be read ({cause(error)})") from None
    words = re.sub(r"[ \t]+$", "", words.replace("\r\n", "\n"), flags=re.MULTILINE).strip()
    if not words:
        raise StudyFileError(f"{what}: is empty, expected a text")
    strange = next((c for c in words if unicodedata.category(c) == "Cc" and c not in "\n\t"), None)
    if strange is not None:
        raise StudyFileError(f"{what}: holds the control character {strange!r}, expected a text")
    return words


def _quoted(text: str) -> str:
    """Return a text as a string of TOML."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
