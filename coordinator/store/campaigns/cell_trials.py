"""The trials of one cell that its report counts, with their histograms, a few at a time."""

from collections.abc import Iterator

from sqlalchemy import select
from sqlalchemy.orm import Session, contains_eager

from coordinator.analysis.reports.report import results_of
from coordinator.store.campaigns import views
from coordinator.store.measured import digests
from coordinator.store.measured.records import attempt_records
from coordinator.store.measured.trials import STREAMED
from coordinator.store.rows.database import Store
from coordinator.store.rows.models import AttemptRow, TrialRow
from domain.campaigns.campaign import Campaign, Cell
from domain.trials.trial import TrialResult


def counted_trials(store: Store, campaign_id: str, cell: Cell) -> Iterator[tuple[float, TrialResult]]:
    """Each valid trial that is analysed, with the start of its block in seconds since the epoch, the earliest first.

    A search for a capacity has none: its steps ask for different rates, and their times are of no cell.
    """
    digests.complete(store, campaign_id)
    with store.read() as session:
        wanted = _counted_attempts(session, campaign_id, cell)
    for first in range(0, len(wanted), STREAMED):
        with store.read() as session:
            yield from _trials(session, wanted[first : first + STREAMED], cell.datapath)


def began_s(attempt: AttemptRow) -> float:
    """When a worker claimed it, by the coordinator's clock, in seconds since the epoch."""
    return attempt.claimed_at or attempt.ended_at or 0.0


def _counted_attempts(session: Session, campaign_id: str, cell: Cell) -> list[str]:
    record = views.campaign_record(session, campaign_id)
    if record is None:
        return []
    campaign = Campaign.model_validate(record["campaign"])
    data = results_of(campaign, record, attempt_records(session, campaign_id), {})
    chosen = []
    for attempt in data.in_order:
        is_of_cell = (attempt.workload, attempt.level) == (cell.workload, cell.level)
        if not is_of_cell or not attempt.accepted or attempt.calibration or attempt.search or attempt.digest is None:
            continue
        trial = data.trials_of(attempt.digest).get(cell.datapath)
        if trial is not None and trial.valid:
            chosen.append(f"{attempt.block_id}-{attempt.attempt}")
    rows = session.execute(select(AttemptRow.id, AttemptRow.claimed_at).where(AttemptRow.id.in_(chosen)))
    claimed = {row.id: row.claimed_at for row in rows}
    return sorted(chosen, key=lambda attempt_id: claimed.get(attempt_id) or 0.0)


def _trials(session: Session, attempt_ids: list[str], label: str) -> Iterator[tuple[float, TrialResult]]:
    query = (
        select(TrialRow)
        .join(TrialRow.attempt)
        .where(TrialRow.attempt_id.in_(attempt_ids), TrialRow.datapath == label)
        .options(contains_eager(TrialRow.attempt))
    )
    rows = {row.attempt_id: row for row in session.scalars(query)}
    for attempt_id in attempt_ids:
        if (row := rows.get(attempt_id)) is not None:
            yield began_s(row.attempt), row.result
