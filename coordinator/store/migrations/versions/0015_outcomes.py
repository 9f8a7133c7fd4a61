"""The outcome of an ended campaign, and whether a campaign waits for its user.

Revision ID: 0015
Revises: 0013
"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0013"
branch_labels = None
depends_on = None


# The outcomes of campaigns that ended before are filled in by the ticker, a few each second.


def upgrade() -> None:
    for name, kind in (("outcome", sa.String(24)), ("outcome_sentence", sa.Text()), ("paused", sa.Text())):
        op.add_column("campaigns", sa.Column(name, kind, nullable=True))
    op.create_index("ix_campaigns_outcome", "campaigns", ["outcome"])


def downgrade() -> None:
    op.drop_index("ix_campaigns_outcome", "campaigns")
    for name in ("paused", "outcome_sentence", "outcome"):
        op.drop_column("campaigns", name)
