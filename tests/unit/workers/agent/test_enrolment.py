"""A worker takes no messages before the coordinator accepts it, and enrols itself if it may."""

import logging
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from domain.hosts.host_identity import HostIdentity
from domain.hosts.host_tokens import PREFIX
from domain.hosts.protocol import HEADER
from domain.service.jobs import HostCapabilities
from tests.unit.coordinator.coordinator_app import CoordinatorApp
from workers.agent import api_client, config
from workers.agent.acceptance import NotAccepted
from workers.agent.api_client import Coordinator
from workers.agent.config import ConfigError, WorkerSettings, keep_former_directory, token_file
from workers.agent.enrolment import RETRY_S, await_acceptance, with_token
from workers.agent.registration import HostRegistration
from workers.inventory import machine

SHARED = "shared-by-all-workers"


@pytest.fixture
def coordinator_app(tmp_path: Path) -> Iterator[CoordinatorApp]:
    app = CoordinatorApp(tmp_path / "coordinator")
    object.__setattr__(app.settings, "worker_token", SHARED)
    yield app
    app.close()


@pytest.fixture
def transport(coordinator_app: CoordinatorApp) -> httpx.MockTransport:
    def ask(request: httpx.Request) -> httpx.Response:
        answer = coordinator_app.client.open(
            request.url.path, method=request.method, data=request.content, headers=list(request.headers.items())
        )
        return httpx.Response(answer.status_code, content=answer.data, headers=dict(answer.headers))

    return httpx.MockTransport(ask)


def settings(directory: Path, **more: str) -> WorkerSettings:
    return WorkerSettings.from_environment({"SHOWDOWN_HOST": "h5", "SHOWDOWN_STATE_DIR": str(directory)} | more)


def never(_: float) -> None:
    raise AssertionError("it must not wait")


def test_a_worker_with_the_enrolment_token_enrols_itself_once(
    coordinator_app: CoordinatorApp, transport: httpx.MockTransport, tmp_path: Path
) -> None:
    ready = with_token(settings(tmp_path, SHOWDOWN_WORKER_TOKEN=SHARED))
    await_acceptance(ready, transport, never)
    kept = token_file(ready.state_dir)
    assert kept.read_text() == ready.host_token
    assert ready.host_token.startswith(PREFIX)
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    # Without the enrolment token, the next start uses what is kept; so does Celery's child.
    again = with_token(settings(tmp_path))
    assert again.host_token == ready.host_token
    await_acceptance(again, transport, never)
    Coordinator(again, transport).register(HostCapabilities(host="h5"))
    assert [host["name"] for host in coordinator_app.get("hosts").json["hosts"]] == ["h5"]


def test_a_worker_that_was_killed_before_its_enrolment_enrols_with_the_token_that_it_kept(
    transport: httpx.MockTransport, tmp_path: Path
) -> None:
    drawn = with_token(settings(tmp_path, SHOWDOWN_WORKER_TOKEN=SHARED))
    restarted = with_token(settings(tmp_path, SHOWDOWN_WORKER_TOKEN=SHARED))
    assert restarted.host_token == drawn.host_token
    await_acceptance(restarted, transport, never)


def test_no_token_at_all_is_an_error_that_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="showdown hosts enrol h5"):
        with_token(settings(tmp_path))


