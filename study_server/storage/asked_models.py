"""The tables of what raters are asked besides the choices, apart from their judgments."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Float,
    ForeignKey,
    ForeignKeyConstraint,
    Integer,
    String,
    Text,
)
from sqlalchemy.orm import Mapped, mapped_column

from study_server.storage.models import Base


class QuestionnaireAnswer(Base):
    """One answer of a questionnaire: personal data, with a time of its own to be kept."""

    __tablename__ = "questionnaire_answer"

    session_id: Mapped[int] = mapped_column(ForeignKey("rater_session.id"), primary_key=True)
    question: Mapped[str] = mapped_column(String(40), primary_key=True)
    value: Mapped[str] = mapped_column(Text)  # empty: left out
    answered_at: Mapped[int] = mapped_column(BigInteger)


class CheckAttempt(Base):
    """One attempt at the comprehension check; how many answers were right, not which."""

    __tablename__ = "check_attempt"
    __table_args__ = (CheckConstraint("attempt IN (1, 2)", name="attempt_known"),)

    session_id: Mapped[int] = mapped_column(ForeignKey("rater_session.id"), primary_key=True)
    attempt: Mapped[int] = mapped_column(Integer, primary_key=True)
    right_answers: Mapped[int] = mapped_column(Integer)
    answered_at: Mapped[int] = mapped_column(BigInteger)


class JudgmentReason(Base):
    """Why a rater chose, in their words: personal data, which can go while the judgment stays.

    The judgment holds a digest of this row, with a random number in it that goes too.
    """

    __tablename__ = "judgment_reason"
    __table_args__ = (
        ForeignKeyConstraint(
            ["session_id", "position"], ["judgment.session_id", "judgment.position"]
        ),
    )

    session_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    position: Mapped[int] = mapped_column(Integer, primary_key=True)
    words: Mapped[str] = mapped_column(Text)
    taken_ms: Mapped[float | None] = mapped_column(Float(53))  # from the question to the last word
    nonce: Mapped[str] = mapped_column(String(32))
