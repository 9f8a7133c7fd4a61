"""Schedules with the due times that were taken, and series of campaigns.

Revision ID: 0020
Revises: 0017
"""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "schedules",
        sa.Column("id", sa.String(length=8), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("cron", sa.String(length=100), nullable=False),
        sa.Column("time_zone", sa.String(length=64), nullable=False),
        sa.Column("campaign_name", sa.String(length=64), nullable=False),
        sa.Column("campaign", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Float(precision=53), nullable=False),
        sa.Column("paused_at", sa.Float(precision=53)),
        sa.Column("next_at", sa.Float(precision=53)),
        sa.Column("error", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_schedules"),
        sa.UniqueConstraint("name", name="uq_schedules_name"),
    )
    op.create_index("ix_schedules_next_at", "schedules", ["next_at"])
    op.create_table(
        "schedule_runs",
        sa.Column("schedule_id", sa.String(length=8), nullable=False),
        sa.Column("due_at", sa.Float(precision=53), nullable=False),
        sa.Column("at", sa.Float(precision=53), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("campaign_id", sa.String(length=8)),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("missed", sa.Integer(), nullable=False),
        sa.Column("by_hand", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["schedule_id"], ["schedules.id"], name="fk_schedule_runs_schedule_id_schedules"),
        sa.PrimaryKeyConstraint("schedule_id", "due_at", name="pk_schedule_runs"),
    )
    op.add_column("campaigns", sa.Column("series", sa.String(length=16)))
    op.create_index("ix_campaigns_series", "campaigns", ["series"])
    op.create_table(
        "series_points",
        sa.Column("campaign_id", sa.String(length=8), nullable=False),
        sa.Column("series", sa.String(length=16), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("hosts", sa.Text(), nullable=False),
        sa.Column("at", sa.Float(precision=53), nullable=False),
        sa.Column("facts", sa.Text(), nullable=False),
        sa.Column("figures", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["campaign_id"], ["campaigns.id"], name="fk_series_points_campaign_id_campaigns"),
        sa.PrimaryKeyConstraint("campaign_id", name="pk_series_points"),
    )
    op.create_index("ix_series_points_series_at", "series_points", ["series", "at"])
    op.create_table(
        "series",
        sa.Column("id", sa.String(length=16), nullable=False),
        sa.Column("report", sa.Text()),
        sa.PrimaryKeyConstraint("id", name="pk_series"),
    )


def downgrade() -> None:
    op.drop_table("series")
    op.drop_table("series_points")
    op.drop_index("ix_campaigns_series", "campaigns")
    op.drop_column("campaigns", "series")
    op.drop_table("schedule_runs")
    op.drop_table("schedules")
