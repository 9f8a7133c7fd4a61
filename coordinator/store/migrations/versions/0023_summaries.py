"""Summaries of ended campaigns, the version of each host's capabilities, and indexes for large databases.

Revision ID: 0023
Revises: 0019
"""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "summaries",
        sa.Column("campaign_id", sa.String(length=8), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("version", sa.String(length=64), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["campaign_id"], ["campaigns.id"], name="fk_summaries_campaign_id_campaigns"),
        sa.PrimaryKeyConstraint("campaign_id", "kind", name="pk_summaries"),
    )
    op.create_table(
        "host_versions",
        sa.Column("host", sa.String(length=253), nullable=False),
        sa.Column("version", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("host", name="pk_host_versions"),
    )
    op.create_index("ix_campaigns_archived_at_created_at_id", "campaigns", ["archived_at", "created_at", "id"])
    op.create_index("ix_campaigns_state_ended_at", "campaigns", ["state", "ended_at"])
    op.create_index("ix_attempts_state_ended_at", "attempts", ["state", "ended_at"])
    op.drop_index("ix_attempts_state", "attempts")
    op.drop_index("ix_campaigns_state", "campaigns")


def downgrade() -> None:
    op.create_index("ix_campaigns_state", "campaigns", ["state"])
    op.create_index("ix_attempts_state", "attempts", ["state"])
    op.drop_index("ix_attempts_state_ended_at", "attempts")
    op.drop_index("ix_campaigns_state_ended_at", "campaigns")
    op.drop_index("ix_campaigns_archived_at_created_at_id", "campaigns")
    op.drop_table("host_versions")
    op.drop_table("summaries")
