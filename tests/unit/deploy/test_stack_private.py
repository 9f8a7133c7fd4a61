"""The logic of the private stack, with a fake Showdown as its children: no servers, no root."""

import os
import signal
import socket
import stat
from pathlib import Path
from unittest.mock import ANY

import pytest

from deploy.stack.children import StackError
from deploy.stack.environments import environment_of
from deploy.stack.restarts import LIMIT
from deploy.stack.servers import influxd_config, unused_port
from deploy.stack.stack import PrivateStack
from tests.unit.deploy.fake_showdown import alive, commands, kill_and_watch, until_written, wait_for_death


def test_it_starts_what_the_environment_does_not_give_and_stops_it_all(stack):
    with stack() as up:
        assert list(up.pids) == ["coordinator", "ticker", "worker"]
        pids = list(up.pids.values())
        assert alive(pids) == pids
        # What is not the worker is foreign to trials on the same host, and yields to them.
        ours = os.getpriority(os.PRIO_PROCESS, 0)
        assert [os.getpriority(os.PRIO_PROCESS, pid) - ours for pid in pids] == [10, 10, 0]
        up.watch()
        assert up.token == "drawn-token"
        until_written(up, "ticker", "worker")
    assert alive(pids) == []
    # Ticker and worker start together, so either may record its arguments first.
    assert sorted(command for command, _ in commands(up)) == [
        ["coordinator", "serve", "--bind", ANY],
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
    secrets |= {"SHOWDOWN_WEBHOOK_SECRET": "s", "SHOWDOWN_SMTP_URL": "smtp://u:p@mail"}
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
        assert up.restarts == {"coordinator": 0, "ticker": 0, "worker": 1}


@pytest.mark.parametrize("name", ["coordinator", "ticker", "worker"])
def test_a_child_that_keeps_dying_is_given_up(stack, name):
    with stack() as up:
        for number in range(LIMIT):
            (note,) = kill_and_watch(up, name)
            assert note.startswith(f"{name} was killed by signal 9 and was started again (restart {number + 1};")
        with pytest.raises(StackError, match=f"{name} ended more than {LIMIT} times in 10 min: {name} was killed by"):
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
    config = influxd_config(Path("/state/influxdb"), http_port=1111, rpc_port=2222, passwords=True)
    binds = [line.split("=")[1].strip() for line in config.splitlines() if "bind-address" in line]
    assert binds == ['"127.0.0.1:2222"', '"127.0.0.1:1111"']
    assert "reporting-disabled = true" in config
    assert "auth-enabled = true" in config


def test_an_unused_port_is_unused_and_stays_so():
    """The kernel gave a port to a connection of another program, before the server for which it was had it."""
    lowest, highest = map(int, Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())
    for _ in range(100):
        port = unused_port()
        assert not lowest <= port <= highest
        with socket.create_server(("127.0.0.1", port)):
            pass


def test_a_port_that_is_in_use_is_no_unused_one(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        choices = iter([taken.getsockname()[1], free := unused_port()])
        monkeypatch.setattr("deploy.stack.servers.secrets.choice", lambda _: next(choices))
        assert unused_port() == free
