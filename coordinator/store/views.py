"""Views of campaigns, trials and hosts: the same values for REST and the web pages."""

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, Field
from sqlalchemy import func, select
from sqlalchemy.orm import Session, selectinload, undefer

from coordinator.scheduling.lifecycle import AttemptState, BlockState, CampaignState, attempts_allowed
from coordinator.scheduling.next_look import campaign_left_s
from coordinator.store.draining import drained_hosts
from coordinator.store.keeping import Keeping, keeping_of
from coordinator.store.models import AttemptRow, BlockRow, CampaignRow, EventRow
from coordinator.store.planning import set_up_s
from coordinator.store.results import shown_load
from coordinator.store.search import calibrates
from coordinator.store.times import iso
from domain.campaign import Campaign
from domain.looks import Exactness
from domain.outcome import Outcome, Tally
from domain.planning import Plan
from domain.report import Calibration


class CampaignSummary(BaseModel):
    """One line of the list of campaigns. Times are ISO 8601, UTC."""

    id: str
    name: str
    state: CampaignState
    seed: int
    blocks_total: int
    blocks_done: int
    blocks_failed: int
    created_at: str
    started_at: str | None
    ended_at: str | None
    hosts: list[str]
    error: str
    outcome: Outcome | None = Field(default=None, description="Null until the campaign has ended, or if unknown.")
    outcome_sentence: str = Field(default="", description="What the outcome means for this campaign.")
    paused: str = Field(default="", description="Why it waits for its user, who resumes or cancels it; or empty.")


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
    phase: str = Field(description="prepare, warm_up, slices or finish; empty before the first heartbeat.")
    datapath: str
    slices_done: int
    slices_total: int


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
    drained: list[str] = Field(default=[], description="Hosts that blocks wait for, and that take no new ones.")
    elapsed_s: float = 0.0
    left_s: float | None = Field(
        default=None, description="Estimate, or what is left of the budget; null when the campaign has ended."
    )
    exactness: Exactness | None = Field(default=None, description="How exact the comparisons of cost are by now.")


class HistoryEntry(BaseModel):
    """One event of a campaign."""

    at: str
    message: str
    who: str = Field(default="", description="The token or person that did it; empty: the coordinator, or unknown.")


class CampaignView(CampaignSummary, Keeping):
    """A campaign with its progress and history."""

    submitted_by: str = Field(default="", description="The token or person; empty: a schedule, or unknown.")
    campaign: Campaign
    calibration: dict[str, Calibration] = Field(
        description="By workload, after its calibration; empty if no level depends on the capacity."
    )
    plan: Plan | None = Field(default=None, description="What the planner said before the run.")
    progress: Progress
    tally: Tally = Field(default=Tally(), description="Valid and invalid trials so far, retries, and who disturbed.")
    history: list[HistoryEntry]


def is_known(session: Session, campaign_id: str) -> bool:
    """True if there is a campaign with this id."""
    return session.scalar(select(CampaignRow.id).where(CampaignRow.id == campaign_id)) is not None


def campaign_summary(session: Session, campaign_id: str) -> CampaignSummary | None:
    """One line of the list of campaigns; ``None`` if it is unknown."""
    row = session.get(CampaignRow, campaign_id)
    if row is None:
        return None
    return CampaignSummary(**summary_of(row, block_counts(session, [row.id]).get(row.id, {}), row.hosts))


def campaign_record(session: Session, campaign_id: str) -> dict[str, Any] | None:
    """The ``campaign`` object of a report: the summary and the submitted campaign; ``None`` if unknown."""
    row, summary = session.get(CampaignRow, campaign_id), campaign_summary(session, campaign_id)
    if row is None or summary is None:
        return None
    calibration = {workload: found.model_dump(mode="json") for workload, found in row.calibration.items()}
    campaign = row.campaign.model_dump(mode="json")
    looks = row.looks.model_dump(mode="json") if row.looks is not None else None
    plan = row.plan.model_dump(mode="json") if row.plan is not None else None
    # The report finds its own outcome, so what is stored of it later makes no new report.
    return {
        **summary.model_dump(mode="json", exclude={"outcome", "outcome_sentence", "paused"}),
        "calibration": calibration,
        "campaign": campaign,
        "looks": looks,
        "plan": plan,
    }


