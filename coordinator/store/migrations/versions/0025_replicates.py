"""Replicates, and what comparisons of datapaths with themselves have found.

Revision ID: 0025
Revises: 0023
"""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("schedules", sa.Column("every_s", sa.Float(precision=53)))
    op.add_column("schedules", sa.Column("times", sa.Integer()))
    op.add_column("schedules", sa.Column("started", sa.Integer(), nullable=False, server_default="0"))
    op.create_table(
        "self_comparisons",
        sa.Column("campaign_id", sa.String(length=8), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("hosts", sa.Text(), nullable=False),
        sa.Column("at", sa.Float(precision=53), nullable=False),
        sa.Column("counts", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["campaign_id"], ["campaigns.id"], name="fk_self_comparisons_campaign_id_campaigns"),
        sa.PrimaryKeyConstraint("campaign_id", name="pk_self_comparisons"),
    )
    op.create_index("ix_self_comparisons_at", "self_comparisons", ["at"])
    op.add_column("campaigns", sa.Column("copies", sa.Integer()))
    op.create_index("ix_campaigns_copies", "campaigns", ["copies"])


def downgrade() -> None:
    op.drop_index("ix_campaigns_copies", "campaigns")
    op.drop_column("campaigns", "copies")
    op.drop_index("ix_self_comparisons_at", "self_comparisons")
    op.drop_table("self_comparisons")
    op.drop_column("schedules", "started")
    op.drop_column("schedules", "times")
    op.drop_column("schedules", "every_s")
