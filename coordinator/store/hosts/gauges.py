"""What the metrics of the coordinator count in the database. Each query reads few rows and no results."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Text, func, select, type_coerce
from sqlalchemy.orm import Session

from coordinator.scheduling.lifecycle import OPEN_CAMPAIGNS, AttemptState, BlockState, CampaignState
from coordinator.store.hosts.vitals import deaf_since
from coordinator.store.lifecycle.submission import is_online
from coordinator.store.rows.models import AttemptRow, BlockRow, CampaignRow, HostRow, QuarantineRow
from domain.probes.telemetry import TelemetryAccount

ACCOUNTS_S = 24 * 3600.0  # the telemetry accounts of attempts that ended within this time
_MOST_ACCOUNTS = 20_000  # of the newest attempts; a busy day of several hosts has fewer
_MOST_HOSTS = 1_000


class HostGauges(NamedTuple):
    """One host; ``seen_at`` is in seconds since the epoch."""

    name: str
    seen_at: float
    online: bool
    deaf: bool
    clock_skew_s: float | None


def campaigns_by_state(session: Session) -> Mapping[str, int]:
    """How many campaigns are in each state."""
    query = select(CampaignRow.state, func.count()).group_by(CampaignRow.state)
    found = {row[0]: row[1] for row in session.execute(query)}
    return {state: found.get(state, 0) for state in CampaignState}


def open_blocks(session: Session) -> Mapping[tuple[str, str], int]:
    """By host and state: the blocks of campaigns that have not ended."""
    query = (
        select(BlockRow.host, BlockRow.state, func.count())
        .join(CampaignRow)
        .where(CampaignRow.state.in_(OPEN_CAMPAIGNS))
        .group_by(BlockRow.host, BlockRow.state)
    )
    found = {(host, state): count for host, state, count in session.execute(query)}
    hosts = sorted({host for host, _ in found})
    return {(host, state): found.get((host, state), 0) for host in hosts for state in BlockState}


def hosts(session: Session, now: float) -> Sequence[HostGauges]:
    """Every host, by name."""
    rows = session.scalars(select(HostRow).order_by(HostRow.name).limit(_MOST_HOSTS))
    return [
        HostGauges(row.name, row.seen_at, is_online(row, now), deaf_since(row, now) is not None, row.clock_skew_s)
        for row in rows
    ]


def quarantined(session: Session) -> Mapping[str, int]:
    """By kind: how many things are set aside."""
    query = select(QuarantineRow.kind, func.count()).group_by(QuarantineRow.kind)
    return {row[0]: row[1] for row in session.execute(query)}


def telemetry(session: Session, now: float) -> Mapping[tuple[str, str], int]:
    """By host and place: the telemetry points of attempts that ended within the last day."""
    query = (
        select(AttemptRow.host, type_coerce(AttemptRow.telemetry, Text))
        .where(AttemptRow.state == AttemptState.DONE, AttemptRow.ended_at >= now - ACCOUNTS_S)
        .order_by(AttemptRow.ended_at.desc())
        .limit(_MOST_ACCOUNTS)
    )
    # Most attempts have one of few accounts, so each text is decoded once.
    texts = Counter((host, text) for host, text in session.execute(query) if text)
    found: Counter[tuple[str, str]] = Counter()
    for (host, text), times in texts.items():
        account = _account(text)
        for place in ("produced", "delivered", "spooled", "queued", "lost"):
            found[host, place] += times * getattr(account, place)
    return found


def newest_complete(session: Session) -> str | None:
    """The campaign that was completed last; ``None`` if there is none."""
    query = select(CampaignRow.id).where(CampaignRow.state == CampaignState.COMPLETE)
    return session.scalar(query.order_by(CampaignRow.ended_at.desc(), CampaignRow.id).limit(1))


def _account(text: str) -> Any:
    try:
        return TelemetryAccount.model_validate_json(text)
    except ValueError:  # what cannot be read keeps no metric from the others
        return TelemetryAccount()
