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


def upgrade() -> None:

    with op.batch_alter_table("blocks", schema=None) as batch_op:
        batch_op.add_column(sa.Column("calibration", sa.Boolean(), nullable=False, server_default=sa.false()))

    with op.batch_alter_table("campaigns", schema=None) as batch_op:
        batch_op.add_column(sa.Column("calibration", sa.Text(), nullable=False, server_default="{}"))


def downgrade() -> None:

    with op.batch_alter_table("campaigns", schema=None) as batch_op:
        batch_op.drop_column("calibration")

    with op.batch_alter_table("blocks", schema=None) as batch_op:
        batch_op.drop_column("calibration")
