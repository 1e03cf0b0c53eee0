"""A trial may show one image."""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

TASKS = "task IN ('task1', 'task2', 'preference', 'single')"


def upgrade() -> None:
    """Let a block be of such trials; what is in the tables stays true, word for word."""
    with op.batch_alter_table("block") as table:
        table.drop_constraint("ck_block_task_known", type_="check")
        table.create_check_constraint("ck_block_task_known", TASKS)
