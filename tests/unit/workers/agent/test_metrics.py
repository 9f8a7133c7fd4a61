"""The metrics of a worker: what they count, where they are served, and that no client holds them up for long."""

import json
import os
import socket
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import httpx
import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from domain.hosts.protocol import PROTOCOL
from domain.probes.sample import Point
from domain.probes.telemetry import LossCause
from domain.service.jobs import BlockJob
from domain.service.vitals import DroppedMessages
from probes.stream.stream import Stream
from tests.unit.workers.runner.runner_rig import job
from workers.agent import metrics_server
from workers.agent.claims import Claims, claims_dir
from workers.agent.config import Address, ConfigError, WorkerSettings
from workers.agent.metrics import Live, WorkerMetrics
from workers.agent.metrics_server import serve
from workers.agent.tally import BlockTally, Ending

Samples = Mapping[tuple[str, tuple[tuple[str, str], ...]], float]


def settings(directory: Path, **more: str) -> WorkerSettings:
    return WorkerSettings.from_environment({"SHOWDOWN_HOST": "h1", "SHOWDOWN_STATE_DIR": str(directory)} | more)


def collector(directory: Path, waiting: int | None = 3) -> WorkerMetrics:
    live = Live(
        waiting=lambda: waiting,
        taken=lambda: 17,
        dropped=lambda: DroppedMessages(repeated=2),
        life_at_s=lambda: 1_700_000_000.0,
        throttled_s=lambda: 1.5,
    )
    return WorkerMetrics(settings(directory), directory / "outbox", live)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    end = serve(("127.0.0.1", port), collector(tmp_path))
    yield f"http://127.0.0.1:{port}"
    end()


def samples(directory: Path, waiting: int | None = 3) -> Samples:
    """By name and labels, as Prometheus reads them."""
    registry = CollectorRegistry()
    registry.register(collector(directory, waiting))
    return parsed(generate_latest(registry).decode())


