"""What the parts of a study file are made of. A format module (no flask, no sqlalchemy)."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from study_server.words import Words


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
