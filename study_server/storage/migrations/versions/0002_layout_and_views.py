"""Store how the images were laid out, and how often a trial was shown."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add two columns; answers from before have neither."""
    # Plain ALTER TABLE on both databases: rebuilding the table would drop its append-only trigger.
    op.add_column("judgment", sa.Column("layout", sa.String(8)))
    op.add_column("judgment", sa.Column("views", sa.Integer()))
