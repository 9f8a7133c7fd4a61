"""Views of campaigns, trials and hosts: the same values for REST and the web pages."""

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, Field
from sqlalchemy import func, select
from sqlalchemy.orm import Session, undefer

from coordinator.scheduling.lifecycle import BlockState, CampaignState
from coordinator.store.campaigns.keeping import Keeping, keeping_of
from coordinator.store.campaigns.progress import Progress, progress_of
from coordinator.store.rows.models import BlockRow, CampaignRow, EventRow
from coordinator.store.rows.times import iso
from domain.campaigns.campaign import Campaign
from domain.reports.outcome import Outcome, Tally
from domain.reports.planning import Plan
from domain.reports.report import Calibration


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


class Submitted(BaseModel):
    """Who submitted a campaign: for users of the service, not for visitors of a link, who read the summary."""

    submitted_by: str = Field(default="", description="The token or person; empty: a schedule, or unknown.")


class HistoryEntry(BaseModel):
    """One event of a campaign."""

    at: str
    message: str
    who: str = Field(default="", description="The token or person that did it; empty: the coordinator, or unknown.")


class CampaignView(CampaignSummary, Submitted, Keeping):
    """A campaign with its progress and history."""

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
    shown = (CampaignRow.campaign, CampaignRow.hosts, CampaignRow.calibration, CampaignRow.plan, CampaignRow.looks)
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
        progress=progress_of(session, row, counts, now),
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
        "paused": "" if CampaignState(row.state).ended else row.paused or "",
    }
