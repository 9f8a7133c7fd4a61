"""What users read of trials, stored with each result; results from before get theirs when they are first read.

Revision ID: 0024
Revises: 0025
"""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "shown_trials",
        sa.Column("attempt_id", sa.String(length=20), nullable=False),
        sa.Column("version", sa.String(length=64), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["attempt_id"], ["attempts.id"], name="fk_shown_trials_attempt_id_attempts"),
        sa.PrimaryKeyConstraint("attempt_id", name="pk_shown_trials"),
    )


def downgrade() -> None:
    op.drop_table("shown_trials")
