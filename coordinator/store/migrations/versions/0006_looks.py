"""What the planner said before a campaign, and the looks of a campaign that adds blocks.

Revision ID: 0006
Revises: 0005
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


# Plain ALTERs, which SQLite has for columns too (3.35): a batch would rebuild tables that others refer to.


def upgrade() -> None:
    op.add_column("campaigns", sa.Column("plan", sa.Text(), nullable=True))
    op.add_column("campaigns", sa.Column("looks", sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_column("campaigns", "looks")
    op.drop_column("campaigns", "plan")
