"""Searches for a capacity: of a level within an SLO, and of calibration. The end of a step releases the next one.

Callers hold the campaign's lock.
"""

from collections.abc import Mapping, Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session, selectinload

from coordinator.scheduling import lifecycle, saturation
from coordinator.scheduling.calibration import calibration_searches
from coordinator.scheduling.lifecycle import BlockEvent, BlockState
from coordinator.scheduling.saturation import Search
from coordinator.scheduling.step_result import step_result
from coordinator.store.measured.results import block_records
from coordinator.store.rows.models import AttemptRow, BlockRow, CampaignRow
from domain.loads.searched import CALIBRATION_STEPS
from domain.reports.calibration import Calibration


def begin_searches(campaign: CampaignRow, found: Calibration, held: Sequence[BlockRow], now: float) -> None:
    """Release every first step of ``held`` with its rates; a search that cannot begin fails as a whole."""
    for block in held:
        if block.step == 0:
            initial = _initial(campaign, found, block)
            rates = saturation.next_rates(initial)
            if rates is not None:
                release(block, rates)
            else:
                end_all([b for b in held if _chain(b) == _chain(block)], BlockEvent.FAIL, _whys(initial), now)


def continue_search(session: Session, ended: BlockRow, now: float) -> str:
    """Release the next step after ``ended``, or end the other steps; returns the search's result at its end."""
    session.flush()
    if ended.state == BlockState.CANCELLED:
        return ""  # the cancelled campaign has ended the other steps
    steps = _steps(session, ended)
    held = [block for block in steps if block.state == BlockState.HELD]
    searches = _searches(ended, steps)
    rates = saturation.next_rates(searches)
    event = lifecycle.event_after_step(BlockState(ended.state), searching=rates is not None and bool(held))
    if event is BlockEvent.RELEASE and rates is not None:
        held[0].host = ended.attempts[-1].host
        release(held[0], rates)
        return ""
    reason = {
        BlockEvent.FINISH: "not needed: its search has ended",
        BlockEvent.FAIL: f"block {ended.index}, a step of its search, failed: {ended.reason}",
    }.get(event or BlockEvent.CANCEL, "")
    end_all(held, event or BlockEvent.CANCEL, reason, now)
    return f"search {(ended.chain or 0) + 1} of {ended.workload} at {ended.level}: {_found(searches)}"


def is_unclear(session: Session, block: BlockRow) -> bool | None:
    """Whether the attempts of a step, including the one that ends now, leave a result that a retry may decide.

    ``None`` if the block is not a search step.
    """
    if block.chain is None or is_check(block):
        return None
    session.flush()
    searches = _searches(block, [one for one in _steps(session, block) if one.step != block.step])
    attempts = block_records(block)
    host = next((a.host for a in attempts if a.result is not None), "")
    answers = [
        step_result(search.goal.aim, label, attempts, host)
        for label, search in searches.items()
        if search.next_per_s is not None
    ]
    return any(not answer.known and answer.again for answer in answers)


def is_check(block: BlockRow) -> bool:
    """True for a block at a campaign's end, which checks the capacity that calibration found."""
    return block.calibration and block.step is not None and block.step >= CALIBRATION_STEPS


def calibrates(block: BlockRow) -> bool:
    """True for a block that finds the capacity which shares refer to."""
    return block.calibration and not is_check(block)


def release(block: BlockRow, rates: Mapping[str, int]) -> None:
    """Let a held block run, with its rates."""
    block.rates = dict(rates)
    block.state = lifecycle.block_after(BlockState(block.state), BlockEvent.RELEASE)


def end_all(blocks: Sequence[BlockRow], event: BlockEvent, reason: str, now: float) -> None:
    """End every held block, with the reason."""
    for block in blocks:
        if block.state == BlockState.HELD:
            block.state = lifecycle.block_after(BlockState.HELD, event)
            block.ended_at, block.reason = now, reason


def _steps(session: Session, block: BlockRow) -> Sequence[BlockRow]:
    query = (
        select(BlockRow)
        .where(BlockRow.campaign_id == block.campaign_id, BlockRow.workload == block.workload)
        .where(BlockRow.level == block.level, BlockRow.chain == block.chain)
    )
    trials = selectinload(BlockRow.attempts).selectinload(AttemptRow.trials)
    return [one for one in session.scalars(query.order_by(BlockRow.step).options(trials)) if not is_check(one)]


def _searches(block: BlockRow, steps: Sequence[BlockRow]) -> dict[str, Search]:
    initial = _initial(block.campaign, block.campaign.calibration[block.workload], block)
    return saturation.replay_steps(initial, [record for step in steps for record in block_records(step)])


def _initial(campaign: CampaignRow, found: Calibration, block: BlockRow) -> dict[str, Search]:
    if block.calibration:
        return calibration_searches(campaign.campaign, found)
    return saturation.initial_searches(
        campaign.campaign, found, campaign.seed, block.workload, block.level, block.chain or 0
    )


def _chain(block: BlockRow) -> tuple[str, str, int | None]:
    return block.workload, block.level, block.chain


def _found(searches: Mapping[str, Search]) -> str:
    return "; ".join(f"{label} {_capacity(search)}" for label, search in searches.items())


def _capacity(search: Search) -> str:
    """The bounds; what calibration finds may lack the upper one."""
    bounds = search.bounds
    if bounds.lower_per_s is None or (search.why_none and bounds.upper_per_s is not None):
        return f"none: {search.why_none}"
    if bounds.upper_per_s is None:
        return f"{bounds.lower_per_s:,.0f}/s or more"
    return f"{bounds.lower_per_s:,.0f} to {bounds.upper_per_s:,.0f}/s"


def _whys(searches: Mapping[str, Search]) -> str:
    return "; ".join(f"{label}: {search.why_none}" for label, search in searches.items())
