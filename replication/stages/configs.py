"""TOML files that stages hand to commands: presets with some keys changed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from generators.files import write_atomically


@dataclass(frozen=True)
class Config:
    """A configuration that is not written yet: where it goes, and its text."""

    path: Path
    text: str

    def write(self) -> None:
        """Write the file."""
        write_atomically(self.path, self.text.encode())


def config_of(path: Path, fields: Mapping[str, Any]) -> Config:
    """Return a configuration that is to be written once the whole request is known to be good."""
    return Config(path, toml_text(fields))


def write_config(path: Path, fields: Mapping[str, Any]) -> Path:
    """Write a configuration and return its path."""
    config_of(path, fields).write()
    return path


def changed(fields: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keys with those of `changes` in their place, table by table; None removes one."""
    merged = dict(fields)
    for key, value in changes.items():
        old = merged.get(key)
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, Mapping) and isinstance(old, Mapping):
            merged[key] = changed(old, value)
        else:
            merged[key] = value
    return merged


def toml_text(fields: Mapping[str, Any], within: str = "") -> str:
    """Return keys as TOML: plain ones first, then tables and arrays of tables.

    >>> print(toml_text({"a": {"b": [1, 2]}, "c": "é", "d": [{"e": True}]}), end="")
    c = "é"
    <BLANKLINE>
    [a]
    b = [1, 2]
    <BLANKLINE>
    [[d]]
    e = true
    """
    plain = [f"{_key(k)} = {_value(v)}\n" for k, v in fields.items() if not _is_table(v)]
    text = "".join(plain)
    for key, value in fields.items():
        name = f"{within}.{_key(key)}" if within else _key(key)
        if isinstance(value, Mapping):
            text += f"\n[{name}]\n{toml_text(value, name)}"
        elif _is_table(value):
            text += "".join(f"\n[[{name}]]\n{toml_text(one, name)}" for one in value)
    return text


def _is_table(value: object) -> bool:
    tables = isinstance(value, list | tuple) and bool(value) and isinstance(value[0], Mapping)
    return isinstance(value, Mapping) or tables


def _key(key: str) -> str:
    bare = key.isascii() and key.replace("_", "").replace("-", "").isalnum()
    return key if bare else json.dumps(key, ensure_ascii=False)


def _value(value: Any) -> str:
    return json.dumps(str(value) if isinstance(value, Path) else value, ensure_ascii=False)
