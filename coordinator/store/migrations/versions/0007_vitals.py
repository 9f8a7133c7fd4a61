"""A host's vitals: its clock, and whether messages reach it. Attempts are no longer revoked through the broker.

Revision ID: 0007
Revises: 0006
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


# Plain ALTERs, which SQLite has for columns too (3.35): a batch would rebuild tables that others refer to.


def upgrade() -> None:
    op.add_column("hosts", sa.Column("unheard_since", sa.Float(precision=53), nullable=True))
    op.add_column("hosts", sa.Column("clock_skew_s", sa.Float(precision=53), nullable=True))
    op.add_column("hosts", sa.Column("vitals", sa.Text(), nullable=True))
    op.drop_column("attempts", "revoked_at")


def downgrade() -> None:
    op.add_column("attempts", sa.Column("revoked_at", sa.Float(precision=53), nullable=True))
    op.drop_column("hosts", "vitals")
    op.drop_column("hosts", "clock_skew_s")
    op.drop_column("hosts", "unheard_since")
