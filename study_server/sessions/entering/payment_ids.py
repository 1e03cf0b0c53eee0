"""Reading the panel's ids that a study keeps encrypted: for links back, and for giving credit."""

from __future__ import annotations

from cryptography.fernet import InvalidToken
from sqlalchemy import select

from study_server.storage.database import Database
from study_server.storage.identity import payment_cipher
from study_server.storage.models import PaymentId, RaterSession, Study


def payment_id(database: Database, secret: bytes, session_id: int) -> str | None:
    """Return the panel's id of one session, None where it is not kept or cannot be read."""
    query = (
        select(PaymentId.ciphertext, Study.payment_salt)
        .join(RaterSession, RaterSession.id == PaymentId.session_id)
        .join(Study, Study.id == RaterSession.study_id)
        .where(PaymentId.session_id == session_id)
    )
    with database.read() as connection:
        row = connection.execute(query).first()
    if row is None or row.payment_salt is None:
        return None
    return _opened(secret, row.payment_salt, row.ciphertext)


def finished_ids(database: Database, secret: bytes, study: Study) -> dict[int, str]:
    """Return rater number -> panel's id of every rater who finished and whose id can be read."""
    query = (
        select(RaterSession.number, PaymentId.ciphertext)
        .join(PaymentId, PaymentId.session_id == RaterSession.id)
        .where(
            RaterSession.study_id == study.id,
            RaterSession.outcome == "completed",
            RaterSession.simulated.is_(False),
        )
        .order_by(RaterSession.number)
    )
    if study.payment_salt is None:
        return {}
    with database.read() as connection:
        rows = connection.execute(query).all()
    found = {row.number: _opened(secret, study.payment_salt, row.ciphertext) for row in rows}
    return {number: text for number, text in found.items() if text is not None}


def _opened(secret: bytes, salt: str, ciphertext: bytes) -> str | None:
    try:
        return payment_cipher(secret, salt).decrypt(ciphertext).decode()
    except InvalidToken:  # the installation's secret was changed
        return None
