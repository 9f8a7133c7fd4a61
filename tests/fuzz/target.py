"""A coordinator with one of everything: a complete, a running and a waiting campaign, hosts, a matrix, a session."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from werkzeug.test import TestResponse

from coordinator.analysis.runs.series import Figure
from coordinator.store.rows.models import CampaignRow
from coordinator.store.rows.quarantine import Kind, set_aside
from coordinator.store.runs.series import SeriesPointRow
from domain.loads.metric import Metric
from domain.probes.stacks import Stacks
from tests.fuzz.watches import DatabaseWatch, Saved
from tests.fuzz.wsgi import Client
from tests.servers import Request as InfluxQuery
from tests.servers import http_server
from tests.unit.coordinator.coordinator_app import CoordinatorApp, campaign, result
from tests.unit.coordinator.pages import csrf, signed_in
from tests.unit.matrices import matrix, row

ENROLMENT_TOKEN = "a-token-that-only-enrols-hosts"
SERIES = "0123456789abcdef"
WATCHED = {
    "series": SERIES,
    "workload": "http_keepalive",
    "level": "low",
    "datapath": "tproxy",
    "metric": "requests_per_s",
    "percent": 5.0,
    "direction": "worse",
    "webhook": "https://hooks.example.com/showdown",
    "email": ["ops@example.com"],
}
REPORTED = {"occasion": "failed", "name": "nightly", "label": "team=a", "email": ["ops@example.com"]}
SCHEDULED = {"name": "nightly", "cron": "30 2 * * *", "time_zone": "UTC", "campaign": campaign(hosts=["h2"])}
STACKS = Stacks({"client": {"main;send": 30}, "dut": {"main;recv": 12}}, hertz=99).encode()


@dataclass
class Target:
    """The coordinator, its names, and what watches it."""

    app: CoordinatorApp
    complete: str = ""
    running: str = ""
    lease: str = ""
    waiting: str = ""
    schedule: str = ""
    rule: str = ""
    notice: str = ""
    cookie: str = ""
    csrf: str = ""
    share: str = ""
    secret: str = ""
    client: Client = field(init=False)
    watch: DatabaseWatch = field(init=False)

    def __post_init__(self) -> None:
        self._fill()
        self.client = Client(self.app.app)
        self.watch = DatabaseWatch(self.app.store)
        self._saved = Saved(self.app.store)

    def restore(self) -> None:
        """Undo what requests have changed."""
        self._saved.restore()
        for sent in (self.app.dispatcher.sent, self.app.dispatcher.asked, self.app.dispatcher.testing):
            sent.clear()
        self.watch.changes()

    def messages(self) -> int:
        """How many messages were sent to hosts."""
        return len(self.app.dispatcher.sent) + len(self.app.dispatcher.asked)

    def close(self) -> None:
        """Close the database."""
        self.watch.close()
        self.app.close()

    def _fill(self) -> None:
        app = self.app
        for host in ("h1", "h2"):
            app.register(host)
        self.complete = app.submit(blocks=1, hosts=["h1"], probes=["run_queue"])
        self._run_with_stacks()
        self.running = app.submit(name="running", blocks=2, hosts=["h1"])
        self.lease = app.claim(app.last_sent(), "h1")
        self.waiting = app.submit(name="waiting", blocks=1, hosts=["h2"])
        found = matrix(row("direct"), row("tproxy", "steer")).model_dump(mode="json")
        _taken(app.client.put("/api/v1/worker/hosts/h1/matrix", json=found, headers=app.worker))
        set_aside(app.store, Kind.VIEW, self.waiting, "a view", ValueError("as a test wants it"), app.now)
        wanted = {"name": "ci", "scope": "read"}
        _taken(app.client.post("/api/v1/tokens", json=wanted, headers=app.user))
        link = app.client.post(f"/api/v1/campaigns/{self.complete}/shares", json={}, headers=app.user)
        self.share, self.secret = link.json["id"], link.json["secret"]
        self._fill_trends()
        browser = signed_in(app)
        self.csrf = csrf(browser.get("/campaigns/new"))
        cookie = browser.get_cookie("showdown", domain="localhost")
        self.cookie = f"showdown={cookie.value}" if cookie is not None else ""

    def _fill_trends(self) -> None:
        figure = Figure("http_keepalive", "low", "tproxy", "", Metric.REQUESTS_PER_S, 6.9, None)
        with self.app.store.write() as session:
            session.get_one(CampaignRow, self.complete).series = SERIES
            point = SeriesPointRow(campaign_id=self.complete, series=SERIES, name="small", hosts="h1", at=self.app.now)
            point.facts, point.figures = {"kernel": "6.18.5"}, (figure,)
            session.add(point)
        for path, body in (("schedules", SCHEDULED), ("rules", WATCHED), ("notices", REPORTED)):
            made = self.app.client.post(f"/api/v1/{path}", json=body, headers=self.app.user)
            _taken(made)
            setattr(self, path[:-1], str(made.json["id"]))

    def _run_with_stacks(self) -> None:
        message = self.app.last_sent()
        lease = self.app.claim(message, "h1")
        body = result("h1", ["direct", "tproxy"])
        for trial in body["trials"]:
            trial["stacks"] = STACKS
        _taken(self.app.call("report", message, {"lease": lease, "result": body}))


def _taken(answer: TestResponse) -> None:
    if answer.status_code >= 400:
        raise RuntimeError(answer.text)


@contextmanager
def target(directory: Path, database_url: str = "") -> Iterator[Target]:
    """One on this database, SQLite without a URL; an InfluxDB that has no points is beside it."""
    with http_server(_no_points) as influx:
        app = CoordinatorApp(
            directory,
            database_url,
            SHOWDOWN_INFLUX_URL=influx.url,
            SHOWDOWN_WORKER_TOKEN=ENROLMENT_TOKEN,
            SHOWDOWN_WEBHOOK_HOSTS="hooks.example.com",
            SHOWDOWN_WEBHOOK_SECRET="a-secret-of-a-fuzzed-coordinator",
            SHOWDOWN_SMTP_URL="smtp://mail.example.com",
            SHOWDOWN_MAIL_FROM="showdown@example.com",
            SHOWDOWN_MAIL_TO="@example.com",
            SHOWDOWN_BROKER_URL=f"redis+socket://{directory}/no-redis.sock",
        )
        found = Target(app)
        try:
            with found.client.attached():
                yield found
        finally:
            found.close()


def _no_points(_: InfluxQuery) -> tuple[int, str]:
    return 200, '{"results": [{"statement_id": 0}]}'
