"""What a campaign does at present: its running blocks, those that hosts were asked to begin, and the time left."""

from collections.abc import Sequence

from pydantic import BaseModel, Field
from sqlalchemy import func, select
from sqlalchemy.orm import Session, contains_eager

from coordinator.scheduling.lifecycle import AttemptState, BlockState, CampaignState, attempts_allowed
from coordinator.scheduling.next_look import campaign_left_s
from coordinator.store.hosts.draining import drained_hosts
from coordinator.store.lifecycle.planning import set_up_s
from coordinator.store.lifecycle.search import calibrates
from coordinator.store.measured.results import shown_load
from coordinator.store.rows.ended import ended_as
from coordinator.store.rows.models import AttemptRow, BlockRow, CampaignRow
from coordinator.store.rows.times import iso
from domain.hosts.noise_limits import calm_wait_s
from domain.reports.looks import Exactness


class RunningBlock(BaseModel):
    """A running block."""

    block: int = Field(description="The block's index, from 0.")
    block_id: str
    attempt: int
    attempts_allowed: int
    host: str
    workload: str
    level: str
    load: str
    calibration: bool = Field(description="True if it finds the capacity; it measures no cell.")
    since: str | None = Field(default=None, description="When its worker began this attempt.")
    calm_wait_s: float = Field(
        default=0.0, description="After its labs are built, it waits for other processes to be idle; at most so long."
    )
    phase: str = Field(description="prepare, warm_up, slices or finish; empty before the first heartbeat.")
    datapath: str
    slices_done: int
    slices_total: int


class AskedBlock(BaseModel):
    """A block that a host was asked to begin, and has not begun."""

    block: int = Field(description="The block's index, from 0.")
    attempt: int
    attempts_allowed: int
    host: str
    since: str | None = Field(
        description="When the host was asked, the last time; null if the message could not be sent yet."
    )


class Progress(BaseModel):
    """A campaign's progress. ``phase``, ``block``, ``cell`` and slices are those of the first running block."""

    phase: str = ""
    block: int | None = None
    cell: dict[str, str] | None = Field(
        default=None, description="datapath, workload and level of the present traffic."
    )
    slices_done: int = 0
    slices_total: int = 0
    running: list[RunningBlock] = []
    waiting_for: list[str] = Field(default=[], description="Hosts that have not claimed a block yet.")
    asked: list[AskedBlock] = Field(default=[], description="The blocks that these hosts were asked to begin.")
    drained: list[str] = Field(default=[], description="Hosts that blocks wait for, and that take no new ones.")
    elapsed_s: float = 0.0
    left_s: float | None = Field(
        default=None, description="Estimate, or what is left of the budget; null when the campaign has ended."
    )
    exactness: Exactness | None = Field(default=None, description="How exact the comparisons of cost are by now.")


def progress_of(session: Session, row: CampaignRow, counts: dict[str, int], now: float) -> Progress:
    """What a campaign does at present; ``counts`` are its blocks by state."""
    begin, end = row.started_at, row.ended_at
    elapsed_s = max(0.0, (end or now) - begin) if begin is not None else 0.0
    if CampaignState(row.state).ended:
        return Progress(phase="ended", elapsed_s=elapsed_s)
    attempts = _attempts(session, row.id)
    running = [_running_block(one) for one in attempts if one.state == AttemptState.RUNNING]
    asked = [_asked_block(one) for one in attempts if one.state == AttemptState.DISPATCHED]
    progress = Progress(
        phase="waiting",
        running=running,
        waiting_for=sorted({one.host for one in asked}),
        drained=drained_hosts(session, row.id),
        asked=asked,
        elapsed_s=elapsed_s,
        left_s=_left_s(session, row, counts, running, elapsed_s),
    )
    if not running:
        return progress
    first = running[0]
    cell = {"datapath": first.datapath, "workload": first.workload, "level": first.level}
    return progress.model_copy(
        update={
            "phase": first.phase or "prepare",
            "block": first.block,
            "cell": cell,
            "slices_done": first.slices_done,
            "slices_total": first.slices_total,
        }
    )


def _attempts(session: Session, campaign_id: str) -> Sequence[AttemptRow]:
    """Attempts that were sent or run, in the order of their blocks."""
    states = AttemptRow.state.in_([AttemptState.DISPATCHED, AttemptState.RUNNING])
    query = select(AttemptRow).join(BlockRow).where(BlockRow.campaign_id == campaign_id, states)
    block = contains_eager(AttemptRow.block).undefer(BlockRow.plan)
    return session.scalars(query.order_by(BlockRow.index).options(block)).all()


def _asked_block(attempt: AttemptRow) -> AskedBlock:
    return AskedBlock(
        block=attempt.block.index,
        attempt=attempt.number,
        attempts_allowed=attempts_allowed(calibrates=calibrates(attempt.block)),
        host=attempt.host,
        since=iso(attempt.sent_at),
    )


def _running_block(attempt: AttemptRow) -> RunningBlock:
    return RunningBlock(
        block=attempt.block.index,
        block_id=attempt.block_id,
        attempt=attempt.number,
        attempts_allowed=attempts_allowed(calibrates=calibrates(attempt.block)),
        host=attempt.host,
        workload=attempt.block.workload,
        level=attempt.block.level,
        load=shown_load(attempt.block),
        calibration=attempt.block.calibration,
        since=iso(attempt.claimed_at),
        calm_wait_s=calm_wait_s(attempt.number),
        phase=attempt.phase,
        datapath=attempt.datapath,
        slices_done=min(attempt.slices_done, len(attempt.block.plan.order)),
        slices_total=len(attempt.block.plan.order),
    )


def _left_s(
    session: Session, row: CampaignRow, counts: dict[str, int], running: list[RunningBlock], elapsed_s: float
) -> float:
    """The estimated time left: remaining blocks × mean time per block, divided by the number of hosts.

    A campaign that may add blocks has what is left of its budget, if that is more.
    """
    query = (
        select(func.avg(AttemptRow.ended_at - AttemptRow.claimed_at))
        .join(BlockRow)
        .where(BlockRow.campaign_id == row.id, ended_as(AttemptState.DONE))
    )
    block_s = session.scalar(query) if row.started_at is not None else None
    if block_s is None:
        campaign = row.campaign
        blocks = campaign.total_blocks + campaign.calibration_blocks
        block_s = campaign.traffic_s / blocks + set_up_s(len(campaign.labels))
    to_go = sum(count for state, count in counts.items() if not BlockState(state).ended)
    begun = sum(block.slices_done / max(1, block.slices_total) for block in running)
    hosts = max(1, min(len(row.hosts), to_go))
    left_s = max(0.0, to_go - begun) * block_s / hosts
    if row.looks is not None and row.looks.next is not None and row.state != CampaignState.CANCELLING:
        left_s = max(left_s, campaign_left_s(row.campaign, elapsed_s))
    return round(left_s, 1)
