"""Searches for a capacity within an SLO. The end of a step releases the next one, or ends the search.

Callers hold the campaign's lock.
"""

from collections.abc import Mapping, Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from coordinator.scheduling import lifecycle, saturation
from coordinator.scheduling.lifecycle import BlockEvent, BlockState
from coordinator.scheduling.saturation import Bracket, Outcome
from coordinator.store.models import BlockRow, CampaignRow
from coordinator.store.results import block_records
from domain.load import CapacityLoad
from domain.report import Calibration


def begin_searches(campaign: CampaignRow, found: Calibration, held: Sequence[BlockRow], now: float) -> None:
    """Release every first step of ``held`` with its rates; a search that cannot begin fails as a whole."""
    for block in held:
        if block.step == 0:
            initial = saturation.initial_brackets(
                campaign.campaign, found.capacities_per_s, campaign.seed, block.workload, block.level, block.chain or 0
            )
            rates = saturation.next_rates(initial)
            if rates is not None:
                _release(block, rates)
            else:
                _end_all([b for b in held if _chain(b) == _chain(block)], BlockEvent.FAIL, _whys(initial), now)


def continue_search(session: Session, ended: BlockRow, now: float) -> str:
    """Release the next step after ``ended``, or end the other steps; returns the search's result at its end."""
    session.flush()
    if ended.state == BlockState.CANCELLED:
        return ""  # the cancelled campaign has ended the other steps
    steps = _steps(session, ended)
    held = [block for block in steps if block.state == BlockState.HELD]
    brackets = _brackets(ended, steps)
    rates = saturation.next_rates(brackets)
    event = lifecycle.event_after_step(BlockState(ended.state), searching=rates is not None and bool(held))
    if event is BlockEvent.RELEASE and rates is not None:
        held[0].host = ended.attempts[-1].host
        _release(held[0], rates)
        return ""
    reason = {
        BlockEvent.FINISH: "not needed: its search has ended",
        BlockEvent.FAIL: f"block {ended.index}, a step of its search, failed: {ended.reason}",
    }.get(event or BlockEvent.CANCEL, "")
    _end_all(held, event or BlockEvent.CANCEL, reason, now)
    return f"search {(ended.chain or 0) + 1} of {ended.workload} at {ended.level}: {_found(brackets)}"


def is_unclear(session: Session, block: BlockRow) -> bool | None:
    """Whether the attempts of a step, including the one that ends now, leave a result that a retry may decide.

    ``None`` if the block is not a search step.
    """
    if block.chain is None:
        return None
    session.flush()
    brackets = _brackets(block, [one for one in _steps(session, block) if one.step != block.step])
    slo, attempts = _slo(block), block_records(block)
    host = next((a.host for a in attempts if a.result is not None), "")
    answers = [
        saturation.step_result(slo, label, attempts, host)
        for label, bracket in brackets.items()
        if bracket.next_per_s is not None
    ]
    return any(answer.outcome is Outcome.UNKNOWN and answer.again for answer in answers)


def _steps(session: Session, block: BlockRow) -> Sequence[BlockRow]:
    query = (
        select(BlockRow)
        .where(BlockRow.campaign_id == block.campaign_id, BlockRow.workload == block.workload)
        .where(BlockRow.level == block.level, BlockRow.chain == block.chain)
    )
    return session.scalars(query.order_by(BlockRow.step)).all()


def _brackets(block: BlockRow, steps: Sequence[BlockRow]) -> dict[str, Bracket]:
    campaign, found = block.campaign, block.campaign.calibration[block.workload]
    initial = saturation.initial_brackets(
        campaign.campaign, found.capacities_per_s, campaign.seed, block.workload, block.level, block.chain or 0
    )
    return saturation.replay_steps(_slo(block), initial, [record for step in steps for record in block_records(step)])


def _slo(block: BlockRow) -> CapacityLoad:
    load = block.plan.load
    if not isinstance(load, CapacityLoad):
        raise TypeError(f"block {block.id} is a search step, but its load {load} is not a capacity level")
    return load


def _chain(block: BlockRow) -> tuple[str, str, int | None]:
    return block.workload, block.level, block.chain


def _release(block: BlockRow, rates: Mapping[str, int]) -> None:
    block.rates = dict(rates)
    block.state = lifecycle.block_after(BlockState(block.state), BlockEvent.RELEASE)


def _end_all(blocks: Sequence[BlockRow], event: BlockEvent, reason: str, now: float) -> None:
    for block in blocks:
        if block.state == BlockState.HELD:
            block.state = lifecycle.block_after(BlockState.HELD, event)
            block.ended_at, block.reason = now, reason


def _found(brackets: Mapping[str, Bracket]) -> str:
    return "; ".join(
        f"{label} {bracket.figure_per_s:,.0f}/s" if bracket.figure_per_s else f"{label} none: {bracket.why_none}"
        for label, bracket in brackets.items()
    )


def _whys(brackets: Mapping[str, Bracket]) -> str:
    return "; ".join(f"{label}: {bracket.why_none}" for label, bracket in brackets.items())
