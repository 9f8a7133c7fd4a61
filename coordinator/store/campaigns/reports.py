"""The report and the tally of a campaign: analysed in one place, and of an ended campaign once."""

import json
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import select
from sqlalchemy.orm import Session

from coordinator.analysis.reports.report import build_report, results_of
from coordinator.analysis.runs import run_estimates
from coordinator.analysis.runs.comparison import Measured, StoredMeasured, measured
from coordinator.analysis.trials.campaign_results import CampaignResults
from coordinator.analysis.trials.pool import Pool, PoolKey
from coordinator.analysis.trials.tally import tally_of
from coordinator.scheduling.records import AttemptRecord
from coordinator.store.campaigns import views
from coordinator.store.capabilities.places import stage_path
from coordinator.store.measured import digests, summaries
from coordinator.store.measured.records import attempt_records
from coordinator.store.measured.results import results_version
from coordinator.store.rows.database import Store
from coordinator.store.rows.models import CampaignRow
from domain.campaigns.campaign import Campaign
from domain.reports.outcome import Tally
from domain.reports.report import CampaignReport
from domain.runs.combination import Run

T = TypeVar("T")


class CampaignData(NamedTuple):
    """All that the analysis reads of one campaign. ``record`` is the ``campaign`` object of its report."""

    campaign: Campaign
    record: Mapping[str, Any]
    attempts: Sequence[AttemptRecord]
    pools: Mapping[PoolKey, Pool]

    def results(self) -> CampaignResults:
        """The attempts by cell."""
        return results_of(self.campaign, self.record, self.attempts, self.pools)


def data_of(session: Session, campaign_id: str) -> CampaignData | None:
    """Read a campaign's attempts and pools; ``None`` if it is unknown."""
    record = views.campaign_record(session, campaign_id)
    if record is None:
        return None
    attempts, pools = attempt_records(session, campaign_id), digests.pools_of(session, campaign_id)
    return CampaignData(Campaign.model_validate(record["campaign"]), record, attempts, pools)


class Version(NamedTuple):
    """Equal as long as a report is. ``attempts`` and ``record`` are of an open campaign, ``end`` of an ended one."""

    path: str
    attempts: Hashable
    record: str
    end: str | None

    @property
    def stored(self) -> str | None:
        """The version of the stored report; ``None`` if the campaign is open."""
        return None if self.end is None else summaries.version_of(self.end, self.path)


def version_of(session: Session, campaign_id: str) -> Version | None:
    """The version of a campaign's present report; ``None`` if the campaign is unknown."""
    hosts = session.scalar(select(CampaignRow.hosts).where(CampaignRow.id == campaign_id))
    if hosts is None:
        return None
    path, end = stage_path(session, hosts).version, summaries.settled(session, campaign_id)
    if end is not None:
        return Version(path, None, "", end)
    record = json.dumps(views.campaign_record(session, campaign_id), allow_nan=False)
    return Version(path, results_version(session, campaign_id), record, None)


def report(store: Store, campaign_id: str, version: Version) -> CampaignReport | None:
    """The report of a campaign: of an ended one it is stored, and made if that is missing. ``None`` if unknown."""

    def made() -> CampaignReport | None:
        digests.complete(store, campaign_id)
        with store.read() as session:
            data = data_of(session, campaign_id)
            return analysed(session, data) if data is not None else None

    return _once(store, summaries.REPORT, campaign_id, version.stored, made)


def stored_report(
    store: Store, campaign_id: str, version: Version, without: Collection[str] = ()
) -> CampaignReport | None:
    """The stored report of an ended campaign, or a part of it; ``None`` if there is none of this version."""
    if version.stored is None:
        return None
    with store.read() as session:
        return summaries.stored(session, summaries.REPORT, campaign_id, version.stored, without)


def stored_text(store: Store, campaign_id: str, version: Version) -> bytes | None:
    """The same as JSON, with numbers as users read them."""
    if version.stored is None:
        return None
    with store.read() as session:
        return summaries.stored_text(session, summaries.REPORT, campaign_id, version.stored)


def measured_of(store: Store, campaign_id: str) -> Measured | None:
    """What comparisons and trends need of a campaign; of an ended one it is made once. ``None`` if it is unknown."""

    def made() -> StoredMeasured | None:
        digests.complete(store, campaign_id)
        with store.read() as session:
            data = data_of(session, campaign_id)
        return StoredMeasured.of(measured(data.results(), data.record)) if data is not None else None

    found = _once(store, summaries.MEASURED, campaign_id, _version_of_end(store, campaign_id), made)
    return None if found is None else found.whole


def run_of(store: Store, campaign_id: str) -> Run | None:
    """What combinations of runs need of a campaign; of an ended one it is made once. ``None`` if it is unknown."""

    def made() -> Run | None:
        digests.complete(store, campaign_id)
        with store.read() as session:
            data = data_of(session, campaign_id)
        return run_estimates.run_of(data.results(), data.record) if data is not None else None

    return _once(store, summaries.RUN, campaign_id, _version_of_end(store, campaign_id), made)


def outcome_of(found: CampaignReport) -> tuple[str, str]:
    """The word and the sentence of a report's outcome; empty while the campaign is open."""
    return found.campaign.get("outcome") or "", found.campaign.get("outcome_sentence") or ""


def analysed(session: Session, data: CampaignData) -> CampaignReport:
    """The report of what was read."""
    path = stage_path(session, data.record["hosts"])
    return build_report(data.campaign, data.record, data.attempts, path, data.pools)


def tally(store: Store, campaign_id: str) -> Tally:
    """The trials of a campaign so far; of an ended campaign they are counted once."""

    def made() -> Tally:
        with store.read() as session:
            return tally_of(attempt_records(session, campaign_id))

    return _once(store, summaries.TALLY, campaign_id, _version_of_end(store, campaign_id), made)


def _version_of_end(store: Store, campaign_id: str) -> str | None:
    """The version of a summary that no place on a path changes; ``None`` while the campaign is open."""
    with store.read() as session:
        end = summaries.settled(session, campaign_id)
    return None if end is None else summaries.version_of(end)


def _once(store: Store, kind: summaries.Kind[Any], campaign_id: str, version: str | None, made: Callable[[], T]) -> T:
    """The summary of that version: stored, or made now and then stored. Without a version it is made each time."""
    if version is not None:
        with store.read() as session:
            known: T | None = summaries.stored(session, kind, campaign_id, version)
        if known is not None:
            return known
    found = made()
    if found is not None and version is not None:
        with store.write() as session:
            summaries.store(session, kind, campaign_id, version, found)
    return found
