"""A trial may show a part of its images, and an answer say what a rater did with the zoom."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns; trials from before show whole images, and nobody zoomed."""
    # Plain ALTER TABLE on both databases: rebuilding the table would drop its append-only trigger.
    op.add_column("judgment", sa.Column("viewport", sa.Text()))
    op.add_column("trial", sa.Column("window_x", sa.Integer()))
    op.add_column("trial", sa.Column("window_y", sa.Integer()))
