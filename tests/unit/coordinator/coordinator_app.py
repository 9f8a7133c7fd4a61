"""A coordinator for tests: real application and SQLite, a clock that only tests move, a recording dispatcher."""

import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from flask.testing import FlaskClient
from sqlalchemy import event, select
from werkzeug.test import TestResponse

from coordinator import ticker
from coordinator.app import create_app
from coordinator.config import Settings, load_settings
from coordinator.store.hosts.enrolments import enrol
from coordinator.store.rows.database import Store
from coordinator.store.rows.models import AttemptRow
from coordinator.store.upkeep import rounds
from domain.hosts.host_tokens import RANDOM_BYTES, hash_of, token_of
from domain.loads.workload import Parameter
from domain.probes.place import Place
from domain.service.jobs import BlockMessage, HostCapabilities, Variant
from domain.trials.histogram import LatencyHistogram
from tests.unit.coordinator import kept_work
from tests.unit.coordinator.answers import CheckedClient
from tests.unit.coordinator.recording_dispatcher import RecordingDispatcher

kept_work.keep_routes()
kept_work.keep_statements()
WORKLOAD = "http_keepalive"
STREAM = (
    Parameter(name="tokens", unit="tokens", default=16, minimum=1, maximum=1000, summary="Tokens in one answer."),
    Parameter(name="gap_us", unit="µs", default=5000, minimum=0, maximum=50_000, summary="Between two tokens."),
)


PLACES = {
    "run_queue": Place(order=70),
    "device_hop": Place(order=30),
    "notify": Place(order=60),
    "proxy_residence": Place(order=100),
}


def capabilities(host: str, *, missing: dict[str, tuple[str, ...]] | None = None) -> HostCapabilities:
    """A host with four datapaths, four workloads and four probes; ``missing`` names what it cannot run."""
    why = missing or {}

    def variant(name: str, **more: Any) -> Variant:
        return Variant(name=name, missing=why.get(name, ()), **more)

    return HostCapabilities(
        host=host,
        datapaths=(
            variant("direct", function="forward", protocols=("tcp", "udp"), ip_versions=(4, 6)),
            variant("tproxy", function="steer", protocols=("tcp",)),
            variant("ebpf_sk_assign", function="steer"),
            variant("ebpf_redirect", function="forward"),
        ),
        workloads=(
            variant(WORKLOAD, level_kinds=("closed",)),
            variant("http_open", level_kinds=("open", "closed")),
            variant("stream", level_kinds=("open", "closed"), protocols=("tcp",), parameters=STREAM),
            variant("udp_rr", level_kinds=("open", "closed"), protocols=("udp",)),
        ),
        probes=tuple(variant(name, stage=name, place=place) for name, place in PLACES.items()),
    )


def campaign(**changes: Any) -> dict[str, Any]:
    """A small campaign as JSON."""
    base = {"name": "small", "datapaths": ["direct", "tproxy"], "levels": {"low": "closed(8)"}, "blocks": 2, "seed": 7}
    return base | changes


def trial(
    datapath: str,
    *,
    workload: str = WORKLOAD,
    level: str = "low",
    reasons: tuple[str, ...] = (),
    requests: int = 1000,
    latency_ns: int = 0,
) -> dict[str, Any]:
    """A trial of one second as JSON, invalid for ``reasons``; ``latency_ns`` makes it an open loop's."""
    latency = {"latency": LatencyHistogram.of({latency_ns: 990, 10 * latency_ns: 10}).encode()} if latency_ns else {}
    return latency | {
        "datapath": datapath,
        "function": "forward",
        "workload": workload,
        "level": level,
        "slices": [
            {"started_s": 1.0, "duration_s": 1.0, "requests": requests, "connections": 8, "bytes_received": 160_000}
        ],
        "duration_s": 1.0,
        "requests": requests,
        "cpu": {"wall_s": 1.0, "cpus": 2, "user_s": 0.1, "system_s": 0.2, "softirq_s": 0.1, "idle_s": 1.6},
        "service_time": LatencyHistogram.of({100_000: 900, 300_000: 100}).encode(),
        "proof": {
            "counters": {"packets": 9000, "bytes": 160_000, "connections": 8},
            "requests": 1000,
            "connections": 8,
            "bytes_received": 160_000,
            "accounted": 1.0,
        },
        "validity": {"findings": [{"reason": r, "detail": f"{r} was seen"} for r in reasons]},
    }


def result(
    host: str, datapaths: list[str], *, reasons: tuple[str, ...] = (), rates: dict[str, int] | None = None, **more: Any
) -> dict[str, Any]:
    """A block's result as JSON; the reasons apply to its first trial, ``rates`` are requests/s by datapath."""
    trials = [
        trial(d, reasons=reasons if i == 0 else (), requests=(rates or {}).get(d, 1000), **more)
        for i, d in enumerate(datapaths)
    ]
    return {"host": host, "trials": trials, "wall_s": 3.0, "telemetry": {"produced": 10, "delivered": 9, "lost": 1}}


@cache
def empty_database() -> bytes:
    """An SQLite file with the present schema. Migrations take 0.1 s, and hundreds of tests need it."""
    with tempfile.TemporaryDirectory(prefix="showdown-schema-") as directory:
        file = Path(directory) / "schema.sqlite"
        store = Store(f"sqlite:///{file}")
        store.migrate()
        store.close()
        return file.read_bytes()