def parsed(text: str) -> Samples:
    return {
        (sample.name.removeprefix("showdown_worker_"), tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def running(directory: Path) -> tuple[Claims, BlockJob]:
    state_dir = settings(directory).state_dir
    return Claims(claims_dir(state_dir)), job().model_copy(update={"block_id": "k3f9x2ab-12"})


def busy_collector(directory: Path) -> WorkerMetrics:
    """A worker that runs a block, and has telemetry."""
    claims, claimed = running(directory)
    claims.add(claimed)
    Stream.to_influx("http://127.0.0.1:1", directory=settings(directory).telemetry_dir).close(0)
    return collector(directory)


def test_a_worker_that_has_done_nothing_yet_has_zeros(tmp_path: Path) -> None:
    found = samples(tmp_path)
    assert found["info", (("host", "h1"), ("protocol", str(PROTOCOL)))] == 1
    assert {found["blocks_total", (("ending", ending),)] for ending in Ending} == {0}
    assert found["block_running", ()] == 0
    assert not [name for name, _ in found if name.startswith("current_block")]
    assert found["queue_depth", ()] == 3
    assert (found["messages_taken_total", ()], found["messages_dropped_total", (("why", "repeated"),)]) == (17, 2)
    assert found["last_sign_of_life_timestamp_seconds", ()] == 1_700_000_000
    assert found["cpu_throttled_seconds_total", ()] == 1.5
    assert found["reports", (("state", "waiting"),)] == 0
    assert found["spool_bytes", ()] == 0
    assert not [name for name, _ in found if name.startswith("telemetry")]


def test_without_redis_the_depth_of_the_queue_is_not_known(tmp_path: Path) -> None:
    found = samples(tmp_path, waiting=None)
    assert found["broker_up", ()] == 0
    assert ("queue_depth", ()) not in found


def test_ends_of_blocks_are_counted_over_restarts_of_the_worker(tmp_path: Path) -> None:
    state_dir = settings(tmp_path).state_dir
    for ending in (Ending.DONE, Ending.DONE, Ending.LOST):
        BlockTally(state_dir).add(ending)
    found = samples(tmp_path)
    assert [found["blocks_total", (("ending", ending),)] for ending in Ending] == [2, 0, 0, 1]
    (state_dir / "blocks.json").write_text("[]")
    assert set(BlockTally(state_dir).counts().values()) == {0}
    BlockTally(state_dir).add(Ending.FAILED)
    assert BlockTally(state_dir).counts()[Ending.FAILED] == 1


def test_the_running_block_is_shown_while_its_process_runs(tmp_path: Path) -> None:
    claims, claimed = running(tmp_path)
    claims.add(claimed)
    found = samples(tmp_path)
    assert found["block_running", ()] == 1
    assert found["current_block", (("campaign", "k3f9x2ab"),)] == 12
    assert found["current_block_start_timestamp_seconds", ()] == pytest.approx(time.time(), abs=60)
    (file,) = claims.directory.iterdir()
    content = json.loads(file.read_text())
    file.write_text(json.dumps({**content, "owner": {"pid": os.getpid(), "start": 1}}))  # a process that has ended
    assert samples(tmp_path)["block_running", ()] == 0
    file.write_text("{")
    assert samples(tmp_path)["block_running", ()] == 0
    assert file.exists(), "a scrape changes nothing"


def test_telemetry_points_add_up_and_losses_have_their_cause(tmp_path: Path) -> None:
    directory = settings(tmp_path).telemetry_dir
    stream = Stream.to_influx("http://127.0.0.1:1", directory=directory)
    for number in range(5):
        stream.put(Point("m", {}, {"v": number}, number))
    stream.close(0.2)
    found = samples(tmp_path)
    places = {place: found["telemetry_points", (("place", place),)] for place in ("produced", "delivered", "spooled")}
    assert places == {"produced": 5, "delivered": 0, "spooled": 5}
    assert found["spool_bytes", ()] > 0
    assert found["telemetry_lost_total", (("cause", LossCause.SPOOL_FULL),)] == 0
    assert found["telemetry_error_timestamp_seconds", ()] == pytest.approx(time.time(), abs=60)


def test_metrics_are_served_at_their_path_only(served: str) -> None:
    answer = httpx.get(f"{served}/metrics", trust_env=False)
    assert answer.headers["content-type"].startswith("text/plain")
    assert parsed(answer.text)["queue_depth", ()] == 3
    for path in ("/", "/metrics/", "/metricsx"):
        assert httpx.get(served + path, trust_env=False).status_code == 404
    assert httpx.post(f"{served}/metrics", trust_env=False).status_code == 501


def test_metrics_are_served_on_a_socket_that_others_cannot_use_and_a_former_one_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "metrics.sock"
    for _ in range(2):
        end = serve(path, collector(tmp_path))
        with httpx.Client(transport=httpx.HTTPTransport(uds=str(path)), trust_env=False) as client:
            assert parsed(client.get("http://worker/metrics").text)["queue_depth", ()] == 3
        assert path.stat().st_mode & 0o007 == 0
        end()
    path.unlink()
    path.write_text("a file of the user")
    with pytest.raises(OSError, match="in use"):
        serve(path, collector(tmp_path))
    assert path.read_text() == "a file of the user"


def test_slow_clients_take_bounded_threads_for_a_bounded_time(served: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics_server, "LIMIT_S", 0.2)
    port = int(served.rpartition(":")[2])
    slow = [socket.create_connection(("127.0.0.1", port)) for _ in range(3 * metrics_server.MOST)]
    try:
        for one in slow:
            one.settimeout(30)
            one.sendall(b"GET /met") if slow.index(one) < metrics_server.MOST else None
            assert one.recv(1) == b"", "the server ends the connection"
    finally:
        for one in slow:
            one.close()
    assert httpx.get(f"{served}/metrics", trust_env=False, timeout=30).status_code == 200


@pytest.mark.parametrize(
    ("value", "address"),
    [
        ("", None),
        ("off", None),
        ("8401", ("127.0.0.1", 8401)),
        (":8401", ("127.0.0.1", 8401)),
        ("10.0.0.2:8401", ("10.0.0.2", 8401)),
        ("[::1]:8401", ("::1", 8401)),
        ("/run/showdown/metrics.sock", Path("/run/showdown/metrics.sock")),
    ],
)
def test_a_port_alone_is_of_loopback(value: str, address: Address | None, tmp_path: Path) -> None:
    assert settings(tmp_path, SHOWDOWN_WORKER_METRICS=value).metrics == address


@pytest.mark.parametrize("value", ["0", "65536", "x", "host.example:8401", "10.0.0.2", "metrics.sock", "1:2:3:4"])
def test_what_is_no_address_is_refused(value: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"SHOWDOWN_WORKER_METRICS: .* must be a port"):
        settings(tmp_path, SHOWDOWN_WORKER_METRICS=value)
