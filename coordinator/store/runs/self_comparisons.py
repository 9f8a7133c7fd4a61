"""The ticker stores what each ended A/A campaign said, once; the page of trust counts it.

The column ``campaigns.copies`` is NULL until the ticker has looked.
"""

import logging

from sqlalchemy import Float, ForeignKey, String, Text, delete, func, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from coordinator.analysis.runs.self_comparison import copies_of, false_share, self_counts, trust_sentence
from coordinator.scheduling.lifecycle import CampaignState
from coordinator.store.campaigns import reports
from coordinator.store.rows.database import Store
from coordinator.store.rows.json_text import JsonText
from coordinator.store.rows.models import Base, CampaignRow
from coordinator.store.rows.quarantine import is_outage
from coordinator.store.rows.times import iso
from domain.runs.trust import SHOWN, SelfComparison, SelfCounts, Trust

_AT_ONCE = 8  # campaigns of one round
_ENDED = tuple(state for state in CampaignState if state.ended)
MISSING = select(CampaignRow.id).where(CampaignRow.copies.is_(None), CampaignRow.state.in_(_ENDED))
"""Campaigns that have ended and were not looked at."""

log = logging.getLogger(__name__)


class SelfComparisonRow(Base):
    """One campaign that compared a datapath with itself."""

    __tablename__ = "self_comparisons"

    campaign_id: Mapped[str] = mapped_column(ForeignKey("campaigns.id"), primary_key=True)
    name: Mapped[str] = mapped_column(String(64))
    hosts: Mapped[str] = mapped_column(Text)
    at: Mapped[float] = mapped_column(Float(53), index=True)
    counts: Mapped[SelfCounts] = mapped_column(JsonText(SelfCounts))


def fill(store: Store) -> None:
    """Store what newly ended A/A campaigns said, the oldest first; also of those from earlier versions."""
    with store.read() as session:
        ids = session.scalars(MISSING.order_by(CampaignRow.created_at).limit(_AT_ONCE)).all()
    for campaign_id in ids:
        _store_one(store, campaign_id)


def _store_one(store: Store, campaign_id: str) -> None:
    try:
        copies, row = _found(store, campaign_id)
    except Exception as error:  # its page says what is wrong with it; others must get their row
        if is_outage(error):
            raise
        log.exception("%s is not counted among the comparisons of a datapath with itself", campaign_id)
        copies, row = 0, None
    unknown = CampaignRow.id == campaign_id, CampaignRow.copies.is_(None)  # another ticker may have been faster
    with store.write() as session:
        if session.scalar(select(CampaignRow.id).where(*unknown).with_for_update()) is None:
            return
        session.execute(update(CampaignRow).where(*unknown).values(copies=copies))
        if row is not None:
            session.add(row)


def _found(store: Store, campaign_id: str) -> tuple[int, SelfComparisonRow | None]:
    with store.read() as session:
        columns = (CampaignRow.campaign, CampaignRow.state, CampaignRow.name, CampaignRow.hosts)
        times = CampaignRow.started_at, CampaignRow.created_at
        found = session.execute(select(*columns, *times).where(CampaignRow.id == campaign_id)).first()
        copies = copies_of(found.campaign) if found is not None else 0
        version = reports.version_of(session, campaign_id) if copies else None
    if found is None or version is None or found.state != CampaignState.COMPLETE:
        return copies, None
    report = reports.report(store, campaign_id, version)
    counts = self_counts(report.verdicts) if report is not None else None
    if counts is None or not counts.intervals:
        return copies, None
    at = found.started_at or found.created_at
    hosts = ", ".join(sorted(found.hosts))
    return copies, SelfComparisonRow(campaign_id=campaign_id, name=found.name, hosts=hosts, at=at, counts=counts)


def trust(session: Session) -> Trust:
    """All of them, counted."""
    query = select(SelfComparisonRow).order_by(SelfComparisonRow.at, SelfComparisonRow.campaign_id)
    listed: list[SelfComparison] = []
    totals, false = [0, 0, 0, 0], 0
    for index, row in enumerate(session.scalars(query), start=1):
        counts = row.counts
        parts = counts.comparisons, counts.different, counts.intervals, counts.excluding
        totals, false = [a + b for a, b in zip(totals, parts, strict=True)], false + bool(counts.different)
        one = SelfComparison(
            **counts.model_dump(), campaign=row.campaign_id, name=row.name, hosts=row.hosts, at=iso(row.at) or "",
            campaigns_until=index, false_until=false,
        )  # fmt: skip
        listed.append(one)
    campaigns = false_share(false, len(listed))
    return Trust(
        campaigns=campaigns,
        comparisons=false_share(totals[1], totals[0]),
        intervals=false_share(totals[3], totals[2]),
        sentence=trust_sentence(campaigns),
        newest=tuple(reversed(listed[-SHOWN:])),
    )


def version_of(session: Session) -> tuple[int, float | None]:
    """What changes with each of them, also if one goes when another comes."""
    count, times = session.execute(select(func.count(), func.sum(SelfComparisonRow.at))).one()
    return count, times


def forget(session: Session, campaign_id: str) -> None:
    """Delete what a campaign said; the caller deletes the campaign."""
    session.execute(delete(SelfComparisonRow).where(SelfComparisonRow.campaign_id == campaign_id))
