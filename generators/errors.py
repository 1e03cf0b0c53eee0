"""Errors of this package.

GeneratorError              anything a user can put right; the command line prints it as one line
├── ConfigError             a TOML file, or a checkpoint that does not match it
│   └── SettingError        a key's value, found wrong where the TOML file's name is not known
├── HomeError               a path that begins with nobody's home; also a ValueError
├── ImageError              a file that is not the image it should be
├── RunError                a run folder that is missing, unfinished or altered
│   └── SharedIdError       two files of a folder that would be one item
└── WriteError              a file that cannot be written; also an OSError
"""

from collections.abc import Iterator
from contextlib import contextmanager


class GeneratorError(Exception):
    """Something the user can put right: names the file, the value and what was expected."""


class ConfigError(GeneratorError):
    """A configuration is wrong, or does not fit the checkpoint it names."""


class SettingError(ConfigError):
    """A key's value is wrong; `naming` adds the file that says it."""


@contextmanager
def naming(file: object) -> Iterator[None]:
    """Turn a `SettingError` into a `ConfigError` that names the configuration."""
    try:
        yield
    except SettingError as error:
        raise ConfigError(f"{file}: {error}") from None


class HomeError(GeneratorError, ValueError):
    """A path begins with nobody's home. A ``ValueError``, so that pydantic names the key."""


class ImageError(GeneratorError):
    """A file is not the image it should be."""


class RunError(GeneratorError):
    """A run folder is missing, unfinished or altered."""


class SharedIdError(RunError):
    """Two files of a folder share an item id."""


class WriteError(GeneratorError, OSError):
    """A file cannot be written: the disk is full, or it is not allowed. No half file stays."""

    def __init__(self, path: str, reason: str | None) -> None:
        super().__init__(path, reason)

    def __str__(self) -> str:
        """Return the message."""
        return f"{self.args[0]}: cannot be written ({self.args[1]})"


def cause(error: Exception) -> str:
    """Return in one line why a file cannot be read, without its name, which the message has."""
    lines = str(getattr(error, "strerror", None) or error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
