"""The logic of the private stack, with a fake Showdown as its children: no servers, no root."""

import json
import os
import signal
import stat
import sys
import time
from pathlib import Path

import pytest

from deploy.stack.children import StackError
from deploy.stack.environments import environment_of
from deploy.stack.servers import influxd_config, unused_port
from deploy.stack.stack import MAX_WORKER_RESTARTS, PrivateStack

# `coordinator serve` answers /healthz and /api/v1/hosts; the worker registers by creating a file.
FAKE = """
import http.server, json, os, sys, time
from pathlib import Path

state = Path(os.environ["SHOWDOWN_STATE_DIR"])
command = sys.argv[1:]
with (state / "commands").open("a") as log:
    log.write(json.dumps([command, {k: v for k, v in os.environ.items() if k.startswith("SHOWDOWN_")}]) + "\\n")
if command[0] == "sweep":
    raise SystemExit
if command[0] == os.environ.get("FAIL"):
    raise SystemExit("it cannot be")
if command == ["worker"]:
    (state / "host").touch()
if command[:2] == ["coordinator", "serve"]:
    (state / "secrets.json").write_text(json.dumps({"token": "drawn-token", "secret_key": "drawn-key"}))

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            hosts = [{"online": True, "seen_at": "9999-01-01T00:00:00+00:00"}] if (state / "host").exists() else []
            body = json.dumps({"hosts": hosts}).encode()
            known = self.path == "/healthz" or self.headers["Authorization"] == "Bearer " + os.environ.get("EXPECT", "drawn-token")
            self.send_response(200 if known else 401)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self):
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            host = self.path.removeprefix("/api/v1/hosts/").removesuffix("/enrolment")
            known = self.headers["Authorization"] == "Bearer " + os.environ.get("EXPECT", "drawn-token")
            body = json.dumps({"host": host, "token": f"token-of-{host}"}).encode()
            self.send_response(201 if known and asked == {"replace": True} else 401)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    host, port = command[3].split(":")
    http.server.ThreadingHTTPServer((host, int(port)), Handler).serve_forever()
time.sleep(60)
"""  # noqa: E501


@pytest.fixture
def environment(tmp_path):
    given = {"PATH": os.environ["PATH"], "SHOWDOWN_BROKER_URL": "redis://redis.test/0"}
    return given | {"SHOWDOWN_INFLUX_URL": "http://influx.test:8086"}


@pytest.fixture
def stack(tmp_path, environment):
    fake = tmp_path / "showdown.py"
    fake.write_text(FAKE)

    def make(**options):
        given = environment | options.pop("environment", {})
        return PrivateStack(tmp_path / "state", given, showdown=(sys.executable, str(fake)), **options)

    return make


def commands(stack):
    return [json.loads(line) for line in (stack.state_dir / "commands").read_text().splitlines()]


def until_written(stack, *wanted):
    """Every child is up before it has recorded its arguments, and a stopped one never does."""
    deadline = time.monotonic() + 20
    while not set(wanted) <= {command[-1] for command, _ in commands(stack)}:
        assert time.monotonic() < deadline, f"{commands(stack)} lacks one of {wanted}"
        time.sleep(0.01)


def alive(pids):
    return [pid for pid in pids if Path(f"/proc/{pid}").exists()]


def wait_for_death(child_name, up):
    pid, deadline = up.pids[child_name], time.monotonic() + 5
    while Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX":
        assert time.monotonic() < deadline
        time.sleep(0.01)


def kill_and_watch(up, name):
    os.kill(up.pids[name], signal.SIGKILL)
    wait_for_death(name, up)
    up.watch()


def test_it_starts_what_the_environment_does_not_give_and_stops_it_all(stack):
    with stack() as up:
        assert list(up.pids) == ["coordinator", "ticker", "worker"]
        pids = list(up.pids.values())
        assert alive(pids) == pids
        up.watch()
        assert up.token == "drawn-token"
        until_written(up, "ticker", "worker")
    assert alive(pids) == []
    # Ticker and worker start together, so either may record its arguments first.
    assert sorted(command for command, _ in commands(up)) == [
        ["coordinator", "serve", "--bind", up.url.removeprefix("http://")],
        ["coordinator", "ticker"],
        ["worker"],
    ]


def test_each_child_gets_the_secrets_that_it_needs_and_no_other(stack):
    with stack(environment={"SHOWDOWN_HOST": "h1"}) as up:
        until_written(up, "ticker", "worker")
    found = {command[0] if command == ["worker"] else command[1]: given for command, given in commands(up)}
    worker = {
        "SHOWDOWN_BROKER_URL": "redis://redis.test/0",
        "SHOWDOWN_INFLUX_URL": "http://influx.test:8086",
        "SHOWDOWN_INFLUX_BUCKET": "showdown",
        "SHOWDOWN_COORDINATOR_URL": up.url,
        "SHOWDOWN_STATE_DIR": str(up.state_dir),
        "SHOWDOWN_HOST": "h1",
        "SHOWDOWN_HOST_TOKEN": "token-of-h1",
    }
    assert found["worker"] == worker
    assert found["ticker"]["SHOWDOWN_TOKEN"] == "drawn-token"
    assert "SHOWDOWN_HOST_TOKEN" not in found["serve"] | found["ticker"]
    assert "SHOWDOWN_HOST_TOKEN" not in up.environment


