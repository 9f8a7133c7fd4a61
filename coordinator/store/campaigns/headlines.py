"""The headlines of campaigns in the list: of ended ones they are stored, and one query reads those of a page."""

from collections.abc import Collection, Sequence

from sqlalchemy.orm import Session

from coordinator.analysis.reports.headline import headline_of
from coordinator.scheduling.lifecycle import CampaignState
from coordinator.store.measured import summaries
from coordinator.store.rows.database import Store
from domain.reports.report import CampaignReport, Verdict


def headline(store: Store, campaign_id: str, report: CampaignReport) -> Sequence[Verdict]:
    """The headline of a report. Of an ended campaign it is stored, if it is not yet.

    The campaign may have ended since its report was made: such a report is not the last one, and is not stored.
    """
    found = headline_of(report)
    if not CampaignState(report.campaign["state"]).ended:
        return found
    with store.read() as session:
        end = summaries.settled(session, campaign_id)
        version = summaries.version_of(end) if end is not None else None
        known = version is not None and summaries.stored(session, summaries.HEADLINE, campaign_id, version) is not None
    if version is not None and not known:
        with store.write() as session:
            summaries.store(session, summaries.HEADLINE, campaign_id, version, found)
    return found


def stored_headlines(session: Session, campaign_ids: Collection[str]) -> dict[str, tuple[Verdict, ...]]:
    """The stored headlines of these campaigns, by id; nothing is analysed."""
    ends = summaries.all_settled(session, campaign_ids)
    versions = {campaign_id: summaries.version_of(end) for campaign_id, end in ends.items()}
    return summaries.all_stored(session, summaries.HEADLINE, versions)
