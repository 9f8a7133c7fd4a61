"""After the coordinator's clock was set back, stored times lie in the future, and waits for them would never end."""

from sqlalchemy import ColumnElement, Select, Update, or_, select, update

from coordinator.scheduling.lifecycle import AttemptState
from coordinator.store.rows.database import Store
from coordinator.store.rows.models import AttemptRow, HostRow
from coordinator.store.rows.times import Time
from coordinator.store.runs.rules import RuleRow
from domain.service.jobs import LEASE_S

SLACK_S = 1.0  # the coordinator's processes take their time from one clock, but not at one moment


def _late_lease(latest: Time) -> ColumnElement[bool]:
    return (AttemptRow.state == AttemptState.RUNNING) & (AttemptRow.lease_expires_at > latest + LEASE_S)


def _late_message(latest: Time) -> ColumnElement[bool]:
    return (AttemptRow.state == AttemptState.DISPATCHED) & (AttemptRow.sent_at > latest)


def late(now: Time) -> tuple[Select[str], ...]:
    """The attempts, hosts and rules with a time that is later than it can be."""
    latest = now + SLACK_S
    return (
        select(AttemptRow.id).where(or_(_late_lease(latest), _late_message(latest))),
        select(HostRow.name).where(or_(HostRow.seen_at > latest, HostRow.unheard_since > latest)),
        select(RuleRow.id).where(or_(RuleRow.created_at > latest, RuleRow.regressed_at > latest)),
    )


def pull_back_times(store: Store, now: float) -> bool:
    """Set each time that is later than it can be to its latest value; returns whether there was one."""
    with store.read() as session:
        if all(session.scalars(query.limit(1)).first() is None for query in late(now)):
            return False
    latest = now + SLACK_S
    repairs: list[Update] = [
        update(HostRow).where(HostRow.seen_at > latest).values(seen_at=now),
        update(HostRow).where(HostRow.unheard_since > latest).values(unheard_since=now),
        update(AttemptRow).where(_late_lease(latest)).values(lease_expires_at=now + LEASE_S),
        update(AttemptRow).where(_late_message(latest)).values(sent_at=now),
        update(RuleRow).where(RuleRow.created_at > latest).values(created_at=now),
        # Else campaigns at the new level would count as measured before the regression: as the baseline.
        update(RuleRow).where(RuleRow.regressed_at > latest).values(regressed_at=now),
    ]
    for repair in repairs:
        with store.write() as session:
            session.execute(repair)
    return True
