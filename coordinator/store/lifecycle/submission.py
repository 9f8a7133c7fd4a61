"""The submission of a campaign: all its rows in one transaction."""

import secrets
from collections.abc import Sequence

from sqlalchemy import func, insert, select
from sqlalchemy.orm import Session

from coordinator.scheduling.admission import KnownHost, admit, with_parameters
from coordinator.scheduling.leaving_out import without_missing
from coordinator.scheduling.lifecycle import CampaignState
from coordinator.scheduling.next_look import first_looks
from coordinator.scheduling.planner import plan
from coordinator.store.capabilities.host_versions import all_capabilities
from coordinator.store.lifecycle.planning import plan_of
from coordinator.store.lifecycle.transitions import note
from coordinator.store.rows.block_rows import values_of, waits_for_a_rate
from coordinator.store.rows.models import BlockRow, CampaignRow, HostRow
from coordinator.store.rows.turns import require_room
from domain.campaigns.budget import is_adaptive
from domain.campaigns.campaign import Campaign
from domain.reports.planning import Plan
from domain.service.jobs import HostCapabilities
from domain.values.problems import Problem

ONLINE_S = 60.0  # a host that is silent for longer gets no blocks; workers report every 30 s
MAX_OPEN_CAMPAIGNS = 50
_ID_ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"
_ID_LENGTH = 8


def is_online(host: HostRow, now: float) -> bool:
    """True if the host reported within the last :data:`ONLINE_S` seconds."""
    return now - host.seen_at <= ONLINE_S


def known_hosts(session: Session, now: float) -> Sequence[KnownHost]:
    """Every registered host, by name."""
    seen = select(HostRow.name, HostRow.drained_at).where(HostRow.seen_at >= now - ONLINE_S)
    online = {name: at is not None for name, at in session.execute(seen)}
    return [
        KnownHost(found, name in online, drained=online.get(name, False))
        for name, found in all_capabilities(session).items()
    ]


def admitted(session: Session, campaign: Campaign, now: float) -> tuple[Campaign, Sequence[HostCapabilities]]:
    """The campaign with its default parameters, and the hosts that will run it. Raises :class:`InvalidInput`."""
    known = known_hosts(session, now)
    campaign = without_missing(campaign, known)
    by_name = {host.name: host.capabilities for host in known}
    chosen = [by_name[name] for name in admit(campaign, known)]
    return with_parameters(campaign, chosen), chosen


def preview(session: Session, campaign: Campaign, now: float) -> Plan:
    """The plan of a campaign that is not submitted. Raises :class:`domain.values.problems.InvalidInput`."""
    return plan_of(session, *admitted(session, campaign, now))


def submit(session: Session, campaign: Campaign, now: float, who: str = "") -> CampaignRow:
    """Check the campaign against the registered hosts, plan it and store it with its default parameters.

    ``who`` submits it; empty: the coordinator itself. Raises :class:`domain.values.problems.InvalidInput`; then nothing
    is created.
    """
    campaign, capabilities = admitted(session, campaign, now)
    hosts = tuple(one.host for one in capabilities)
    seed = campaign.seed or 1 + secrets.randbelow(2**31 - 1)
    row = CampaignRow(
        id=_new_id(session),
        name=campaign.name,
        state=CampaignState.QUEUED,
        seed=seed,
        campaign=campaign,
        hosts=hosts,
        created_at=now,
        error="",
        submitted_by=who,
        plan=plan_of(session, campaign, capabilities),
    )
    _require_room(session)
    session.add(row)
    session.flush()  # the blocks reference it
    blocks = plan(campaign, hosts, seed)
    if is_adaptive(campaign):
        row.looks = first_looks(campaign, len(blocks))
    session.execute(insert(BlockRow), [values_of(row.id, block, held=waits_for_a_rate(block)) for block in blocks])
    note(session, row.id, now, "submitted", who)
    return row


def _require_room(session: Session) -> None:
    """Raises :class:`InvalidInput` if so many campaigns are open that another one would have to wait for days."""
    is_open = CampaignRow.state.in_([state for state in CampaignState if not state.ended])
    message = f"{MAX_OPEN_CAMPAIGNS} campaigns are open, which is the limit; wait for one to end, or cancel one"
    count, problem = select(func.count()).where(is_open), Problem(field="campaign", message=message)
    require_room(session, "campaigns", count, MAX_OPEN_CAMPAIGNS, problem)


def _new_id(session: Session) -> str:
    while True:
        new = "".join(secrets.choice(_ID_ALPHABET) for _ in range(_ID_LENGTH))
        if session.scalar(select(CampaignRow.id).where(CampaignRow.id == new)) is None:
            return new
