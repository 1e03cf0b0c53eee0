"""Errors of this package.

MetricError                 anything a user can put right; the command line prints it as one line
├── InputError              images that cannot be scored: bad files, bad pairs, too few of them
│   └── UnusableFiles       files that cannot be decoded, with the list
├── WeightsError            weights that are missing, altered or not finite
├── ScoreError              a scores file that is not one, or scores that must not be compared
└── NumericError            a number that does not exist: a matrix without a root, no convergence
"""

from __future__ import annotations

from collections.abc import Sequence


class MetricError(Exception):
    """Something the user can put right: the message names file, value found and expected."""


class InputError(MetricError):
    """Images that cannot be scored."""


class UnusableFiles(InputError):
    """Files that cannot be decoded: `problems` has a sentence for each."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(dict.fromkeys(problems))
        listed = few(self.problems, between="; ")
        super().__init__(f"{unusable(len(self.problems))}: {listed}")

    def __reduce__(self) -> tuple[type[UnusableFiles], tuple[tuple[str, ...]]]:
        return UnusableFiles, (self.problems,)


class WeightsError(MetricError):
    """A network's weights are missing, altered or not finite."""


class ScoreError(MetricError):
    """A scores file is not one, or its scores must not stand in one table."""


class NumericError(MetricError):
    """A value that does not exist for these inputs."""


def reason_of(error: Exception) -> str:
    """Return in one line why a computation failed."""
    if isinstance(error, MetricError):
        return str(error)
    first = (str(error).strip() or "no reason given").splitlines()[0]
    return f"{type(error).__name__}: {first}"


def counted(number: int, one: str, many: str) -> str:
    """Return a number with the right form of its noun: `1 file`, `2 files`."""
    return f"{number} {one if number == 1 else many}"


def unusable(number: int) -> str:
    """Return how many files cannot be used, in words."""
    return counted(number, "unusable file", "unusable files")


def few(names: Sequence[str], most: int = 5, between: str = ", ") -> str:
    """Return the first names and how many more there are: for one-line messages."""
    rest = len(names) - most
    return between.join(names[:most]) + (f" and {rest} more" if rest > 0 else "")
