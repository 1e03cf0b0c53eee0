"""An item may have a text prompt, which stands over its images."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; items from before have none."""
    op.add_column("item", sa.Column("prompt", sa.Text()))
