"""A study's counterpart on a recruitment panel, and the changes that were sent there."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "panel_study",
        sa.Column("study_id", ROW_ID, nullable=False),
        sa.Column("mark", sa.String(length=32), nullable=False),
        sa.Column("panel_id", sa.String(length=64), nullable=True),
        sa.Column("seen", sa.Text(), nullable=False),
        sa.Column("seen_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["study_id"], ["study.id"], name="fk_panel_study_study_id_study"),
        sa.PrimaryKeyConstraint("study_id", name="pk_panel_study"),
    )
    op.create_table(
        "panel_change",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("study_id", ROW_ID, nullable=False),
        sa.Column("key", sa.String(length=80), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("claim", sa.String(length=32), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "state IN ('intended', 'sent', 'accepted', 'done', 'failed')",
            name="ck_panel_change_state_known",
        ),
        sa.ForeignKeyConstraint(["study_id"], ["study.id"], name="fk_panel_change_study_id_study"),
        sa.PrimaryKeyConstraint("id", name="pk_panel_change"),
        sa.UniqueConstraint("study_id", "key", name="uq_panel_change_study_id_key"),
    )
