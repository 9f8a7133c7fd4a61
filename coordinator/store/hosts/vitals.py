"""A host's vitals: what it reports of itself, and since when the coordinator's pings reach it no more."""

from collections.abc import Iterable, Sequence

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from coordinator.scheduling.lifecycle import AttemptState
from coordinator.store.lifecycle.submission import ONLINE_S, is_online
from coordinator.store.rows.models import AttemptRow, HostRow
from domain.service.vitals import DEAF_S, HostVitals


def store_vitals(session: Session, host: str, vitals: HostVitals, now: float) -> bool:
    """Store them; ``False`` if the host has never registered."""
    row = session.get(HostRow, host)
    if row is None:
        return False
    row.vitals, row.clock_skew_s = vitals, vitals.clock_s - now
    # An age counts, not a time: the two clocks may differ.
    if row.unheard_since is not None and vitals.heard_s is not None and now - vitals.heard_s >= row.unheard_since:
        row.unheard_since = None
    return True


def deaf_since(row: HostRow, now: float) -> float | None:
    """Since when an online host takes no messages; ``None`` if it takes them, or is offline."""
    since = row.unheard_since
    return since if since is not None and now - since > DEAF_S and is_online(row, now) else None


def takes_blocks(row: HostRow, now: float) -> bool:
    """True if the host is online, not deaf and not drained."""
    return is_online(row, now) and deaf_since(row, now) is None and row.drained_at is None


def hosts_to_ping(session: Session, now: float) -> list[str]:
    """Every online host that reports vitals and runs no block: who runs a block took its message."""
    busy = select(AttemptRow.host).where(AttemptRow.state == AttemptState.RUNNING)
    idle = select(HostRow.name).where(HostRow.vitals.is_not(None), HostRow.name.not_in(busy))
    return list(session.scalars(idle.where(HostRow.seen_at >= now - ONLINE_S).order_by(HostRow.name)))


def pinged(session: Session, hosts: Sequence[str], now: float) -> None:
    """These hosts were pinged; an answer is due from now on, if none was due before."""
    answered = HostRow.unheard_since.is_(None)
    session.execute(update(HostRow).where(HostRow.name.in_(hosts), answered).values(unheard_since=now))


def skews_s(session: Session, hosts: Iterable[str]) -> tuple[float, float]:
    """How far the clocks of these hosts are behind the coordinator's (at most 0) and ahead of it (at least 0)."""
    found = session.scalars(select(HostRow.clock_skew_s).where(HostRow.name.in_(list(hosts)))).all()
    known = [skew for skew in found if skew is not None]
    return min([0.0, *known]), max([0.0, *known])