def test_a_refused_worker_waits_says_why_once_and_goes_on_when_the_cause_is_gone(
    coordinator_app: CoordinatorApp, transport: httpx.MockTransport, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    coordinator_app.token_of("h5")  # another one has the name
    pauses: list[float] = []

    def wait(pause_s: float) -> None:
        pauses.append(pause_s)
        if len(pauses) == 3:
            coordinator_app.client.delete("/api/v1/hosts/h5", headers=coordinator_app.user)

    await_acceptance(with_token(settings(tmp_path, SHOWDOWN_WORKER_TOKEN=SHARED)), transport, wait)
    assert pauses == [RETRY_S] * 3
    refusals = [r.getMessage() for r in caplog.records if r.levelno == logging.CRITICAL]
    assert len(refusals) == 1
    assert "host h5 has a token" in refusals[0]


@pytest.mark.parametrize(
    "answer",
    [
        httpx.ConnectError("refused"),
        httpx.Response(502, text="<html>bad gateway"),
        httpx.Response(401, text="<html>a portal"),
        httpx.Response(500, json={"message": "internal error", "problems": []}),
    ],
)
def test_a_coordinator_that_cannot_be_asked_keeps_no_worker_from_starting(
    answer: httpx.Response | Exception, tmp_path: Path
) -> None:
    def ask(request: httpx.Request) -> httpx.Response:
        if isinstance(answer, Exception):
            raise answer
        return answer

    await_acceptance(settings(tmp_path, SHOWDOWN_HOST_TOKEN="t" * 20), httpx.MockTransport(ask), never)


def test_an_older_coordinator_is_named(tmp_path: Path) -> None:
    def ask(request: httpx.Request) -> httpx.Response:
        return httpx.Response(404, json={"message": "Not Found", "problems": []})

    coordinator = Coordinator(settings(tmp_path, SHOWDOWN_HOST_TOKEN="t" * 20), httpx.MockTransport(ask))
    with pytest.raises(NotAccepted, match="the coordinator is older than this worker"):
        coordinator.greet()


def test_a_second_machine_with_the_name_and_token_of_the_first_is_refused(
    coordinator_app: CoordinatorApp,
    transport: httpx.MockTransport,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def on(number: str) -> None:
        identity = HostIdentity(machine=number * 32, boot=number * 32, up_s=9000.0)
        monkeypatch.setattr(api_client, "host_identity", lambda: identity)

    token = coordinator_app.token_of("h5")
    worker = Coordinator(settings(tmp_path, SHOWDOWN_HOST_TOKEN=token), transport)
    on("a")
    worker.register(HostCapabilities(host="h5"))
    on("b")
    for introduce in (worker.greet, lambda: worker.register(HostCapabilities(host="h5"))):
        with pytest.raises(NotAccepted, match="host h5 is online on another machine"):
            introduce()
    (one,) = (e for e in coordinator_app.get("hosts").json["enrolments"] if e["host"] == "h5")
    assert "another machine" in one["refusal"]
    coordinator_app.now += 61
    worker.register(HostCapabilities(host="h5"))


def test_a_machine_that_is_not_the_registered_one_claims_nothing(coordinator_app: CoordinatorApp) -> None:
    body = {"host": "h1", "identity": {"machine": "a" * 32}}
    client = coordinator_app.client
    coordinator_app.register()
    coordinator_app.submit()
    assert client.put("/api/v1/worker/hosts/h1", json=body, headers=coordinator_app.worker).status_code == 204
    message = coordinator_app.last_sent()
    assert coordinator_app.call("claim", message, {"host": "h1", "machine": "b" * 32}).status_code == 409
    assert coordinator_app.call("claim", message, {"host": "h1", "machine": "a" * 32}).status_code == 200


@pytest.mark.parametrize("status", [401, 403, 409, 426])
def test_a_refused_registration_ends_the_worker(status: int, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def ask(request: httpx.Request) -> httpx.Response:
        assert request.headers[HEADER]
        return httpx.Response(status, json={"message": "no, because", "problems": []})

    coordinator, ended = Coordinator(settings(tmp_path, SHOWDOWN_HOST_TOKEN="t" * 20), httpx.MockTransport(ask)), []
    registration = HostRegistration(
        coordinator, lambda: HostCapabilities(host="h5"), lambda: None, never, end=lambda: ended.append(1)
    )
    registration.run()
    assert ended == [1]
    assert "no, because" in caplog.text
    assert "Traceback" not in caplog.text


def test_the_identity_is_stable_and_hides_the_machine_id() -> None:
    first, second = machine.host_identity(), machine.host_identity()
    assert (first.machine, first.boot) == (second.machine, second.boot)
    assert first.machine != first.boot
    assert len(first.machine) == len(first.boot) == 32
    assert 0 < first.up_s <= second.up_s
    file = Path("/etc/machine-id")
    if file.exists():
        assert file.read_text().strip() != first.machine


@pytest.fixture
def named(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    return lambda name: monkeypatch.setattr(config.socket, "gethostname", lambda: name)


def test_the_full_name_is_the_hosts_name(named: Callable[[str], None], tmp_path: Path) -> None:
    environment = {"SHOWDOWN_STATE_DIR": str(tmp_path), "SHOWDOWN_HOST_TOKEN": "t" * 20}
    for name in ("vm.berlin.example.net", "vm.paris.example.net", "a" * 62 + "-b"):
        named(name)
        assert WorkerSettings.from_environment(environment).host == name
    with pytest.raises(ConfigError, match="SHOWDOWN_HOST: 'A B' must be a host's name"):
        WorkerSettings.from_environment(environment | {"SHOWDOWN_HOST": "A B"})


def test_reports_in_the_directory_of_the_first_label_are_not_left_behind(
    named: Callable[[str], None], tmp_path: Path
) -> None:
    named("vm.berlin.example.net")
    environment = {"SHOWDOWN_STATE_DIR": str(tmp_path)}
    former, now = tmp_path / "workers/vm", tmp_path / "workers/vm.berlin.example.net"
    (former / "outbox").mkdir(parents=True)
    keep_former_directory(environment | {"SHOWDOWN_HOST": "vm"})
    assert former.exists()
    keep_former_directory(environment)
    assert (now / "outbox").is_dir()
    assert not former.exists()
    former.mkdir()  # another worker's, which has that name on purpose
    keep_former_directory(environment)
    assert former.exists()
