"""Redis and influxd of a private stack die: they are started again, and only InfluxDB can be done without."""

import shutil
import time

import pytest
import redis

from deploy.stack.children import StackError
from deploy.stack.restarts import LIMIT
from tests.unit.deploy.fake_showdown import alive, kill_and_watch

pytestmark = pytest.mark.skipif(
    shutil.which("redis-server") is None or shutil.which("influxd") is None, reason="needs redis-server and influxd"
)


@pytest.fixture
def with_servers(stack, environment):
    """A stack of real servers and a fake Showdown."""
    for name in ("SHOWDOWN_BROKER_URL", "SHOWDOWN_INFLUX_URL"):
        del environment[name]
    with stack() as up:
        yield up


def answers(up):
    """Whether the stack's Redis takes messages, with the password that its clients have."""
    url = up.environment["SHOWDOWN_BROKER_URL"].replace("redis+socket://", "unix://")
    with redis.Redis.from_url(url) as client:
        return client.lpush("host.h1", "x") > 0


def test_a_redis_that_was_killed_is_started_again_for_the_same_clients(with_servers):
    (note,) = kill_and_watch(with_servers, "redis-server")
    assert note.startswith("redis-server was killed by signal 9 and was started again (restart 1;")
    retried(lambda: answers(with_servers))
    assert with_servers.restarts == {"redis-server": 1, "influxd": 0, "coordinator": 0, "ticker": 0, "worker": 0}


def test_a_redis_that_keeps_dying_ends_the_stack(with_servers):
    for _ in range(LIMIT):
        kill_and_watch(with_servers, "redis-server")
    with pytest.raises(StackError, match=f"redis-server ended more than {LIMIT} times in 10 min"):
        kill_and_watch(with_servers, "redis-server")


def test_an_influxd_that_keeps_dying_is_given_up_and_campaigns_go_on(with_servers):
    for number in range(LIMIT):
        notes = kill_and_watch(with_servers, "influxd")
        assert notes[0].startswith(f"influxd was killed by signal 9 and was started again (restart {number + 1};")
    notes = kill_and_watch(with_servers, "influxd")
    assert notes[0].startswith(f"telemetry is missing from now on: influxd ended more than {LIMIT} times in 10 min:")
    assert "influxd" not in with_servers.pids
    assert with_servers.watch() == []
    assert sorted(alive(list(with_servers.pids.values()))) == sorted(with_servers.pids.values())
    assert answers(with_servers)


def retried(answer, patience_s=20.0):
    """Until it answers: a server needs a moment."""
    deadline = time.monotonic() + patience_s
    while True:
        try:
            assert answer()
        except redis.ConnectionError:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        else:
            return
