"""Calibration: blocks that find the capacity, and what they found

Revision ID: 0002
Revises: 0001
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


# Plain ALTERs, which SQLite has for columns too (3.35): a batch would rebuild tables that others refer to.


def upgrade() -> None:
    op.add_column("blocks", sa.Column("calibration", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("campaigns", sa.Column("calibration", sa.Text(), nullable=False, server_default="{}"))


def downgrade() -> None:
    op.drop_column("campaigns", "calibration")
    op.drop_column("blocks", "calibration")
