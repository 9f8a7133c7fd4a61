"""The end of a workload's calibration blocks: shares become rates and searches begin, or all of them fail."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from coordinator.scheduling import lifecycle
from coordinator.scheduling.calibration import calibrate, ready_block
from coordinator.scheduling.lifecycle import BlockEvent, BlockState
from coordinator.store.models import BlockRow, CampaignRow
from coordinator.store.results import block_records
from coordinator.store.search import begin_searches
from domain.block import Block
from domain.load import CapacityLoad, Load, ShareLoad, load_text
from domain.report import Calibration


def finish_calibration(session: Session, campaign: CampaignRow, workload: str, now: float) -> str:
    """Release or fail the blocks that wait for the calibration of ``workload``; returns what happened, or "".

    Callers hold the campaign's lock and have stored the last calibration trial.
    """
    session.flush()
    of_workload = select(BlockRow).where(BlockRow.campaign_id == campaign.id, BlockRow.workload == workload)
    held = session.scalars(of_workload.where(BlockRow.state == BlockState.HELD).order_by(BlockRow.index)).all()
    blocks = session.scalars(of_workload.where(BlockRow.calibration.is_(True)).order_by(BlockRow.index)).all()
    states = [BlockState(block.state) for block in blocks]
    if not held or not all(state.ended for state in states):
        return ""
    found = calibrate(campaign.campaign, workload, [r for block in blocks for r in block_records(block)])
    event = lifecycle.event_after_calibration(states, known=not found.failure) or BlockEvent.FAIL
    campaign.calibration = {**campaign.calibration, workload: found}
    for block in held:
        if event is BlockEvent.FAIL or block.chain is None:
            block.state = lifecycle.block_after(BlockState.HELD, event)
        if event is BlockEvent.FAIL:
            block.ended_at, block.reason = now, f"no rate for {block.plan.load}: {found.failure}"
    if event is BlockEvent.RELEASE:
        begin_searches(campaign, found, [block for block in held if block.chain is not None], now)
    return _summary(campaign, workload, found, len(held))


def block_of(row: BlockRow, host: str) -> Block:
    """The block as ``host`` gets it; a share of capacity or a search step has its rates."""
    return ready_block(row.plan, _resolve_load(row), host, row.rates)


def _resolve_load(row: BlockRow) -> Load:
    load = row.plan.load
    if isinstance(load, CapacityLoad):
        return load.at(max(row.rates.values()))
    if not isinstance(load, ShareLoad):
        return load
    return load.at(row.campaign.calibration[row.workload].rates_per_s[row.level])


def _summary(campaign: CampaignRow, workload: str, found: Calibration, held: int) -> str:
    if found.failure:
        return f"{found.failure}; {held} blocks cannot be measured"
    levels = campaign.campaign.levels
    rates = ", ".join(f"{name} is {load_text(levels[name], rate)}" for name, rate in found.rates_per_s.items())
    slowest = f"{found.datapath} on {found.host} is slowest with {found.requests_per_s:,.0f} requests/s at {found.load}"
    return f"{workload} is calibrated: {slowest}{'; ' if rates else ''}{rates}"
