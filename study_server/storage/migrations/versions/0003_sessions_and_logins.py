"""Session ids are never reused, browsers are known again, logins end on the server."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Change the tables."""
    op.create_table(
        "admin_session",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("account_id", ROW_ID, nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"],
            ["admin_account.id"],
            name="fk_admin_session_account_id_admin_account",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_admin_session"),
        sa.UniqueConstraint("token_hash", name="uq_admin_session_token_hash"),
    )
    column = sa.Column("browser_hash", sa.String(length=64), nullable=True)
    if op.get_bind().dialect.name != "sqlite":  # PostgreSQL never gives an id twice
        op.add_column("rater_session", column)
        return
    # AUTOINCREMENT is part of the table's text: SQLite has to make the table anew. The tables
    # that refer to it keep their references, because foreign keys are off (see `schema.upgrade`).
    options = {"sqlite_autoincrement": True}
    with op.batch_alter_table("rater_session", recreate="always", table_kwargs=options) as table:
        table.add_column(column)
    _count_on()


def _count_on() -> None:
    """Let new ids begin above all that were given, those of raters who withdrew among them.

    Each session took at most the next id, so no id is above the number of sessions ever begun.
    """
    connection = op.get_bind()
    begun = connection.execute(sa.text("SELECT sum(sessions_started) FROM study")).scalar() or 0
    highest = connection.execute(sa.text("SELECT max(id) FROM rater_session")).scalar() or 0
    values = {"last": max(begun, highest)}
    connection.execute(sa.text("DELETE FROM sqlite_sequence WHERE name = 'rater_session'"))
    connection.execute(
        sa.text("INSERT INTO sqlite_sequence VALUES ('rater_session', :last)"), values
    )
