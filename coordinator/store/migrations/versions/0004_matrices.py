"""Matrices: what the tests of each host found that datapaths keep and carry

Revision ID: 0004
Revises: 0003
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "matrices",
        sa.Column("host", sa.String(63), nullable=False),
        sa.Column("matrix", sa.Text(), nullable=False),
        sa.Column("measured_at", sa.Float(53), nullable=False),
        sa.ForeignKeyConstraint(["host"], ["hosts.name"], name="fk_matrices_host"),
        sa.PrimaryKeyConstraint("host", name="pk_matrices"),
    )


def downgrade() -> None:
    op.drop_table("matrices")
