"""An immediate stop of PostgreSQL under a running campaign: the service says so, loses nothing and goes on."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import update
from sqlalchemy.exc import DBAPIError

from coordinator import ticker
from coordinator.store.rows.models import CampaignRow
from coordinator.store.rows.quarantine import is_outage
from domain.probes.telemetry import TelemetryAccount
from tests.faults.oracle import violations
from tests.postgresql import Postgresql
from tests.unit.coordinator.coordinator_app import CoordinatorApp, result

TIMES = 3


@pytest.fixture
def app(postgresql: Postgresql, postgres_url: str, tmp_path: Path) -> Iterator[CoordinatorApp]:
    app = CoordinatorApp(tmp_path, postgres_url)
    app.register()
    yield app
    app.close()
    postgresql.start()  # other tests use it; harmless if it runs


def test_what_was_acknowledged_survives_an_immediate_stop_and_the_campaign_goes_on(
    app: CoordinatorApp, postgresql: Postgresql, postgres_url: str
) -> None:
    campaign_id = app.submit(blocks=TIMES)
    for _ in range(TIMES):
        message = app.last_sent()
        lease = app.claim(message)
        postgresql.stop("immediate")
        assert app.get(f"campaigns/{campaign_id}").status_code == 503
        with pytest.raises(DBAPIError) as failure:
            ticker.tick(app.store, app.dispatcher, app.now)
        assert is_outage(failure.value)
        postgresql.start()
        body = {"lease": lease, "result": result("h1", ["direct", "tproxy"])}
        assert app.call("report", message, body).status_code == 204
        assert app.call("report", message, body).status_code == 204  # its acknowledgement was lost
    assert app.view(campaign_id)["state"] == "complete"
    assert app.get("quarantine").json["quarantine"] == []
    account = TelemetryAccount.model_validate(app.get(f"campaigns/{campaign_id}/report").json["telemetry"])
    assert violations(postgres_url, campaign_id, account) == []


def test_a_transaction_under_way_ends_as_an_outage_and_leaves_nothing(
    app: CoordinatorApp, postgresql: Postgresql
) -> None:
    campaign_id = app.submit()
    rename = update(CampaignRow).where(CampaignRow.id == campaign_id).values(name="lost")

    def renamed_across_a_stop() -> None:
        with app.store.write() as session:
            session.execute(rename)
            postgresql.crash()
            session.execute(rename)

    with pytest.raises(DBAPIError) as failure:
        renamed_across_a_stop()
    assert is_outage(failure.value)
    assert app.view(campaign_id)["name"] == "small"  # by a new connection
