"""Labels, notes and the archive of campaigns, and the rows of deleted ones.

Revision ID: 0016
Revises: 0015
"""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("campaigns", sa.Column("note", sa.Text(), nullable=False, server_default=sa.text("''")))
    op.add_column("campaigns", sa.Column("archived_at", sa.Float(precision=53)))
    op.create_table(
        "campaign_labels",
        sa.Column("campaign_id", sa.String(length=8), nullable=False),
        sa.Column("key", sa.String(length=63), nullable=False),
        sa.Column("value", sa.String(length=63), nullable=False),
        sa.ForeignKeyConstraint(["campaign_id"], ["campaigns.id"], name="fk_campaign_labels_campaign_id_campaigns"),
        sa.PrimaryKeyConstraint("campaign_id", "key", name="pk_campaign_labels"),
    )
    op.create_index("ix_campaign_labels_key_value", "campaign_labels", ["key", "value"])
    op.create_table(
        "deletions",
        sa.Column("campaign_id", sa.String(length=8), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("trials", sa.Integer(), nullable=False),
        sa.Column("deleted_at", sa.Float(precision=53), nullable=False),
        sa.Column("telemetry_at", sa.Float(precision=53)),
        sa.Column("telemetry_error", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("campaign_id", name="pk_deletions"),
    )


def downgrade() -> None:
    op.drop_table("deletions")
    op.drop_table("campaign_labels")
    op.drop_column("campaigns", "archived_at")
    op.drop_column("campaigns", "note")
