"""What is wrong with a file's content, in one line: the key, the value found, what is expected."""

from __future__ import annotations

import difflib
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

_PLAIN = {"tuple_type": "a list", "list_type": "a list", "dict_type": "a table"}


def first_problem(error: ValidationError, model: type[BaseModel]) -> str:
    """Return the first problem of a file of sections, whose content is ``model``."""
    # A misspelt key is also a missing one: name the key that is there, not the one that is not.
    problems = sorted(error.errors(include_url=False), key=lambda p: p["type"] != "extra_forbidden")
    problem = problems[0]
    parts = [str(part) for part in problem["loc"]]
    where = ".".join(part for part in parts if "[" not in part)  # not which of several types
    if problem["type"] == "extra_forbidden":
        return _unknown_key(problem["loc"], model)
    if problem["type"] == "missing":
        return f"the key {where} is missing"
    if problem["type"] == "value_error":
        return f"{where + ': ' if where else ''}{problem['ctx']['error']}"
    found = problem["input"]
    if problem["type"] in ("tuple_type", "list_type") and isinstance(found, dict):
        return f"{where} is one table, expected a list of tables: write [[{where}]]"
    if problem["type"] in _PLAIN:
        such_as = ', such as { en = "…" }' if parts[-1] == "wording" else ""
        return f"{where} is {found!r}, expected {_PLAIN[problem['type']]}{such_as}"
    return f"{where} is {found!r}, expected: {problem['msg'][0].lower()}{problem['msg'][1:]}"


def _unknown_key(location: tuple[Any, ...], model: type[BaseModel]) -> str:
    known: list[str] = sorted(_fields_at(location[:-1], model))
    key = str(location[-1])
    near = difflib.get_close_matches(key, known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"expected one of {', '.join(known)}"
    return f"no key {'.'.join(map(str, location))!r}, {hint}"


def _fields_at(location: tuple[Any, ...], model: type[BaseModel]) -> list[str]:
    """Return the keys of the whole file, of one of its sections or of a table in a list."""
    if not location:
        return list(model.model_fields)
    section = model.model_fields[str(location[0])].annotation
    inside = location[1:]
    while inside and isinstance(inside[0], int):
        inside = inside[1:]
    for kind in (section, *get_args(section)):
        if isinstance(kind, type(BaseModel)):
            return _fields_at(inside, kind)
    return []
