"""Accounts of the admin site and their logins. No password is known beforehand."""

from __future__ import annotations

import os
from collections.abc import Mapping

from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from study_server.storage.clock import CLOCKS_DIFFER_MS, now_ms
from study_server.storage.database import Database
from study_server.storage.events import audit
from study_server.storage.identity import new_token, token_hash
from study_server.storage.models import AdminAccount, AdminSession
from study_server.web.admin.passwords import (
    check_strength,
    decoy,
    generate_password,
    hash_password,
    matches,
)

DEFAULT_NAME = "admin"
VARIABLE = "FOOLRATE_ADMIN_PASSWORD"
LONGEST_LOGIN_MS = 12 * 3600 * 1000


def set_password(database: Database, name: str, password: str) -> bool:
    """Set an account's password, and return whether the account is new; its logins end."""
    hashed = hash_password(password)
    with database.session() as db_session:
        account = db_session.scalar(select(AdminAccount).where(AdminAccount.name == name))
        now, new = now_ms(), account is None
        if account is None:
            account = AdminAccount(name=name, password_hash="", created_at=now, changed_at=now)
            db_session.add(account)
        account.password_hash = hashed
        account.changed_at = max(now, account.changed_at + 1)
        db_session.flush()
        db_session.execute(delete(AdminSession).where(AdminSession.account_id == account.id))
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

    An unknown name costs the same time as a wrong password. Raises `passwords.BusyError`.
    """
    with database.reading() as db_session:
        account = db_session.scalar(select(AdminAccount).where(AdminAccount.name == name))
    known = account.password_hash if account else decoy()
    return account if matches(known, password) else None


def begin_login(db_session: Session, account: AdminAccount) -> str:
    """Return the token of a new login; the database keeps its hash. Old logins are forgotten."""
    token, now = new_token(), now_ms()
    db_session.execute(delete(AdminSession).where(AdminSession.created_at < now - LONGEST_LOGIN_MS))
    db_session.add(
        AdminSession(account_id=account.id, token_hash=token_hash(token), created_at=now)
    )
    return token


def account_of(database: Database, token: str) -> AdminAccount | None:
    """Return whose login a token is, None for one that has ended.

    One of the future ends too: it would last longer by as much as the clock was set back.
    """
    now = now_ms()
    query = (
        select(AdminAccount)
        .join(AdminSession, AdminSession.account_id == AdminAccount.id)
        .where(
            AdminSession.token_hash == token_hash(token),
            AdminSession.created_at.between(now - LONGEST_LOGIN_MS, now + CLOCKS_DIFFER_MS),
        )
    )
    with database.reading() as db_session:
        return db_session.scalar(query)


def end_login(db_session: Session, token: str) -> None:
    """End one login, whoever has copied its cookie."""
    db_session.execute(delete(AdminSession).where(AdminSession.token_hash == token_hash(token)))
