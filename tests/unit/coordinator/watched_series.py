"""A series with a campaign each night, judged as the ticker does it, and a coordinator that may send messages."""

import math

from coordinator.analysis.runs.series import Figure
from coordinator.store.rows.models import CampaignRow
from coordinator.store.runs import rules
from coordinator.store.runs.series import SeriesPointRow
from domain.campaigns.campaign import read_campaign
from domain.loads.metric import Metric
from tests.unit.coordinator.coordinator_app import CoordinatorApp, campaign

SERIES = "0123456789abcdef"
HOOK = "https://hooks.example.com/showdown"
SETTINGS = {
    "SHOWDOWN_WEBHOOK_HOSTS": "hooks.example.com",
    "SHOWDOWN_WEBHOOK_SECRET": "0123456789abcdef0123",
    "SHOWDOWN_SMTP_URL": "smtp://mail.example.com",
    "SHOWDOWN_MAIL_FROM": "showdown@example.com",
    "SHOWDOWN_MAIL_TO": "@example.com",
    "SHOWDOWN_WEB_URL": "https://showdown.example.com",
}
WANTED = {
    "series": SERIES, "workload": "http_keepalive", "level": "low", "datapath": "tproxy",
    "metric": "cpu_us_per_request", "percent": 5, "webhook": HOOK, "email": ["ops@example.com"],
}  # fmt: skip
SCATTER = (100.0, 101.0, 99.0, 100.5, 99.5, 100.2)


def measure(app: CoordinatorApp, *values: float, kernel: str = "6.18.5") -> list[str]:
    """Campaigns of the series with these costs, one a night; each is judged as the ticker does it."""
    ids = []
    for value in values:
        app.now += 86_400
        campaign_id = f"c{app.now:.0f}"[-8:]
        figure = Figure("http_keepalive", "low", "tproxy", "", Metric.CPU_US_PER_REQUEST, math.log(value), None)
        with app.store.write() as session:
            row = CampaignRow(id=campaign_id, name="small", state="complete", seed=7, created_at=app.now, series=SERIES)
            row.campaign, row.hosts = read_campaign(campaign()), ("h1",)
            session.add(row)
            session.flush()
            point = SeriesPointRow(campaign_id=campaign_id, series=SERIES, name="small", hosts="h1", at=app.now)
            point.facts, point.figures = {"kernel": kernel}, (figure,)
            session.add(point)
            session.flush()
            rules.judge_campaign(session, point, app.now)
        ids.append(campaign_id)
    return ids


def add(app: CoordinatorApp, **changes: object) -> str:
    answer = app.client.post("/api/v1/rules", json={**WANTED, **changes}, headers=app.user)
    assert answer.status_code == 201, answer.text
    return str(answer.json["id"])


def events(app: CoordinatorApp, rule_id: str) -> list[str]:
    """The campaigns of the rule's events, the newest first."""
    return [one["campaign"] for one in app.get(f"rules/{rule_id}").json["events"]]
