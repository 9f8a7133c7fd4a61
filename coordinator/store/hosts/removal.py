"""The removal of a host: its token, its matrix and its work elsewhere. Its results stay."""

import logging

from sqlalchemy import select
from sqlalchemy.orm import Session

from coordinator.scheduling.lifecycle import OPEN_BLOCKS, OPEN_CAMPAIGNS, AttemptEvent, AttemptState, CampaignState
from coordinator.store.capabilities import host_versions
from coordinator.store.lifecycle import transitions
from coordinator.store.rows.models import AttemptRow, BlockRow, CampaignRow, EnrolmentRow, HostRow, MatrixRow
from coordinator.store.rows.quarantine import Kind, is_outage, release

log = logging.getLogger(__name__)


def remove_host(session: Session, host: str, now: float) -> bool:
    """Forget a host; false if there is none.

    What it runs is lost at once, and the ticker gives its blocks to other hosts of the campaign. A campaign that has no
    other host is cancelled: it could never end.
    """
    # In this order, in which a registration and a revocation write them; another user may just have removed both.
    enrolment = session.get(EnrolmentRow, host, with_for_update=True)
    row = session.get(HostRow, host, with_for_update=True)
    if enrolment is None and row is None:
        return False
    for one in (enrolment, session.get(MatrixRow, host)):
        if one is not None:
            session.delete(one)
    host_versions.forget(session, host)
    session.flush()  # the matrix refers to the host
    if row is not None:
        session.delete(row)
        session.flush()
    for campaign_id in _campaigns_of(session, host):
        campaign = transitions.lock_campaign(session, campaign_id)
        if campaign is not None:
            _take_work_off_or_leave_it(session, campaign, host, now)
    release(session, Kind.HOST, host)
    release(session, Kind.MATRIX, host)
    return True


def _take_work_off_or_leave_it(session: Session, campaign: CampaignRow, host: str, now: float) -> None:
    """What one campaign holds must not keep a host; the ticker moves its blocks, or sets it aside."""
    campaign_id = campaign.id
    try:
        with session.begin_nested():
            _take_work_off(session, campaign, host, now)
    except Exception as error:
        if is_outage(error):
            raise
        log.exception("the work of campaign %s was not taken off %s", campaign_id, host)


def _campaigns_of(session: Session, host: str) -> list[str]:
    query = (
        select(BlockRow.campaign_id)
        .distinct()
        .join(CampaignRow)
        .where(CampaignRow.state.in_(OPEN_CAMPAIGNS), BlockRow.host == host, BlockRow.state.in_(OPEN_BLOCKS))
        .order_by(BlockRow.campaign_id)
    )
    return list(session.scalars(query))


def _take_work_off(session: Session, campaign: CampaignRow, host: str, now: float) -> None:
    reason = f"host {host} was removed"
    others = [name for name in campaign.hosts if name != host and session.get(HostRow, name) is not None]
    if not others and campaign.state != CampaignState.CANCELLING:
        transitions.note(session, campaign.id, now, f"{reason}, and the campaign has no other host")
        transitions.cancel_campaign(session, campaign, now)
    query = (
        select(AttemptRow)
        .join(BlockRow)
        .where(BlockRow.campaign_id == campaign.id)
        .where(AttemptRow.host == host, AttemptRow.state == AttemptState.RUNNING)
    )
    for attempt in session.scalars(query).all():
        event = AttemptEvent.STOP if campaign.state == CampaignState.CANCELLING else AttemptEvent.EXPIRE
        transitions.end_attempt(session, attempt, event, now, reason=reason)
