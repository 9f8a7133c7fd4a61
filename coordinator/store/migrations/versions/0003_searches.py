"""Searches: which step of which search a block is, and what it asks of each datapath

Revision ID: 0003
Revises: 0002
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("blocks", sa.Column("chain", sa.Integer(), nullable=True))
    op.add_column("blocks", sa.Column("step", sa.Integer(), nullable=True))
    op.add_column("blocks", sa.Column("rates", sa.Text(), nullable=False, server_default="{}"))


def downgrade() -> None:
    op.drop_column("blocks", "rates")
    op.drop_column("blocks", "step")
    op.drop_column("blocks", "chain")
