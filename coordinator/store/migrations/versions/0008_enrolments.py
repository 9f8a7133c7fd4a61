"""A token per host, the machine behind each host's name, and host names longer than one DNS label.

Revision ID: 0008
Revises: 0007
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_NAMES = (("hosts", "name"), ("blocks", "host"), ("attempts", "host"), ("matrices", "host"))


def upgrade() -> None:
    op.create_table(
        "enrolments",
        sa.Column("host", sa.String(253), nullable=False),
        sa.Column("token_hash", sa.String(64), nullable=False),
        sa.Column("enrolled_at", sa.Float(53), nullable=False),
        sa.Column("revoked_at", sa.Float(53), nullable=True),
        sa.Column("protocol", sa.String(16), nullable=False),
        sa.Column("refusal", sa.Text(), nullable=False),
        sa.Column("refused_at", sa.Float(53), nullable=True),
        sa.PrimaryKeyConstraint("host", name="pk_enrolments"),
        sa.UniqueConstraint("token_hash", name="uq_enrolments_token_hash"),
    )
    op.add_column("hosts", sa.Column("machine", sa.String(64), nullable=True))
    op.add_column("hosts", sa.Column("boot", sa.String(64), nullable=True))
    _resize(63, 253)


def downgrade() -> None:
    _resize(253, 63)
    op.drop_column("hosts", "boot")
    op.drop_column("hosts", "machine")
    op.drop_table("enrolments")


def _resize(before: int, after: int) -> None:
    if op.get_bind().dialect.name == "sqlite":  # it ignores the length, and would rebuild tables that others refer to
        return
    for table, column in _NAMES:
        op.alter_column(table, column, type_=sa.String(after), existing_type=sa.String(before), existing_nullable=False)
