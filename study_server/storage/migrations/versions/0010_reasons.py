"""A trial may ask why a rater chose; the words are kept apart from the judgment."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns and the table; nobody was asked before."""
    # Plain ALTER TABLE on both databases: rebuilding the table would drop its append-only trigger.
    op.add_column("judgment", sa.Column("reason", sa.String(64)))
    op.add_column(
        "trial", sa.Column("reason", sa.Boolean(), nullable=False, server_default=sa.false())
    )
    op.create_table(
        "judgment_reason",
        sa.Column("session_id", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("taken_ms", sa.Float(53)),
        sa.Column("nonce", sa.String(32), nullable=False),
        sa.ForeignKeyConstraint(
            ["session_id", "position"],
            ["judgment.session_id", "judgment.position"],
            name="fk_judgment_reason_session_id_judgment",
        ),
        sa.PrimaryKeyConstraint("session_id", "position", name="pk_judgment_reason"),
    )
    _make_reasons_append_only()


def _make_reasons_append_only() -> None:
    if op.get_bind().dialect.name == "sqlite":
        op.execute(
            "CREATE TRIGGER judgment_reason_append_only BEFORE UPDATE ON judgment_reason"
            " BEGIN SELECT RAISE(ABORT, 'reasons are append-only'); END"
        )
        return
    op.execute(
        "CREATE TRIGGER judgment_reason_append_only BEFORE UPDATE ON judgment_reason"
        " FOR EACH ROW EXECUTE FUNCTION refuse_update()"
    )
