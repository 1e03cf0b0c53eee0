"""The tables of what raters are asked besides the trials, apart from their judgments."""

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Integer, String, Text
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
