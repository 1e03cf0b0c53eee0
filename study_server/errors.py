"""Errors of this package.

StudyError                  what a researcher can put right; the command line prints it as one line
├── StudyFileError          the study file is wrong, or does not fit its runs
├── StimulusError           images that cannot be shown fairly beside each other
├── DatabaseError           no database, one of a newer version, or one that cannot be reached
├── StateError              the study is not in the state that the command needs
├── AddressError            a port in use, or an address that cannot be served
└── PanelError              the recruitment panel refuses, or what it is to be sent is wrong
    ├── UnreachableError    the panel cannot be reached; nothing was sent
    └── LostAnswerError     whether the panel did what it was asked is not known
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class StudyError(Exception):
    """What a researcher can put right: the message says what was found and what was expected."""


class StudyFileError(StudyError):
    """The study file is wrong, or does not fit the runs it names."""


@contextmanager
def said_of(study_file: Path) -> Iterator[None]:
    """Begin the messages of `StudyFileError` with the study file, where they do not name it."""
    try:
        yield
    except StudyFileError as error:
        words = str(error)
        raise StudyFileError(
            words if str(study_file) in words else f"{study_file}: {words}"
        ) from None


class StimulusError(StudyError):
    """Images cannot be shown fairly beside each other."""


class DatabaseError(StudyError):
    """The database is missing, newer than this program, or cannot be reached."""


class StateError(StudyError):
    """The study is not in the state that the command needs."""


class AddressError(StudyError):
    """The address cannot be served."""


class PanelError(StudyError):
    """The recruitment panel refuses, or what it is to be sent is wrong; `status` is HTTP's."""

    def __init__(self, message: str, status: int | None = None) -> None:
        """Keep the message and the status of the answer, None where there was none."""
        super().__init__(message)
        self.status = status


class UnreachableError(PanelError):
    """The panel cannot be reached: nothing was sent."""


class LostAnswerError(PanelError):
    """The panel may have done what it was asked, or not: its answer did not arrive."""
