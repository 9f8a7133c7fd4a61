"""Named tokens of users: who may do what. Only hashes are stored. Each function is part of one transaction."""

from collections.abc import Sequence

from sqlalchemy import Float, String, delete, func, or_, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from coordinator.store.rows.models import Base
from coordinator.store.rows.turns import in_turn, require_room
from domain.service.scopes import NewToken
from domain.values.problems import Problem

DAY_S = 24 * 3600.0
MOST_TOKENS = 1000
KEPT_S = 400 * DAY_S  # how long a void token is listed
USE_EACH_S = 300.0  # how exact the time of the last use is; each is a write


class TokenExists(Exception):
    """A token has this name already; the message says what to do."""


class UserTokenRow(Base):
    """A token of a user, as a hash."""

    __tablename__ = "user_tokens"

    name: Mapped[str] = mapped_column(String(63), primary_key=True)
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    scope: Mapped[str] = mapped_column(String(8))
    created_at: Mapped[float] = mapped_column(Float(53))
    created_by: Mapped[str] = mapped_column(String(300))
    expires_at: Mapped[float | None] = mapped_column(Float(53))
    revoked_at: Mapped[float | None] = mapped_column(Float(53))
    used_at: Mapped[float | None] = mapped_column(Float(53))

    def refusal(self, now: float) -> str:
        """Why it is void; empty while it is valid."""
        if self.revoked_at is not None:
            return "was revoked"
        return "has expired" if self.expires_at is not None and self.expires_at <= now else ""


def create(session: Session, wanted: NewToken, token_hash: str, by: str, now: float) -> UserTokenRow:
    """Store a token. Raises :class:`TokenExists`, and :class:`InvalidInput` if there are too many."""
    expires_at = None if wanted.days is None else now + wanted.days * DAY_S
    in_turn(session, f"token {wanted.name}")
    row = session.get(UserTokenRow, wanted.name, with_for_update=True)
    if row is not None and not wanted.replace:
        state = row.refusal(now) or "exists"
        raise TokenExists(f"token {wanted.name} {state}: choose another name, or replace it")
    if row is None:
        _make_room(session, now)
        row = UserTokenRow(name=wanted.name)
        session.add(row)
    row.token_hash, row.scope = token_hash, wanted.scope.value
    row.created_at, row.created_by, row.expires_at = now, by, expires_at
    row.revoked_at = row.used_at = None
    return row


def revoke(session: Session, name: str, now: float) -> bool:
    """Make a token void, now or earlier; false if there is none."""
    row = session.get(UserTokenRow, name, with_for_update=True)
    if row is None:
        return False
    row.revoked_at = row.revoked_at or now
    return True


def token_with(session: Session, token_hash: str) -> UserTokenRow | None:
    """The token with this hash, valid or not."""
    return session.scalar(select(UserTokenRow).where(UserTokenRow.token_hash == token_hash))


def is_use_noted(row: UserTokenRow, now: float) -> bool:
    """True if the time of its last use is exact enough."""
    return row.used_at is not None and 0 <= now - row.used_at < USE_EACH_S


def note_use(session: Session, name: str, now: float) -> None:
    """Keep when a token was used."""
    row = session.get(UserTokenRow, name)
    if row is not None:
        row.used_at = now


def tokens(session: Session) -> Sequence[UserTokenRow]:
    """Every token, by name."""
    return session.scalars(select(UserTokenRow).order_by(UserTokenRow.name)).all()


def _make_room(session: Session, now: float) -> None:
    """Forget tokens that have been void for long, and refuse another one beyond the limit."""
    long_ago = now - KEPT_S
    void = or_(UserTokenRow.revoked_at < long_ago, UserTokenRow.expires_at < long_ago)
    session.execute(delete(UserTokenRow).where(void).execution_options(synchronize_session=False))
    message = f"there are {MOST_TOKENS:,} tokens, which is the limit; replace one that is void"
    count = select(func.count()).select_from(UserTokenRow)
    require_room(session, "tokens", count, MOST_TOKENS, Problem(field="name", message=message))
