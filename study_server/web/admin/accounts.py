"""Accounts of the admin site: argon2id hashes, and no password known beforehand."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from study_server.errors import StudyError
from study_server.storage.clock import now_ms
from study_server.storage.database import Database
from study_server.storage.events import audit
from study_server.storage.models import AdminAccount

DEFAULT_NAME = "admin"
VARIABLE = "FOOLRATE_ADMIN_PASSWORD"
SHORTEST = 12
LONGEST = 1024  # argon2 reads all of it, so somebody could make us hash megabytes

_hasher = PasswordHasher()  # argon2id with the parameters of RFC 9106


@cache
def _decoy() -> str:
    return _hasher.hash(secrets.token_hex(16))


def generate_password() -> str:
    """Return 120 random bits in a form that can be typed."""
    text = secrets.token_hex(15)
    return "-".join(text[start : start + 6] for start in range(0, len(text), 6))


def check_strength(password: str, source: str) -> str:
    """Return the password. Raises `StudyError` for one that is too short or too long."""
    if not SHORTEST <= len(password) <= LONGEST:
        raise StudyError(
            f"{source}: has {len(password)} characters, expected {SHORTEST} to {LONGEST}"
        )
    return password


def set_password(database: Database, name: str, password: str) -> bool:
    """Set an account's password, and return whether the account is new; its sessions end."""
    with database.session() as db_session:
        account = db_session.scalar(select(AdminAccount).where(AdminAccount.name == name))
        now, new = now_ms(), account is None
        if account is None:
            account = AdminAccount(name=name, password_hash="", created_at=now, changed_at=now)
            db_session.add(account)
        account.password_hash = _hasher.hash(password)
        account.changed_at = max(now, account.changed_at + 1)
        audit(db_session, "command line", "admin password set", account=name, new=new)
    return new


def ensure_account(database: Database, environment: Mapping[str, str] | None = None) -> str | None:
    """Make the first account where there is none, and return its password if it was generated.

    A password in ``FOOLRATE_ADMIN_PASSWORD`` is used in place of a generated one, and not returned.
    """
    with database.reading() as db_session:
        if db_session.scalar(select(AdminAccount.id).limit(1)) is not None:
            return None
    given = (os.environ if environment is None else environment).get(VARIABLE)
    password = check_strength(given, VARIABLE) if given else generate_password()
    try:
        set_password(database, DEFAULT_NAME, password)
    except IntegrityError:  # another host starting at the same time made it
        return None
    return None if given else password


def verify(database: Database, name: str, password: str) -> AdminAccount | None:
    """Return the account whose name and password these are, else None.

    An unknown name costs the same time as a wrong password.
    """
    with database.reading() as db_session:
        account = db_session.scalar(select(AdminAccount).where(AdminAccount.name == name))
    known = account.password_hash if account else _decoy()
    if not _matches(known, password[:LONGEST]) or account is None:
        return None
    return account


def _matches(known: str, password: str) -> bool:
    try:
        return _hasher.verify(known, password)
    except (VerificationError, InvalidHashError):
        return False


def account_by_id(database: Database, account_id: int) -> AdminAccount | None:
    """Return an account, None when there is none."""
    with database.reading() as db_session:
        return db_session.get(AdminAccount, account_id)