def test_servers_that_are_not_showdowns_get_none_of_its_settings():
    given = {"PATH": "/bin", "SHOWDOWN_TOKEN": "t", "SHOWDOWN_HOST_TOKEN": "h", "SHOWDOWN_NEW": "n"}
    assert environment_of("redis-server", given) == environment_of("influxd", given) == {"PATH": "/bin"}
    secrets = {"SHOWDOWN_SECRET_KEY": "k", "SHOWDOWN_DATABASE_URL": "d", "SHOWDOWN_WORKER_TOKEN": "w"}
    assert environment_of("worker", given | secrets) == {k: v for k, v in given.items() if k != "SHOWDOWN_TOKEN"}


def test_given_secrets_are_used(stack):
    given = {"SHOWDOWN_TOKEN": "my-own-long-token", "SHOWDOWN_HOST_TOKEN": "another-long-token"}
    with stack(environment={**given, "EXPECT": "my-own-long-token"}) as up:
        assert up.token == "my-own-long-token"
        until_written(up, "worker")
    assert next(env for command, env in commands(up) if command == ["worker"])["SHOWDOWN_HOST_TOKEN"] == (
        "another-long-token"
    )


def test_the_state_directory_is_private(stack):
    with stack() as up:
        assert stat.S_IMODE(up.state_dir.stat().st_mode) == 0o700


def test_a_worker_that_was_killed_is_started_again_and_the_rest_left_alone(stack):
    with stack() as up:
        before = up.pids
        kill_and_watch(up, "worker")
        after = up.pids
        assert after.pop("worker") != before.pop("worker")
        assert after == before
        assert up.worker_restarts == 1


def test_a_worker_that_keeps_dying_is_given_up(stack):
    with stack() as up:
        for _ in range(MAX_WORKER_RESTARTS):
            kill_and_watch(up, "worker")
        with pytest.raises(StackError, match="worker was killed by signal 9"):
            kill_and_watch(up, "worker")
        assert up.worker_restarts == MAX_WORKER_RESTARTS


@pytest.mark.parametrize("name", ["coordinator", "ticker"])
def test_another_child_that_died_is_an_error_that_names_it(stack, name):
    with stack() as up, pytest.raises(StackError, match=f"{name} was killed by signal 9.*{name}.log"):
        kill_and_watch(up, name)


@pytest.mark.parametrize("command", ["coordinator", "worker"])
def test_what_fails_at_the_start_stops_the_rest(stack, command):
    up = stack(environment={"FAIL": command})
    with pytest.raises(StackError, match=f"{command} ended with status 1(?s:.*)it cannot be"), up:
        pytest.fail("it was up")
    assert up.pids == {}


def test_labs_of_a_worker_that_was_killed_are_swept_at_the_end(stack):
    with stack() as up:
        os.kill(up.pids["worker"], signal.SIGKILL)
        wait_for_death("worker", up)
    assert commands(up)[-1][0] == ["sweep"]


def test_two_stacks_do_not_share_a_state_directory(stack):
    with stack(), pytest.raises(StackError, match="another Showdown uses"), stack():
        pytest.fail("it was up")
    with stack():
        pass


def test_a_port_that_is_taken(stack, tmp_path):
    with stack() as up:
        port = int(up.url.rpartition(":")[2])
        other = PrivateStack(tmp_path / "other", up.environment, port=port, showdown=("false",))
        with pytest.raises(StackError, match=f"127.0.0.1:{port} is used"), other:
            pytest.fail("it was up")


def test_without_influxd_the_stack_goes_on_and_says_so(stack, environment, monkeypatch):
    del environment["SHOWDOWN_INFLUX_URL"]
    monkeypatch.setattr("deploy.stack.stack.shutil.which", lambda name, path=None: None)
    with stack() as up:
        assert up.notes == ["influxd is not installed, so no telemetry will be stored"]
        assert "SHOWDOWN_INFLUX_URL" not in up.environment


def test_a_path_too_long_for_a_socket(tmp_path):
    deep = tmp_path / ("d" * 100)
    with (
        pytest.raises(StackError, match=r"too long for a unix socket.*TMPDIR for 'run'"),
        PrivateStack(deep, {"PATH": os.environ["PATH"]}),
    ):
        pytest.fail("it was up")


def test_the_servers_listen_on_loopback_only():
    config = influxd_config(Path("/state/influxdb"), http_port=1111, rpc_port=2222)
    binds = [line.split("=")[1].strip() for line in config.splitlines() if "bind-address" in line]
    assert binds == ['"127.0.0.1:2222"', '"127.0.0.1:1111"']
    assert "reporting-disabled = true" in config


def test_an_unused_port_is_unused():
    assert unused_port() != unused_port()
