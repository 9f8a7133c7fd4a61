"""Read-only links to one campaign. Only hashes of their secrets are stored. A function is part of one transaction."""

from collections.abc import Sequence

from sqlalchemy import Float, ForeignKey, Integer, String, delete, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from coordinator.store.rows.models import Base
from domain.values.problems import InvalidInput, Problem

DAY_S = 24 * 3600.0
MOST_SHARES = 100  # of one campaign
USE_EACH_S = 300.0  # a program's requests within so many seconds are one use; each use is a write


class ShareRow(Base):
    """A link to a campaign."""

    __tablename__ = "shares"

    id: Mapped[str] = mapped_column(String(8), primary_key=True)
    campaign_id: Mapped[str] = mapped_column(ForeignKey("campaigns.id"), index=True)
    secret_hash: Mapped[str] = mapped_column(String(64), unique=True)
    created_at: Mapped[float] = mapped_column(Float(53))
    created_by: Mapped[str] = mapped_column(String(300))
    expires_at: Mapped[float | None] = mapped_column(Float(53))
    revoked_at: Mapped[float | None] = mapped_column(Float(53))
    uses: Mapped[int] = mapped_column(Integer)
    used_at: Mapped[float | None] = mapped_column(Float(53))

    def is_valid(self, now: float) -> bool:
        """False once it was revoked, or has expired."""
        return self.revoked_at is None and (self.expires_at is None or self.expires_at > now)


def create(
    session: Session, campaign_id: str, share_id: str, secret_hash: str, *, days: int | None, by: str, now: float
) -> ShareRow:
    """Store a link to a locked campaign. Raises :class:`InvalidInput` if it has too many that are valid."""
    earlier = shares_of(session, campaign_id)
    if len(earlier) >= MOST_SHARES:
        void = [row for row in earlier if not row.is_valid(now)]
        if not void:
            message = f"the campaign has {MOST_SHARES} links, which is the limit; revoke one"
            raise InvalidInput([Problem(field="campaign", message=message)])
        session.delete(void[-1])
    row = ShareRow(id=share_id, campaign_id=campaign_id, secret_hash=secret_hash, created_at=now, created_by=by, uses=0)
    row.expires_at = None if days is None else now + days * DAY_S
    row.revoked_at = row.used_at = None
    session.add(row)
    session.flush()
    return row


def revoke(session: Session, campaign_id: str, share_id: str, now: float) -> bool:
    """Make a link void, now or earlier; false if the campaign has no such link."""
    row = session.get(ShareRow, share_id, with_for_update=True)
    if row is None or row.campaign_id != campaign_id:
        return False
    row.revoked_at = row.revoked_at or now
    return True


def share_with(session: Session, secret_hash: str, now: float) -> ShareRow | None:
    """The valid link with this hash."""
    row = session.scalar(select(ShareRow).where(ShareRow.secret_hash == secret_hash))
    return row if row is not None and row.is_valid(now) else None


def is_use_noted(row: ShareRow, now: float) -> bool:
    """True for another request of the same use."""
    return row.used_at is not None and 0 <= now - row.used_at < USE_EACH_S


def note_use(session: Session, share_id: str, now: float) -> None:
    """Count a use."""
    row = session.get(ShareRow, share_id, with_for_update=True)
    if row is not None:
        row.uses, row.used_at = row.uses + 1, now


def shares_of(session: Session, campaign_id: str) -> Sequence[ShareRow]:
    """The links to a campaign, the newest first."""
    query = select(ShareRow).where(ShareRow.campaign_id == campaign_id)
    return session.scalars(query.order_by(ShareRow.created_at.desc(), ShareRow.id)).all()


def forget_shares(session: Session, campaign_id: str) -> None:
    """Delete every link to a campaign."""
    condition = ShareRow.campaign_id == campaign_id
    session.execute(delete(ShareRow).where(condition).execution_options(synchronize_session=False))
