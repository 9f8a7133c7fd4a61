"""Apply :mod:`coordinator.scheduling.lifecycle` to rows. Callers hold a write transaction and the campaign's lock.

Lock order: a host's row before a campaign's row, never the reverse.
"""

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from coordinator.scheduling import lifecycle
from coordinator.scheduling.lifecycle import (
    OPEN_BLOCKS,
    AttemptEvent,
    AttemptState,
    BlockEvent,
    BlockState,
    CampaignEvent,
    CampaignState,
)
from coordinator.store.lifecycle.calibration import finish_calibration
from coordinator.store.lifecycle.looks import end_at_budget, take_look
from coordinator.store.lifecycle.outcomes import reason_to_pause
from coordinator.store.lifecycle.search import calibrates, continue_search, is_check, is_unclear
from coordinator.store.rows.models import AttemptRow, BlockRow, CampaignRow, EventRow
from coordinator.store.rows.quarantine import release_campaign
from domain.reports.outcome import PAUSED_BY_USER
from domain.trials.trial import BlockResult

_ASKS = "paused: "  # how the history says that a campaign paused by itself, and why


def lock_campaign(session: Session, campaign_id: str) -> CampaignRow | None:
    """The campaign's row, locked until the transaction ends, which serialises all changes of a campaign."""
    query = select(CampaignRow).where(CampaignRow.id == campaign_id).with_for_update()
    return session.scalar(query.execution_options(populate_existing=True))


def note(session: Session, campaign_id: str, now: float, message: str, who: str = "") -> None:
    """Add an entry to the campaign's history. ``who`` did it; empty: the coordinator itself."""
    session.add(EventRow(campaign_id=campaign_id, at=now, message=message, who=who))


def begin_attempt(session: Session, block: BlockRow) -> AttemptRow:
    """Create the block's next attempt for the block's host."""
    block.state = lifecycle.block_after(BlockState(block.state), BlockEvent.DISPATCH)
    number = len(block.attempts) + 1
    attempt = AttemptRow(
        id=f"{block.id}-{number}", number=number, host=block.host, state=AttemptState.DISPATCHED, block=block
    )
    session.add(attempt)
    return attempt


def claim_attempt(session: Session, attempt: AttemptRow, now: float) -> None:
    """The attempt and its block start to run, and so does the campaign."""
    block, campaign = attempt.block, attempt.block.campaign
    attempt.state = lifecycle.attempt_after(AttemptState(attempt.state), AttemptEvent.CLAIM)
    block.state = lifecycle.block_after(BlockState(block.state), BlockEvent.CLAIM)
    campaign.state = lifecycle.campaign_after(CampaignState(campaign.state), CampaignEvent.BLOCK_CLAIMED)
    attempt.claimed_at = now
    if campaign.started_at is None:
        campaign.started_at = now
        note(session, campaign.id, now, f"started on {attempt.host}")


def withdraw(session: Session, block: BlockRow) -> None:
    """Cancel the attempt that was sent but not claimed, if there is one; its number is free again."""
    if block.state == BlockState.DISPATCHED:
        block.state = lifecycle.block_after(BlockState.DISPATCHED, BlockEvent.WITHDRAW)
        session.delete(block.attempts.pop())


def accept_late(session: Session, attempt: AttemptRow, result: BlockResult, now: float) -> bool:
    """Accept the result of a lost attempt, unless its block is being measured again or has ended."""
    block = attempt.block
    if block.state not in {BlockState.WAITING, BlockState.DISPATCHED}:
        return False
    withdraw(session, block)
    attempt.state = lifecycle.attempt_after(AttemptState(attempt.state), AttemptEvent.RESULT)
    attempt.ended_at, attempt.reason = now, ""
    note(session, block.campaign_id, now, f"block {block.index}, attempt {attempt.number}: its result arrived late")
    outcome = lifecycle.event_after_attempt(
        AttemptEvent.RESULT,
        attempt=attempt.number,
        result=result,
        unclear=is_unclear(session, block),
        calibrates=calibrates(block),
    )
    if outcome is BlockEvent.FINISH:
        block.state = lifecycle.block_after(BlockState(block.state), outcome)
        _close(session, block, now)
    return True


def end_attempt(
    session: Session,
    attempt: AttemptRow,
    event: AttemptEvent,
    now: float,
    *,
    reason: str = "",
    result: BlockResult | None = None,
) -> None:
    """End an attempt, and with it possibly its block and its campaign."""
    block = attempt.block
    attempt.state = lifecycle.attempt_after(AttemptState(attempt.state), event)
    attempt.ended_at, attempt.reason = now, reason
    outcome = lifecycle.event_after_attempt(
        event,
        attempt=attempt.number,
        result=result,
        earlier_result=any(a.state == AttemptState.DONE for a in block.attempts if a is not attempt),
        cancelling=block.campaign.state == CampaignState.CANCELLING,
        unclear=is_unclear(session, block) if result is not None else None,
        calibrates=calibrates(block),
    )
    block.state = lifecycle.block_after(BlockState(block.state), outcome)
    if reason:
        note(session, block.campaign_id, now, f"block {block.index}, attempt {attempt.number}: {reason}")
    elif outcome is BlockEvent.RETRY:
        why = _disturbance(result) or "its step of a search is unclear"
        note(session, block.campaign_id, now, f"block {block.index} is measured again: {why}")
    if BlockState(block.state).ended:
        block.reason = reason if outcome is BlockEvent.FAIL else ""
        _close(session, block, now)
    _ask_if_useless(session, block.campaign, now)


