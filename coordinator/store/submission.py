"""The submission of a campaign: all its rows in one transaction."""

import secrets
from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from coordinator.scheduling.admission import KnownHost, admit, with_parameters
from coordinator.scheduling.lifecycle import BlockState, CampaignState
from coordinator.scheduling.planner import plan
from coordinator.store.models import BlockRow, CampaignRow, HostRow
from coordinator.store.transitions import note
from domain.campaign import Campaign
from domain.load import CapacityLoad, ShareLoad

ONLINE_S = 60.0  # a host that is silent for longer gets no blocks; workers report every 30 s
_ID_ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"
_ID_LENGTH = 8


def is_online(host: HostRow, now: float) -> bool:
    """True if the host reported within the last :data:`ONLINE_S` seconds."""
    return now - host.seen_at <= ONLINE_S


def known_hosts(session: Session, now: float) -> Sequence[KnownHost]:
    """Every registered host, by name."""
    rows = session.scalars(select(HostRow).order_by(HostRow.name))
    return [KnownHost(row.capabilities, is_online(row, now)) for row in rows]


def submit(session: Session, campaign: Campaign, now: float) -> CampaignRow:
    """Check the campaign against the registered hosts, plan it and store it with its default parameters.

    Raises :class:`domain.problems.InvalidInput`; then nothing is created.
    """
    known = known_hosts(session, now)
    hosts = admit(campaign, known)
    by_name = {host.name: host.capabilities for host in known}
    campaign = with_parameters(campaign, [by_name[name] for name in hosts])
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
    )
    session.add(row)
    session.flush()  # the blocks reference it
    session.add_all(
        BlockRow(
            id=f"{row.id}-{block.index}",
            campaign_id=row.id,
            index=block.index,
            workload=block.workload,
            level=block.level,
            host=block.host,
            state=BlockState.HELD if isinstance(block.load, (ShareLoad, CapacityLoad)) else BlockState.WAITING,
            plan=block,
            chain=block.chain,
            step=block.step,
            calibration=block.calibration,
        )
        for block in plan(campaign, hosts, seed)
    )
    note(session, row.id, now, "submitted")
    return row


def _new_id(session: Session) -> str:
    while True:
        new = "".join(secrets.choice(_ID_ALPHABET) for _ in range(_ID_LENGTH))
        if session.get(CampaignRow, new) is None:
            return new