def campaign_view(session: Session, campaign_id: str, now: float) -> dict[str, Any] | None:
    """A :class:`CampaignView` as a dict; ``None`` if unknown. ``now`` is in seconds since the epoch."""
    shown = (CampaignRow.campaign, CampaignRow.hosts, CampaignRow.calibration, CampaignRow.plan)
    row = session.get(CampaignRow, campaign_id, options=[undefer(one) for one in shown])
    if row is None:
        return None
    counts = block_counts(session, [row.id]).get(row.id, {})
    events = session.scalars(
        select(EventRow).where(EventRow.campaign_id == campaign_id).order_by(EventRow.id.desc()).limit(100)
    )
    view = CampaignView(
        **summary_of(row, counts, row.hosts),
        **keeping_of(session, [row])[row.id].model_dump(),
        submitted_by=row.submitted_by,
        campaign=row.campaign,
        calibration=row.calibration,
        plan=row.plan,
        progress=_progress(session, row, counts, now),
        history=[HistoryEntry(at=iso(e.at) or "", message=e.message, who=e.who) for e in reversed(events.all())],
    )
    return view.model_dump(mode="json")


def block_counts(session: Session, campaign_ids: list[str]) -> dict[str, dict[str, int]]:
    """By campaign and state: how many blocks."""
    query = (
        select(BlockRow.campaign_id, BlockRow.state, func.count())
        .where(BlockRow.campaign_id.in_(campaign_ids))
        .group_by(BlockRow.campaign_id, BlockRow.state)
    )
    counts: dict[str, dict[str, int]] = {}
    for campaign_id, state, count in session.execute(query):
        counts.setdefault(campaign_id, {})[state] = count
    return counts


def summary_of(row: CampaignRow, counts: dict[str, int], hosts: Sequence[str]) -> dict[str, Any]:
    """The fields of a :class:`CampaignSummary`; ``counts`` are its blocks by state."""
    return {
        "id": row.id,
        "name": row.name,
        "state": row.state,
        "seed": row.seed,
        "blocks_total": sum(counts.values()),
        "blocks_done": counts.get(BlockState.DONE, 0),
        "blocks_failed": counts.get(BlockState.FAILED, 0),
        "created_at": iso(row.created_at),
        "started_at": iso(row.started_at),
        "ended_at": iso(row.ended_at),
        "hosts": list(hosts),
        "error": row.error,
        "outcome": row.outcome or None,
        "outcome_sentence": row.outcome_sentence or "",
        "paused": row.paused or "",
    }


def _progress(session: Session, row: CampaignRow, counts: dict[str, int], now: float) -> Progress:
    begin, end = row.started_at, row.ended_at
    elapsed_s = max(0.0, (end or now) - begin) if begin is not None else 0.0
    if CampaignState(row.state).ended:
        return Progress(phase="ended", elapsed_s=elapsed_s)
    running = _running_blocks(session, row.id)
    waiting = select(BlockRow.host).where(BlockRow.campaign_id == row.id, BlockRow.state == BlockState.DISPATCHED)
    progress = Progress(
        phase="waiting",
        running=running,
        waiting_for=sorted(set(session.scalars(waiting))),
        drained=drained_hosts(session, row.id),
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


def _running_blocks(session: Session, campaign_id: str) -> list[RunningBlock]:
    query = (
        select(AttemptRow)
        .join(BlockRow)
        .where(BlockRow.campaign_id == campaign_id, AttemptRow.state == AttemptState.RUNNING)
        .order_by(BlockRow.index)
        .options(selectinload(AttemptRow.block))
    )
    return [
        RunningBlock(
            block=attempt.block.index,
            block_id=attempt.block_id,
            attempt=attempt.number,
            attempts_allowed=attempts_allowed(calibrates=calibrates(attempt.block)),
            host=attempt.host,
            workload=attempt.block.workload,
            level=attempt.block.level,
            load=shown_load(attempt.block),
            calibration=attempt.block.calibration,
            phase=attempt.phase,
            datapath=attempt.datapath,
            slices_done=min(attempt.slices_done, len(attempt.block.plan.order)),
            slices_total=len(attempt.block.plan.order),
        )
        for attempt in session.scalars(query)
    ]


def _left_s(
    session: Session, row: CampaignRow, counts: dict[str, int], running: list[RunningBlock], elapsed_s: float
) -> float:
    """The estimated time left: remaining blocks × mean time per block, divided by the number of hosts.

    A campaign that may add blocks has what is left of its budget, if that is more.
    """
    query = (
        select(func.avg(AttemptRow.ended_at - AttemptRow.claimed_at))
        .join(BlockRow)
        .where(BlockRow.campaign_id == row.id, AttemptRow.state == AttemptState.DONE)
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
