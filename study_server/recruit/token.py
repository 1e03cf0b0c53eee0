"""The panel's API token: from the environment or a private file, and shown nowhere."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from study_server.errors import PanelError

VARIABLE = "PROLIFIC_TOKEN"
_LEAST = 8


class Token:
    """A secret that only `header` gives away: printed or formatted, it is three dots."""

    def __init__(self, text: str) -> None:
        """Keep the token's text."""
        self._text = text

    def header(self) -> str:
        """Return the value of the Authorization header."""
        return f"Token {self._text}"

    def removed_from(self, text: str) -> str:
        """Return a text without the token, for a panel that repeats it in an error."""
        return text.replace(self._text, "…")

    def __repr__(self) -> str:
        """Return three dots."""
        return "Token(…)"


def load_token(
    file: Path | None,
    environment: Mapping[str, str] | None = None,
    *,
    variable: str = VARIABLE,
) -> Token:
    """Return the token of a file with mode 0600, or of an environment variable.

    Raises `PanelError` where there is none, others can read the file, or it is no token. The
    message never quotes what was found.
    """
    if file is not None:
        return _checked(_read(file), str(file))
    given = (os.environ if environment is None else environment).get(variable)
    if not given:
        raise PanelError(
            f"no token of the panel's API: set {variable}, or give --token-file with a file of mode"
            " 0600"
        )
    return _checked(given, variable)


def _read(file: Path) -> str:
    try:
        mode = file.stat().st_mode & 0o777
        if mode & 0o077:
            raise PanelError(f"{file}: has mode {mode:#o}, expected 0o600: others can read it")
        return file.read_text(encoding="ascii")
    except OSError as error:
        raise PanelError(f"{file}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise PanelError(f"{file}: holds more than a token, expected one line of ASCII") from None


def _checked(text: str, name: str) -> Token:
    token = text.strip()
    if len(token) < _LEAST or not token.isascii() or not token.isprintable() or " " in token:
        raise PanelError(f"{name}: holds no token, expected {_LEAST} printable characters or more")
    return Token(token)
