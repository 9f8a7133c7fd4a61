"""Who did what in a campaign's history, and who submitted it; since when a host is drained.

Names are empty for what is older, and for the coordinator itself.

Revision ID: 0027
Revises: 0024
"""

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("events", sa.Column("who", sa.String(length=254), nullable=False, server_default=""))
    op.add_column("hosts", sa.Column("drained_at", sa.Float(precision=53)))
    op.add_column("campaigns", sa.Column("submitted_by", sa.String(length=254), nullable=False, server_default=""))


def downgrade() -> None:
    op.drop_column("campaigns", "submitted_by")
    op.drop_column("hosts", "drained_at")
    op.drop_column("events", "who")
