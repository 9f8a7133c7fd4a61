"""The versions of cached trends and of the page of trust: none is equal after one campaign went and another came."""

from collections.abc import Callable

import pytest
from sqlalchemy.orm import Session

from coordinator.store.runs import self_comparisons, series
from coordinator.store.runs.self_comparisons import SelfComparisonRow
from coordinator.store.runs.series import SeriesPointRow
from domain.runs.trust import SelfCounts
from tests.unit.coordinator.coordinator_app import CoordinatorApp
from tests.unit.coordinator.watched_series import SERIES, measure

COUNTS = SelfCounts(comparisons=1, different=0, intervals=1, excluding=0)


def point(campaign_id: str, at: float) -> SeriesPointRow:
    row = SeriesPointRow(campaign_id=campaign_id, series=SERIES, name="small", hosts="h1", at=at)
    row.facts, row.figures = {}, ()
    return row


def comparison(campaign_id: str, at: float) -> SelfComparisonRow:
    return SelfComparisonRow(campaign_id=campaign_id, name="small", hosts="h1", at=at, counts=COUNTS)


@pytest.mark.parametrize(
    ("make", "version_of"),
    [(point, lambda session: series.version_of(session, SERIES)), (comparison, self_comparisons.version_of)],
)
def test_a_version_changes_if_an_older_campaign_replaces_another(
    coordinator_app: CoordinatorApp,
    make: Callable[[str, float], SeriesPointRow | SelfComparisonRow],
    version_of: Callable[[Session], object],
) -> None:
    first, second, newest = measure(coordinator_app, 1, 2, 3)
    with coordinator_app.store.write() as session:
        for row in map(session.get_one, [SeriesPointRow] * 3, (first, second, newest)):
            session.delete(row)
        session.flush()
        session.add_all([make(first, 10.0), make(newest, 30.0)])
        session.flush()
        before = version_of(session)
        session.delete(session.get_one(type(make(first, 0.0)), first))
        session.flush()
        session.add(make(second, 20.0))  # it was started before the newest one, and ends now
        session.flush()
        assert version_of(session) != before
