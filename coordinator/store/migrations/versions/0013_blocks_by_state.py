"""An index of a campaign's blocks by state: which is next, and whether one is open, costs the same in any campaign

Revision ID: 0013
Revises: 0012
"""

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_blocks_campaign_id_state_index", "blocks", ["campaign_id", "state", "index"])


def downgrade() -> None:
    op.drop_index("ix_blocks_campaign_id_state_index", "blocks")
