"""The end of a workload's calibration blocks: shares become rates and searches begin, or all of them fail.

First the blocks in a closed loop end. With shares, a search in the open loop follows on each host. At the campaign's
end, further blocks check the capacity.
"""

from collections.abc import Callable, Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from coordinator.scheduling import lifecycle
from coordinator.scheduling.calibration import calibrate, rate_of, ready_block
from coordinator.scheduling.lifecycle import BlockEvent, BlockState
from coordinator.scheduling.open_capacity import check_rates, checked, with_open_capacity
from coordinator.scheduling.records import AttemptRecord
from coordinator.store.lifecycle.search import begin_searches, end_all, is_check, release
from coordinator.store.measured.results import block_records
from coordinator.store.rows.models import BlockRow, CampaignRow
from domain.loads.load import CapacityLoad, Load, ShareLoad, load_text
from domain.loads.searched import shares_of
from domain.reports.calibration import Calibration
from domain.trials.block import Block


def finish_calibration(session: Session, campaign: CampaignRow, ended: BlockRow, now: float) -> str:
    """Go on from ``ended``, a calibration block, if its part of the calibration is done; returns what happened, or "".

    Callers hold the campaign's lock and have stored the last calibration trial.
    """
    session.flush()
    of_workload = select(BlockRow).where(BlockRow.campaign_id == campaign.id, BlockRow.workload == ended.workload)
    rows = session.scalars(of_workload.order_by(BlockRow.index)).all()
    finish = _finish_check if is_check(ended) else _finish_open if ended.chain is not None else _finish_closed
    return finish(campaign, rows, ended.workload, now)


def block_of(row: BlockRow, host: str) -> Block:
    """The block as ``host`` gets it; a share of capacity or a search step has its rates."""
    return ready_block(row.plan, _resolve_load(row), host, row.rates)


def _finish_closed(campaign: CampaignRow, rows: Sequence[BlockRow], workload: str, now: float) -> str:
    blocks, held = _chosen(rows, lambda row: row.chain is None), _held(rows)
    if not held or not _ended(blocks):
        return ""
    found = calibrate(campaign.campaign, workload, _records(blocks))
    _store(campaign, workload, found)
    event = lifecycle.event_after_calibration([BlockState(b.state) for b in blocks], known=not found.failure)
    if event is not BlockEvent.RELEASE:
        for block in held:
            end_all([block], BlockEvent.FAIL, f"no rate for {block.plan.load}: {found.failure}", now)
        return f"{found.failure}; {len(held)} blocks cannot be measured"
    steps = [block for block in held if block.calibration and not is_check(block)]
    if steps:
        begin_searches(campaign, found, steps, now)
        if _ended(steps):
            return _finish_open(campaign, rows, workload, now)
        return f"{workload} is calibrated in a closed loop: {_slowest(found)}; its search in the open loop begins"
    if shares := shares_of(campaign.campaign.levels):  # planned by a version without the search
        rates = {name: rate_of(share, found.requests_per_s or 0.0) for name, share in shares.items()}
        _store(campaign, workload, found := found.model_copy(update={"rates_per_s": rates}))
    _begin_levels(campaign, found, held, now)
    return f"{workload} is calibrated: {_slowest(found)}"


def _finish_open(campaign: CampaignRow, rows: Sequence[BlockRow], workload: str, now: float) -> str:
    steps = _chosen(rows, lambda row: row.chain is not None and not is_check(row))
    if not _ended(steps):
        return ""
    held = _held(rows)
    found = with_open_capacity(campaign.campaign, workload, campaign.calibration[workload], _records(steps))
    if not found.failure and any(block.state == BlockState.FAILED for block in steps):
        reason = next(block.reason for block in steps if block.state == BlockState.FAILED)
        found = found.model_copy(update={"failure": f"the calibration of {workload} failed: {reason}"})
    _store(campaign, workload, found)
    shares = [block for block in held if isinstance(block.plan.load, ShareLoad)]
    if found.failure:
        for block in shares:
            end_all([block], BlockEvent.FAIL, f"no rate for {block.plan.load}: {found.failure}", now)
    _begin_levels(campaign, found, held, now)
    if found.failure:
        return f"{found.failure}; {len(shares)} blocks cannot be measured"
    levels = campaign.campaign.levels
    rates = ", ".join(f"{name} is {load_text(levels[name], rate)}" for name, rate in found.rates_per_s.items())
    return f"{workload} is calibrated: {_slowest(found)}; {rates}"


def _finish_check(campaign: CampaignRow, rows: Sequence[BlockRow], workload: str, now: float) -> str:
    blocks, found = _chosen(rows, is_check), campaign.calibration.get(workload)
    if found is None or found.open_loop is None or not _ended(blocks):
        return ""
    found = checked(campaign.campaign, found, _records(blocks))
    _store(campaign, workload, found)
    check = found.open_loop.check if found.open_loop else None
    return f"{workload}: {check.sentence}" if check else ""


def _begin_levels(campaign: CampaignRow, found: Calibration, held: Sequence[BlockRow], now: float) -> None:
    """Release shares and the blocks that check their capacity, and begin the searches of levels."""
    for block in held:
        if block.state == BlockState.HELD and is_check(block) and found.open_loop is not None:
            release(block, check_rates(found.open_loop, block.step or 0))
        elif block.state == BlockState.HELD and block.chain is None:
            block.state = lifecycle.block_after(BlockState.HELD, BlockEvent.RELEASE)
    searched = [block for block in held if block.chain is not None and not block.calibration]
    begin_searches(campaign, found, searched, now)


def _chosen(rows: Sequence[BlockRow], belongs: Callable[[BlockRow], bool]) -> list[BlockRow]:
    return [row for row in rows if row.calibration and belongs(row)]


def _held(rows: Sequence[BlockRow]) -> list[BlockRow]:
    return [row for row in rows if row.state == BlockState.HELD]


def _ended(blocks: Sequence[BlockRow]) -> bool:
    return all(BlockState(block.state).ended for block in blocks)


def _records(blocks: Sequence[BlockRow]) -> list[AttemptRecord]:
    return [record for block in blocks for record in block_records(block)]


def _store(campaign: CampaignRow, workload: str, found: Calibration) -> None:
    campaign.calibration = {**campaign.calibration, workload: found}


def _resolve_load(row: BlockRow) -> Load:
    load = row.plan.load
    if isinstance(load, CapacityLoad) or (isinstance(load, ShareLoad) and row.calibration):
        return load.at(max(row.rates.values()))
    if not isinstance(load, ShareLoad):
        return load
    return load.at(row.campaign.calibration[row.workload].rates_per_s[row.level])


def _slowest(found: Calibration) -> str:
    if found.open_loop is None:
        return (
            f"{found.datapath} on {found.host} is slowest with {found.requests_per_s:,.0f} requests/s at {found.load}"
        )
    bounds = found.open_loop.bounds[found.datapath or ""]
    upper = "more" if bounds.upper_per_s is None else f"{bounds.upper_per_s:,.0f}"
    return f"{found.datapath} on {found.host} is slowest; it carries {bounds.lower_per_s:,.0f} to {upper} requests/s"