class CoordinatorApp:
    """The coordinator and its callers.

    ``beside`` is another coordinator of the same database, whose hosts' tokens it shares.
    """

    def __init__(
        self, directory: Path, database_url: str = "", beside: "CoordinatorApp | None" = None, **environment: str
    ) -> None:
        environ = {"SHOWDOWN_STATE_DIR": str(directory / "state"), **environment}
        if database_url:
            environ["SHOWDOWN_DATABASE_URL"] = database_url
        self.settings: Settings = load_settings(environ)
        self.now = 1_000_000.0
        self.dispatcher = RecordingDispatcher()
        if not database_url:
            (directory / "state").mkdir(parents=True, exist_ok=True)
            Path(self.settings.database_url.removeprefix("sqlite:///")).write_bytes(empty_database())
        self.store = Store(self.settings.database_url)
        if database_url:
            self.store.migrate()
        self.app = create_app(self.settings, store=self.store, dispatcher=self.dispatcher, clock=lambda: self.now)
        kept_work.keep_templates(self.app)
        self.app.test_client_class = CheckedClient
        self.client: FlaskClient = self.app.test_client()
        self.user = {"Authorization": f"Bearer {self.settings.token}"}
        self.tokens: dict[str, str] = {} if beside is None else beside.tokens
        self.worker = self.worker_of("h1")

    def close(self) -> None:
        self.store.close()

    def token_of(self, host: str) -> str:
        """The token of a host, which is enrolled at the first call."""
        if host not in self.tokens:
            self.tokens[host] = token_of(secrets.token_bytes(RANDOM_BYTES))
            with self.store.write() as session:
                enrol(session, host, hash_of(self.tokens[host]), self.now, replace=True)
        return self.tokens[host]

    def worker_of(self, host: str) -> dict[str, str]:
        """The headers of a host's worker."""
        return {"Authorization": f"Bearer {self.token_of(host)}"}

    def register(self, host: str = "h1", **more: Any) -> None:
        body = capabilities(host, **more).model_dump(mode="json")
        answer = self.client.put(f"/api/v1/worker/hosts/{host}", json=body, headers=self.worker_of(host))
        assert answer.status_code == 204, answer.text

    def submit(self, **changes: Any) -> str:
        answer = self.client.post("/api/v1/campaigns", json=campaign(**changes), headers=self.user)
        assert answer.status_code == 201, answer.text
        return str(answer.json["id"])

    def get(self, path: str) -> TestResponse:
        return self.client.get(f"/api/v1/{path}", headers=self.user)

    def view(self, campaign_id: str) -> dict[str, Any]:
        answer = self.get(f"campaigns/{campaign_id}")
        assert answer.status_code == 200, answer.text
        view: dict[str, Any] = answer.json
        return view

    def cancel(self, campaign_id: str) -> TestResponse:
        return self.client.post(f"/api/v1/campaigns/{campaign_id}/cancel", headers=self.user)

    def call(self, verb: str, message: BlockMessage, body: dict[str, Any]) -> TestResponse:
        """``claim``, ``heartbeat`` or ``report`` for a message's attempt."""
        path = f"/api/v1/worker/blocks/{message.block_id}/attempts/{message.attempt}/{verb}"
        send = self.client.put if verb == "report" else self.client.post
        return send(path, json=body, headers=self.worker_of(body.get("host") or self._host_of(message)))

    def _host_of(self, message: BlockMessage) -> str:
        with self.store.read() as session:
            row = session.get(AttemptRow, f"{message.block_id}-{message.attempt}")
            return row.host if row is not None else "h1"

    def claim(self, message: BlockMessage, host: str = "h1") -> str:
        """Claim an attempt; returns the lease."""
        answer = self.call("claim", message, {"host": host})
        assert answer.status_code == 200, answer.text
        return str(answer.json["lease"])

    def last_sent(self) -> BlockMessage:
        return self.dispatcher.sent[-1][1]

    def run_block(self, host: str = "h1", **changes: Any) -> BlockMessage:
        """Claim the last message and report a result."""
        message = self.last_sent()
        answer = self.call("claim", message, {"host": host})
        assert answer.status_code == 200, answer.text
        block = answer.json["block"]
        block_result = result(host, block["datapaths"], workload=block["workload"], level=block["level"], **changes)
        report = self.call("report", message, {"lease": answer.json["lease"], "result": block_result})
        assert report.status_code == 204, report.text
        return message

    def wait(self, seconds: float, *, present: tuple[str, ...] = ()) -> None:
        """Let time pass, then report the ``present`` hosts and run the ticker once.

        A round that changes something must have been due: the ticker runs no others, but for one every ten seconds.
        """
        self.now += seconds
        for host in present:
            self.register(host)
        with self.store.read() as session:
            is_due = rounds.is_due(session, self.now)
        with _changes(self.store) as changed:
            ticker.tick(self.store, self.dispatcher, self.now)
        assert is_due or not changed, f"nothing was due, and a round did {changed}"


@contextmanager
def _changes(store: Store) -> Iterator[list[str]]:
    """The statements that change the database meanwhile."""
    found: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if not statement.startswith("SELECT") and statement != "BEGIN":
            found.append(statement)

    event.listen(store.engine, "before_cursor_execute", note)
    try:
        yield found
    finally:
        event.remove(store.engine, "before_cursor_execute", note)


def attempts(coordinator_app: CoordinatorApp, block_id: str) -> list[tuple[int, str]]:
    """(number, state) of every attempt of a block."""
    with coordinator_app.store.read() as session:
        query = select(AttemptRow).where(AttemptRow.block_id == block_id).order_by(AttemptRow.number)
        return [(row.number, row.state) for row in session.scalars(query)]
