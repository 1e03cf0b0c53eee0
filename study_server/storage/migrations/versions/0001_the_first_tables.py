"""The first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Change the tables."""
    op.create_table(
        "admin_account",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_admin_account"),
        sa.UniqueConstraint("name", name="uq_admin_account_name"),
    )
    op.create_table(
        "study",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("slug", sa.String(length=64), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("file_text", sa.Text(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("seed", sa.String(length=64), nullable=False),
        sa.Column("provenance", sa.Text(), nullable=False),
        sa.Column("sessions_started", sa.Integer(), nullable=False),
        sa.Column("payment_salt", sa.String(length=64), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("opened_at", sa.BigInteger(), nullable=True),
        sa.Column("closed_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "state IN ('draft', 'open', 'paused', 'closed')", name="ck_study_state_known"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_study"),
        sa.UniqueConstraint("slug", "version", name="uq_study_slug_version"),
    )
    op.create_table(
        "audit_log",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.String(length=64), nullable=False),
        sa.Column("action", sa.String(length=64), nullable=False),
        sa.Column("study_id", ROW_ID, nullable=True),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["study_id"], ["study.id"], name="fk_audit_log_study_id_study"),
        sa.PrimaryKeyConstraint("id", name="pk_audit_log"),
    )
    op.create_table(
        "condition",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("study_id", ROW_ID, nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("code", sa.String(length=16), nullable=False),
        sa.Column("role", sa.String(length=8), nullable=False),
        sa.Column("run_path", sa.Text(), nullable=False),
        sa.Column("run_digest", sa.String(length=64), nullable=False),
        sa.Column("generator", sa.Text(), nullable=False),
        sa.CheckConstraint("role IN ('judged', 'catch')", name="ck_condition_role_known"),
        sa.ForeignKeyConstraint(["study_id"], ["study.id"], name="fk_condition_study_id_study"),
        sa.PrimaryKeyConstraint("id", name="pk_condition"),
        sa.UniqueConstraint("code", name="uq_condition_code"),
        sa.UniqueConstraint("study_id", "name", name="uq_condition_study_id_name"),
    )
    op.create_table(
        "event",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("study_id", ROW_ID, nullable=True),
        sa.Column("rater_number", sa.Integer(), nullable=True),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["study_id"], ["study.id"], name="fk_event_study_id_study"),
        sa.PrimaryKeyConstraint("id", name="pk_event"),
    )
    op.create_index("ix_event_study_at", "event", ["study_id", "at"])

    op.create_table(
        "item",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("study_id", ROW_ID, nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("role", sa.String(length=8), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.CheckConstraint("role IN ('main', 'practice', 'catch')", name="ck_item_role_known"),
        sa.ForeignKeyConstraint(["study_id"], ["study.id"], name="fk_item_study_id_study"),
        sa.PrimaryKeyConstraint("id", name="pk_item"),
        sa.UniqueConstraint("study_id", "name", name="uq_item_study_id_name"),
    )
    op.create_table(
        "outcome_code",
        sa.Column("study_id", ROW_ID, nullable=False),
        sa.Column("outcome", sa.String(length=12), nullable=False),
        sa.Column("code", sa.String(length=32), nullable=False),
        sa.CheckConstraint(
            "outcome IN ('completed', 'no_consent', 'screened_out', 'timed_out', 'full')",
            name="ck_outcome_code_outcome_known",
        ),
        sa.ForeignKeyConstraint(["study_id"], ["study.id"], name="fk_outcome_code_study_id_study"),
        sa.PrimaryKeyConstraint("study_id", "outcome", name="pk_outcome_code"),
    )
    op.create_table(
        "tombstone",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("study_id", ROW_ID, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("judgments", sa.Integer(), nullable=False),
        sa.Column("withdrawn_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["study_id"], ["study.id"], name="fk_tombstone_study_id_study"),
        sa.PrimaryKeyConstraint("id", name="pk_tombstone"),
        sa.UniqueConstraint("study_id", "number", name="uq_tombstone_study_id_number"),
        sa.UniqueConstraint("token_hash", name="uq_tombstone_token_hash"),
    )
    op.create_table(
        "block",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("study_id", ROW_ID, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("task", sa.String(length=5), nullable=False),
        sa.Column("condition_id", ROW_ID, nullable=True),
        sa.Column("session_id", ROW_ID, nullable=True),
        sa.Column("done_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("task IN ('task1', 'task2')", name="ck_block_task_known"),
        sa.CheckConstraint(
            "done_at IS NULL OR session_id IS NOT NULL", name="ck_block_done_by_somebody"
        ),
        sa.ForeignKeyConstraint(
            ["condition_id"], ["condition.id"], name="fk_block_condition_id_condition"
        ),
        sa.ForeignKeyConstraint(
            ["session_id"],
            ["rater_session.id"],
            name="fk_block_session_id_rater_session",
            use_alter=True,
        ),
        sa.ForeignKeyConstraint(["study_id"], ["study.id"], name="fk_block_study_id_study"),
        sa.PrimaryKeyConstraint("id", name="pk_block"),
        sa.UniqueConstraint("session_id", name="uq_block_session_id"),
        sa.UniqueConstraint("study_id", "number", name="uq_block_study_id_number"),
    )
    op.create_table(
        "stimulus",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("item_id", ROW_ID, nullable=False),
        sa.Column("condition_id", ROW_ID, nullable=True),
        sa.Column("role", sa.String(length=9), nullable=False),
        sa.Column("png", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint(
            "(role = 'output') = (condition_id IS NOT NULL)",
            name="ck_stimulus_output_of_a_condition",
        ),
        sa.CheckConstraint(
            "role IN ('reference', 'output', 'input')", name="ck_stimulus_role_known"
        ),
        sa.ForeignKeyConstraint(
            ["condition_id"], ["condition.id"], name="fk_stimulus_condition_id_condition"
        ),
        sa.ForeignKeyConstraint(["item_id"], ["item.id"], name="fk_stimulus_item_id_item"),
        sa.PrimaryKeyConstraint("id", name="pk_stimulus"),
        sa.UniqueConstraint(
            "item_id", "role", "condition_id", name="uq_stimulus_item_id_role_condition_id"
        ),
    )
    op.create_table(
        "rater_session",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("study_id", ROW_ID, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("panel_hash", sa.String(length=64), nullable=True),
        sa.Column("submission_hash", sa.String(length=64), nullable=True),
        sa.Column("provider", sa.String(length=16), nullable=False),
        sa.Column("language", sa.String(length=8), nullable=False),
        sa.Column("simulated", sa.Boolean(), nullable=False),
        sa.Column("block_id", ROW_ID, nullable=True),
        sa.Column("stage", sa.String(length=12), nullable=False),
        sa.Column("outcome", sa.String(length=12), nullable=True),
        sa.Column("surplus", sa.Boolean(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("trial_count", sa.Integer(), nullable=False),
        sa.Column("page_token", sa.String(length=32), nullable=False),
        sa.Column("chain_head", sa.String(length=64), nullable=False),
        sa.Column("lease_until", sa.BigInteger(), nullable=False),
        sa.Column("device", sa.Text(), nullable=True),
        sa.Column("comment", sa.Text(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=True),
        sa.Column("finished_at", sa.BigInteger(), nullable=True),
        sa.Column("last_seen_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "outcome IN ('completed', 'no_consent', 'screened_out', 'timed_out', 'full')",
            name="ck_rater_session_outcome_known",
        ),
        sa.CheckConstraint(
            "stage IN ('device', 'instructions', 'run', 'comment', 'end')",
            name="ck_rater_session_stage_known",
        ),
        sa.ForeignKeyConstraint(["block_id"], ["block.id"], name="fk_rater_session_block_id_block"),
        sa.ForeignKeyConstraint(["study_id"], ["study.id"], name="fk_rater_session_study_id_study"),
        sa.PrimaryKeyConstraint("id", name="pk_rater_session"),
        sa.UniqueConstraint("study_id", "number", name="uq_rater_session_study_id_number"),
        sa.UniqueConstraint("study_id", "panel_hash", name="uq_rater_session_study_id_panel_hash"),
        sa.UniqueConstraint("token_hash", name="uq_rater_session_token_hash"),
    )
    op.create_index("ix_rater_session_lease", "rater_session", ["study_id", "lease_until"])

    op.create_table(
        "trial",
        sa.Column("block_id", ROW_ID, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("item_id", ROW_ID, nullable=False),
        sa.Column("condition_id", ROW_ID, nullable=False),
        sa.Column("model_side", sa.String(length=5), nullable=False),
        sa.Column("left_id", ROW_ID, nullable=False),
        sa.Column("right_id", ROW_ID, nullable=False),
        sa.Column("input_id", ROW_ID, nullable=True),
        sa.CheckConstraint("kind IN ('practice', 'main', 'catch')", name="ck_trial_kind_known"),
        sa.CheckConstraint("model_side IN ('left', 'right')", name="ck_trial_model_side_known"),
        sa.ForeignKeyConstraint(["block_id"], ["block.id"], name="fk_trial_block_id_block"),
        sa.ForeignKeyConstraint(
            ["condition_id"], ["condition.id"], name="fk_trial_condition_id_condition"
        ),
        sa.ForeignKeyConstraint(["input_id"], ["stimulus.id"], name="fk_trial_input_id_stimulus"),
        sa.ForeignKeyConstraint(["item_id"], ["item.id"], name="fk_trial_item_id_item"),
        sa.ForeignKeyConstraint(["left_id"], ["stimulus.id"], name="fk_trial_left_id_stimulus"),
        sa.ForeignKeyConstraint(["right_id"], ["stimulus.id"], name="fk_trial_right_id_stimulus"),
        sa.PrimaryKeyConstraint("block_id", "position", name="pk_trial"),
        sa.UniqueConstraint("block_id", "item_id", name="uq_trial_block_id_item_id"),
    )
    op.create_table(
        "invitation",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("study_id", ROW_ID, nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("session_id", ROW_ID, nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["session_id"], ["rater_session.id"], name="fk_invitation_session_id_rater_session"
        ),
        sa.ForeignKeyConstraint(["study_id"], ["study.id"], name="fk_invitation_study_id_study"),
        sa.PrimaryKeyConstraint("id", name="pk_invitation"),
        sa.UniqueConstraint("session_id", name="uq_invitation_session_id"),
        sa.UniqueConstraint("token_hash", name="uq_invitation_token_hash"),
    )
    op.create_table(
        "judgment",
        sa.Column("session_id", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("body_hash", sa.String(length=64), nullable=False),
        sa.Column("choice", sa.String(length=5), nullable=True),
        sa.Column("fooled", sa.Integer(), nullable=True),
        sa.Column("rt_ms", sa.Float(precision=53), nullable=True),
        sa.Column("exposure_ms", sa.Float(precision=53), nullable=True),
        sa.Column("refresh_hz", sa.Float(precision=53), nullable=True),
        sa.Column("dropped_frames", sa.Integer(), nullable=True),
        sa.Column("hidden_count", sa.Integer(), nullable=True),
        sa.Column("hidden_ms", sa.Float(precision=53), nullable=True),
        sa.Column("input", sa.String(length=8), nullable=True),
        sa.Column("answered_during_exposure", sa.Boolean(), nullable=True),
        sa.Column("scale", sa.Float(precision=53), nullable=True),
        sa.Column("pixel_ratio", sa.Float(precision=53), nullable=True),
        sa.Column("late_ms", sa.Float(precision=53), nullable=True),
        sa.Column("answered_at", sa.BigInteger(), nullable=False),
        sa.Column("chain", sa.String(length=64), nullable=False),
        sa.CheckConstraint("choice IN ('left', 'right')", name="ck_judgment_choice_known"),
        sa.CheckConstraint(
            "(choice IS NULL) = (fooled IS NULL)", name="ck_judgment_skipped_is_neither"
        ),
        sa.ForeignKeyConstraint(
            ["session_id"], ["rater_session.id"], name="fk_judgment_session_id_rater_session"
        ),
        sa.PrimaryKeyConstraint("session_id", "position", name="pk_judgment"),
        sa.UniqueConstraint("session_id", "key", name="uq_judgment_session_id_key"),
    )
    op.create_index("ix_judgment_answered", "judgment", ["answered_at"])

    op.create_table(
        "payment_id",
        sa.Column("session_id", ROW_ID, nullable=False),
        sa.Column("ciphertext", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["session_id"], ["rater_session.id"], name="fk_payment_id_session_id_rater_session"
        ),
        sa.PrimaryKeyConstraint("session_id", name="pk_payment_id"),
    )
    _close_the_circle()
    _make_judgments_append_only()


def _close_the_circle() -> None:
    # A block names its session and a session its block. SQLite takes a key to a table that comes
    # later.
    if op.get_bind().dialect.name == "postgresql":
        op.create_foreign_key(
            "fk_block_session_id_rater_session", "block", "rater_session", ["session_id"], ["id"]
        )


def _make_judgments_append_only() -> None:
    if op.get_bind().dialect.name == "sqlite":
        op.execute(
            "CREATE TRIGGER judgment_append_only BEFORE UPDATE ON judgment"
            " BEGIN SELECT RAISE(ABORT, 'judgments are append-only'); END"
        )
        return
    op.execute(
        "CREATE FUNCTION refuse_update() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE EXCEPTION 'judgments are append-only'; END $$"
    )
    op.execute(
        "CREATE TRIGGER judgment_append_only BEFORE UPDATE ON judgment"
        " FOR EACH ROW EXECUTE FUNCTION refuse_update()"
    )
