"""What raters are asked besides the trials."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "questionnaire_answer",
        sa.Column("session_id", ROW_ID, nullable=False),
        sa.Column("question", sa.String(length=40), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("answered_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["session_id"],
            ["rater_session.id"],
            name="fk_questionnaire_answer_session_id_rater_session",
        ),
        sa.PrimaryKeyConstraint("session_id", "question", name="pk_questionnaire_answer"),
    )
    op.create_table(
        "check_attempt",
        sa.Column("session_id", ROW_ID, nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("right_answers", sa.Integer(), nullable=False),
        sa.Column("answered_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("attempt IN (1, 2)", name="ck_check_attempt_attempt_known"),
        sa.ForeignKeyConstraint(
            ["session_id"], ["rater_session.id"], name="fk_check_attempt_session_id_rater_session"
        ),
        sa.PrimaryKeyConstraint("session_id", "attempt", name="pk_check_attempt"),
    )
