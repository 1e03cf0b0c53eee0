"""Secrets and what is derived from them: session tokens, panel hashes, codes, payment ids.

Everything comes from one secret of the installation. It is read from ``FOOLRATE_SECRET``, from
the file that ``FOOLRATE_SECRET_FILE`` names, or from a file that is made on the first run. A file
has to be readable only by its owner; there is no default key.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import secrets
from pathlib import Path

from cryptography.fernet import Fernet
from sqlalchemy.engine import URL

from study_server.errors import StudyError

VARIABLE = "FOOLRATE_SECRET"
FILE_VARIABLE = "FOOLRATE_SECRET_FILE"
SECRET_BYTES = 32
LEAST_VARIETY = 16  # different bytes; 32 random bytes have fewer once in 10^16
_CODE_ALPHABET = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"  # nothing that can be misread


def load_secret(database: URL, environment: dict[str, str] | None = None) -> bytes:
    """Return the installation's secret, making its file on the first run (mode 0600).

    Raises `StudyError` for a secret that is too short or a file that others can read.
    """
    variables = os.environ if environment is None else environment
    given, file = variables.get(VARIABLE), variables.get(FILE_VARIABLE)
    if given:
        return _checked(given.strip(), VARIABLE)
    if file:
        if not Path(file).is_file():
            raise StudyError(f"{FILE_VARIABLE} is {file!r}, expected a file with the secret")
        return _read_secret(Path(file))
    path = secret_path(database)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return _read_secret(path)
    except OSError as error:
        raise StudyError(f"{path}: cannot be written ({error.strerror})") from None
    with os.fdopen(descriptor, "w") as stream:
        secret = secrets.token_hex(SECRET_BYTES)
        stream.write(secret + "\n")
    return bytes.fromhex(secret)


def secret_path(database: URL) -> Path:
    """Return the path of the secret: beside an SQLite database, else in the working directory."""
    if database.get_backend_name() == "sqlite":
        return Path(f"{database.database}.secret")
    return Path("foolrate.secret")


def _read_secret(path: Path) -> bytes:
    if path.stat().st_mode & 0o077:
        mode = oct(path.stat().st_mode & 0o777)
        raise StudyError(f"{path}: has mode {mode}, expected 0o600: others can read the secret")
    return _checked(path.read_text().strip(), str(path))


def _checked(text: str, name: str) -> bytes:
    try:
        secret = bytes.fromhex(text)
    except ValueError:
        raise StudyError(
            f"{name}: is not hexadecimal, expected {2 * SECRET_BYTES} digits"
        ) from None
    if len(secret) < SECRET_BYTES:
        raise StudyError(f"{name}: has {len(text)} digits, expected {2 * SECRET_BYTES} or more")
    if (variety := len(set(secret))) < LEAST_VARIETY:
        raise StudyError(
            f"{name}: has {variety} different bytes, expected {LEAST_VARIETY} or more of a random"
            " secret: make one with `openssl rand -hex 32`"
        )
    return secret


def derive(secret: bytes, *label: str) -> bytes:
    """Return the 32-byte key for one purpose."""
    return hmac.digest(secret, "\0".join(label).encode(), "sha256")


def session_token(secret: bytes, study_id: int, number: int) -> str:
    """Return a rater's capability, 128 bits that only the secret's holder can work out."""
    digest = derive(secret, "session", str(study_id), str(number))
    return base64.urlsafe_b64encode(digest[:16]).rstrip(b"=").decode()


def token_hash(token: str) -> str:
    """Return what the database keeps of a token."""
    return hashlib.sha256(token.encode()).hexdigest()


def new_token() -> str:
    """Return 128 random bits, for invitations and page tokens."""
    return secrets.token_urlsafe(16)


def new_code() -> str:
    """Return a random completion code, 8 characters that cannot be misread."""
    return "".join(secrets.choice(_CODE_ALPHABET) for _ in range(8))


def panel_hash(secret: bytes, slug: str, panel_id: str) -> str:
    """Return the pseudonym of a panel's id within one study (all its versions)."""
    key = derive(secret, "panel", slug)
    return hmac.new(key, panel_id.strip().encode(), "sha256").hexdigest()


def link_signature(secret: bytes, slug: str, panel_id: str) -> str:
    """Return what proves that a link for this id came from us: 128 bits, for one study."""
    digest = hmac.digest(derive(secret, "link", slug), panel_id.strip().encode(), "sha256")
    return base64.urlsafe_b64encode(digest[:16]).rstrip(b"=").decode()


def simulation_pass(secret: bytes, slug: str) -> str:
    """Return the URL parameter by which a simulated rater says that it is one."""
    return derive(secret, "simulation", slug).hex()[:32]


def payment_cipher(secret: bytes, salt: str) -> Fernet:
    """Return the cipher of a study's payment ids; without the salt they are lost for good."""
    return Fernet(base64.urlsafe_b64encode(derive(secret, "payment", salt)))
