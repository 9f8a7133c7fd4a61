"""Reports and tallies of ended campaigns are stored once; what is stored is what would be computed."""

import json
from typing import Any

import pytest
from sqlalchemy import delete, event, select, update

from coordinator.analysis.runs.comparison import measured
from coordinator.api import codec
from coordinator.bundle.version import analysis_version
from coordinator.store.campaigns import reports
from coordinator.store.measured import summaries
from coordinator.store.measured.summaries import SummaryRow
from coordinator.store.rows.database import Store
from coordinator.store.rows.models import CampaignRow
from domain.reports.calibration import Calibration
from domain.reports.report import CampaignReport
from domain.values.rounding import rounded
from tests.unit.coordinator.coordinator_app import CoordinatorApp
from tests.unit.coordinator.store import random_campaigns
from tests.unit.coordinator.store.measured.test_digests import CAMPAIGN_ID, add_attempt, add_campaign, store  # noqa: F401


def ended(app: CoordinatorApp) -> str:
    """A campaign whose outcome the ticker has stored."""
    app.register()
    campaign_id = app.submit(blocks=2)
    app.run_block()
    app.run_block(reasons=("bypassed",))
    app.wait(1, present=("h1",))
    return campaign_id


def statements(app: CoordinatorApp, path: str) -> str:
    """What the database executes for an answer by a coordinator that was just started."""
    found: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        found.append(" ".join(statement.split()))

    known = app.app.extensions["showdown"]
    for cache in (known.reports, known.tallies):
        cache.clear()
    event.listen(app.store.engine, "before_cursor_execute", note)
    assert app.get(path).status_code == 200
    event.remove(app.store.engine, "before_cursor_execute", note)
    return "\n".join(found)


@pytest.mark.parametrize("path", ["", "/report", "/verdicts"])
def test_an_ended_campaign_is_answered_without_its_attempts(path: str, coordinator_app: CoordinatorApp) -> None:
    campaign_id = ended(coordinator_app)
    asked = statements(coordinator_app, f"campaigns/{campaign_id}{path}")
    assert "FROM summaries" in asked
    assert "attempts" not in asked
    assert "digests" not in asked


def test_the_first_report_of_an_ended_campaign_is_written_once(
    coordinator_app: CoordinatorApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer is the text that is stored, and no second one of the same report."""
    path = f"campaigns/{ended(coordinator_app)}/report"
    with coordinator_app.store.write() as session:
        session.execute(delete(SummaryRow))
    coordinator_app.app.extensions["showdown"].reports.clear()
    written: list[object] = []
    monkeypatch.setattr(codec, "rounded", lambda value: written.append(value) or rounded(value))
    first = coordinator_app.get(path)
    assert first.status_code == 200
    assert [one for one in written if one] == []
    assert coordinator_app.get(path).text == first.text


def test_an_open_campaign_has_no_summary(coordinator_app: CoordinatorApp) -> None:
    coordinator_app.register()
    campaign_id = coordinator_app.submit(blocks=2)
    coordinator_app.run_block()
    assert "attempts" in statements(coordinator_app, f"campaigns/{campaign_id}/report")
    with coordinator_app.store.read() as session:
        assert session.scalars(select(SummaryRow)).all() == []


def test_what_is_stored_is_what_would_be_computed(store: Store) -> None:  # noqa: F811
    campaign, every = random_campaigns.a_campaign(3), list(random_campaigns.results(3))
    add_campaign(store, campaign, every)
    for one in every:
        add_attempt(store, one)
    with store.write() as session:
        found = {one: Calibration.model_validate(data) for one, data in random_campaigns.RECORD["calibration"].items()}
        session.execute(update(CampaignRow).values(calibration=found, ended_at=2.0))
    with store.read() as session:
        version = reports.version_of(session, CAMPAIGN_ID)
    assert version is not None
    computed, tally = reports.report(store, CAMPAIGN_ID, version), reports.tally(store, CAMPAIGN_ID)
    assert version.stored is not None
    with store.read() as session:
        found = summaries.stored(session, summaries.REPORT, CAMPAIGN_ID, version.stored)
        data = reports.data_of(session, CAMPAIGN_ID)
        assert data is not None
        assert computed == reports.analysed(session, data)
        assert found is not None
        shown = rounded(computed.model_dump(mode="json"))
        assert found.model_dump(mode="json") == shown
        brief = reports.stored_report(store, CAMPAIGN_ID, version, ("differences", "verdicts"))
    assert brief == found.model_copy(update={"differences": (), "verdicts": ()})
    text = reports.stored_text(store, CAMPAIGN_ID, version)
    assert text is not None
    assert json.loads(text) == shown
    assert json.loads(summaries.field_of(text, "results")) == shown["results"]
    assert reports.tally(store, CAMPAIGN_ID) == tally
    assert reports.measured_of(store, CAMPAIGN_ID) == reports.measured_of(store, CAMPAIGN_ID)
    assert reports.measured_of(store, CAMPAIGN_ID) == measured(data.results(), data.record)
    assert tally.valid + tally.invalid > 0


def test_another_code_or_end_makes_it_again(coordinator_app: CoordinatorApp, monkeypatch: pytest.MonkeyPatch) -> None:
    campaign_id = ended(coordinator_app)
    path = f"campaigns/{campaign_id}/report"
    assert "digests" not in statements(coordinator_app, path)
    newer = analysis_version().model_copy(update={"code": "0" * 64})
    monkeypatch.setattr(summaries, "analysis_version", lambda: newer)
    assert "digests" in statements(coordinator_app, path)
    assert "digests" not in statements(coordinator_app, path)
    with coordinator_app.store.write() as session:
        session.execute(update(CampaignRow).values(ended_at=CampaignRow.ended_at + 1))
    assert "digests" in statements(coordinator_app, path)


def test_a_summary_goes_with_its_campaign(coordinator_app: CoordinatorApp) -> None:
    campaign_id = ended(coordinator_app)
    report = CampaignReport.model_validate(coordinator_app.get(f"campaigns/{campaign_id}/report").json)
    answer = coordinator_app.client.delete(f"/api/v1/campaigns/{campaign_id}", headers=coordinator_app.user)
    assert answer.status_code == 200
    with coordinator_app.store.write() as session:
        summaries.store(session, summaries.REPORT, campaign_id, "v", report)
        assert session.scalars(select(SummaryRow)).all() == [], "it was deleted while its report was made"


def test_the_version_names_the_code_of_the_analysis() -> None:
    assert len(summaries.version_of("end")) == 64
    assert summaries.version_of("end") != summaries.version_of("other end")
    assert summaries.version_of("end", "path") != summaries.version_of("end")
