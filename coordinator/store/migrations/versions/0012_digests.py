"""Digests: what the analysis reads of each attempt, and the pooled times of each cell

Revision ID: 0012
Revises: 0011
"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


# The rows of earlier campaigns are made when their report is first read. Here, those of all campaigns would take hours.


def upgrade() -> None:
    op.create_table(
        "digests",
        sa.Column("attempt_id", sa.String(20), nullable=False),
        sa.Column("campaign_id", sa.String(8), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("sound", sa.Boolean(), nullable=False),
        sa.Column("pooled", sa.Boolean(), nullable=False),
        sa.Column("numbers", sa.LargeBinary(), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["attempt_id"], ["attempts.id"], name="fk_digests_attempt_id_attempts"),
        sa.ForeignKeyConstraint(["campaign_id"], ["campaigns.id"], name="fk_digests_campaign_id_campaigns"),
        sa.PrimaryKeyConstraint("attempt_id", name="pk_digests"),
    )
    op.create_index("ix_digests_campaign_id", "digests", ["campaign_id"])
    op.create_table(
        "pools",
        sa.Column("campaign_id", sa.String(8), nullable=False),
        sa.Column("workload", sa.String(32), nullable=False),
        sa.Column("level", sa.String(32), nullable=False),
        sa.Column("datapath", sa.String(40), nullable=False),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("figures", sa.Text(), nullable=False),
        sa.Column("histograms", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["campaign_id"], ["campaigns.id"], name="fk_pools_campaign_id_campaigns"),
        sa.PrimaryKeyConstraint("campaign_id", "workload", "level", "datapath", "fingerprint", name="pk_pools"),
    )


def downgrade() -> None:
    op.drop_table("pools")
    op.drop_table("digests")
