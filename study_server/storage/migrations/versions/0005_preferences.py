"""A trial may hold two models against each other, and an answer be neither side."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TASKS = "task IN ('task1', 'task2', 'preference')"


def upgrade() -> None:
    """Change the tables; what is in them stays true, word for word."""
    # Plain ALTER TABLE on both databases: rebuilding the table would drop its append-only trigger.
    op.add_column("judgment", sa.Column("answers", sa.Text()))
    with op.batch_alter_table("block") as table:
        table.drop_constraint("ck_block_task_known", type_="check")
        table.alter_column("task", existing_type=sa.String(5), type_=sa.String(12))
        table.create_check_constraint("ck_block_task_known", TASKS)
    with op.batch_alter_table("trial") as table:
        table.add_column(sa.Column("other_id", ROW_ID, nullable=True))
        table.add_column(sa.Column("showing", sa.Integer(), nullable=False, server_default="0"))
        table.create_foreign_key("fk_trial_other_id_condition", "condition", ["other_id"], ["id"])
        table.drop_constraint("uq_trial_block_id_item_id", type_="unique")
        table.create_unique_constraint(
            "uq_trial_block_id_item_id_showing", ["block_id", "item_id", "showing"]
        )
