"""After the coordinator's clock was set back, stored times lie in the future, and waits for them would never end."""

from sqlalchemy import Update, or_, select, update

from coordinator.scheduling.lifecycle import AttemptState
from coordinator.store.database import Store
from coordinator.store.models import AttemptRow, HostRow
from coordinator.store.rules import RuleRow
from domain.jobs import LEASE_S

SLACK_S = 1.0  # the coordinator's processes take their time from one clock, but not at one moment


def pull_back_times(store: Store, now: float) -> bool:
    """Set each time that is later than it can be to its latest value; returns whether there was one."""
    latest = now + SLACK_S
    late_lease = (AttemptRow.state == AttemptState.RUNNING) & (AttemptRow.lease_expires_at > latest + LEASE_S)
    late_message = (AttemptRow.state == AttemptState.DISPATCHED) & (AttemptRow.sent_at > latest)
    with store.read() as session:
        late = session.scalars(select(AttemptRow.id).where(or_(late_lease, late_message)).limit(1)).first()
        late_host = session.scalars(
            select(HostRow.name).where(or_(HostRow.seen_at > latest, HostRow.unheard_since > latest)).limit(1)
        ).first()
        late_rule = session.scalars(
            select(RuleRow.id).where(or_(RuleRow.created_at > latest, RuleRow.regressed_at > latest)).limit(1)
        ).first()
    if late is None and late_host is None and late_rule is None:
        return False
    repairs: list[Update] = [
        update(HostRow).where(HostRow.seen_at > latest).values(seen_at=now),
        update(HostRow).where(HostRow.unheard_since > latest).values(unheard_since=now),
        update(AttemptRow).where(late_lease).values(lease_expires_at=now + LEASE_S),
        update(AttemptRow).where(late_message).values(sent_at=now),
        update(RuleRow).where(RuleRow.created_at > latest).values(created_at=now),
        # Else campaigns at the new level would count as measured before the regression: as the baseline.
        update(RuleRow).where(RuleRow.regressed_at > latest).values(regressed_at=now),
    ]
    for repair in repairs:
        with store.write() as session:
            session.execute(repair)
    return True
