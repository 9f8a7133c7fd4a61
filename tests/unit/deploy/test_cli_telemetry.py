"""A gap in the telemetry is shown with the campaign: on its page and on the terminal."""

import re

from flask import Flask

from coordinator.web.words import FILTERS
from domain.probes.telemetry import LossCause, TelemetryAccount
from tests.unit.deploy.test_cli_render import printed, reference_report

ACCOUNT = TelemetryAccount(
    produced=1200, delivered=700, spooled=380, queued=20, lost=100,
    losses={LossCause.REJECTED: 40, LossCause.RING_BUFFER: 60}, missing="InfluxDB was away",
)  # fmt: skip


def test_the_terminal_shows_waiting_points_and_losses_by_cause() -> None:
    text = " ".join(" ".join(printed(reference_report(telemetry=ACCOUNT))).split())
    assert "Telemetry is missing: InfluxDB was away" in text
    assert "1,200 points produced, 700 delivered, 380 spooled on the host's disk, 20 still queued, 100 lost" in text
    assert "60 the kernel's ring buffer was full" in text


def test_the_page_has_the_same_sum() -> None:
    template = re.search(r'<p class="account">.*?</p>', _source("web/_validity.html"))
    assert template
    app = Flask(__name__)
    app.jinja_env.filters.update(FILTERS)
    with app.app_context():
        page = app.jinja_env.from_string(template[0]).render(report={"telemetry": ACCOUNT})
    text = re.sub(r"<[^>]+>", "", page).replace("&#39;", "'")
    assert "1,200 points produced = 700 delivered + 380 spooled on the host's disk + 20 queued + 100 lost (" in text
    assert "40 refused by InfluxDB" in text
    assert "Missing: InfluxDB was away" in text


def _source(name: str) -> str:
    from importlib.resources import files

    return (files("coordinator") / "web/templates" / name).read_text()