def _close(session: Session, block: BlockRow, now: float) -> None:
    """End a block: release blocks that wait for it, and end its campaign if it was the last."""
    block.ended_at = now
    if block.chain is not None and not is_check(block) and (event := continue_search(session, block, now)):
        note(session, block.campaign_id, now, event)
    if block.calibration and (event := finish_calibration(session, block.campaign, block, now)):
        note(session, block.campaign_id, now, event)
    if event := end_at_budget(session, block.campaign, now):
        note(session, block.campaign_id, now, event)
    finish_campaign(session, block.campaign, now)


def _ask_if_useless(session: Session, campaign: CampaignRow, now: float) -> None:
    if why := reason_to_pause(session, campaign):
        campaign.paused = why
        note(session, campaign.id, now, f"{_ASKS}{why}")


def pause_campaign(session: Session, campaign: CampaignRow, now: float, who: str = "") -> None:
    """Begin no more blocks until a user resumes the campaign; running ones go on to their end.

    It has no effect on a campaign that is paused, cancelled or has ended.
    """
    if campaign.paused or CampaignState(campaign.state) not in {CampaignState.QUEUED, CampaignState.RUNNING}:
        return
    campaign.paused = PAUSED_BY_USER
    note(session, campaign.id, now, "paused by a user", who)
    asked = select(BlockRow).where(BlockRow.campaign_id == campaign.id, BlockRow.state == BlockState.DISPATCHED)
    for block in session.scalars(asked).all():
        withdraw(session, block)


def resume_campaign(session: Session, campaign: CampaignRow, now: float, who: str = "") -> None:
    """Go on with a campaign that waits for its user. It has no effect on others."""
    if campaign.paused:
        # A campaign that paused by itself does not ask again. One that a user paused has not asked yet.
        asked = session.scalar(
            select(EventRow.id).where(EventRow.campaign_id == campaign.id, EventRow.message.startswith(_ASKS)).limit(1)
        )
        campaign.paused = None if asked is None else ""
        note(session, campaign.id, now, "resumed", who)
        _ask_if_useless(session, campaign, now)  # its first attempts may have ended while it was paused


def _disturbance(result: BlockResult | None) -> str:
    """What the environment did to the first disturbed trial, in words."""
    return "" if result is None else next(iter(result.environment), "")


def cancel_campaign(session: Session, campaign: CampaignRow, now: float, who: str = "") -> None:
    """Cancel waiting blocks at once; running ones stop at their next heartbeat. A repeated cancel has no effect."""
    state = CampaignState(campaign.state)
    if state.ended or state is CampaignState.CANCELLING:
        return
    campaign.state = lifecycle.campaign_after(state, CampaignEvent.CANCEL)
    campaign.cancelled_at = now
    campaign.paused = "" if campaign.paused else campaign.paused
    note(session, campaign.id, now, "cancelled", who)
    release_campaign(session, campaign.id)
    session.flush()
    # By two statements: a campaign may have thousands of blocks, and what they hold is not needed here.
    of_campaign = BlockRow.campaign_id == campaign.id
    unsent = select(BlockRow.id).where(of_campaign, BlockRow.state == BlockState.DISPATCHED)
    stopped = lifecycle.attempt_after(AttemptState.DISPATCHED, AttemptEvent.STOP)
    session.execute(
        update(AttemptRow)
        .where(AttemptRow.block_id.in_(unsent), AttemptRow.state == AttemptState.DISPATCHED)
        .values(state=stopped, ended_at=now, reason="cancelled before it started")
    )
    for before in (BlockState.HELD, BlockState.WAITING, BlockState.DISPATCHED):
        after = lifecycle.block_after(before, BlockEvent.CANCEL)
        waiting = update(BlockRow).where(of_campaign, BlockRow.state == before)
        session.execute(waiting.values(state=after, ended_at=now))
    finish_campaign(session, campaign, now)


def finish_campaign(session: Session, campaign: CampaignRow, now: float) -> None:
    """End the campaign if all its blocks have ended, unless its look says that more blocks follow."""
    session.flush()
    ours = BlockRow.campaign_id == campaign.id
    if session.scalar(select(BlockRow.id).where(ours, BlockRow.state.in_(OPEN_BLOCKS)).limit(1)) is not None:
        return  # as after almost every block, and this costs the same in any campaign
    rows = session.execute(select(BlockRow.state, BlockRow.calibration).where(ours).distinct()).all()
    measured, calibrations = ([BlockState(state) for state, flag in rows if flag is kind] for kind in (False, True))
    event = lifecycle.event_after_blocks(measured, calibrations)
    if event is None or CampaignState(campaign.state).ended:
        return
    if event is CampaignEvent.ALL_ENDED and (look := take_look(session, campaign, now)):
        note(session, campaign.id, now, look)
        if campaign.looks is not None and campaign.looks.next is not None:
            return
    campaign.state = lifecycle.campaign_after(CampaignState(campaign.state), event)
    campaign.ended_at = now
    campaign.paused = "" if campaign.paused else campaign.paused
    if campaign.state == CampaignState.FAILED:
        campaign.error = f"no block could be measured; last reason: {_last_reason(session, campaign.id)}"
    note(session, campaign.id, now, str(campaign.state))


def _last_reason(session: Session, campaign_id: str) -> str:
    query = (
        select(BlockRow.reason)
        .where(BlockRow.campaign_id == campaign_id, BlockRow.reason != "")
        .order_by(BlockRow.ended_at.desc(), BlockRow.index.desc())
    )
    return session.scalars(query.limit(1)).first() or "unknown"
