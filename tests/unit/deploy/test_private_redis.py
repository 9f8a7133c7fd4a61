"""The private stack's Redis with its password and rights: coordinator and worker need no more, and get no more."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
import yaml
from kombu import Consumer

from coordinator.scheduling.dispatch import CeleryDispatcher
from deploy.stack.private_redis import COMMANDS, KEYS, PrivateRedis, acl_rule
from domain.service.jobs import RUN_BLOCK_TASK, BlockMessage
from tests import ROOT
from tests.redis_server import running
from workers.agent.app import create_worker, own_queue_of
from workers.agent.config import WorkerSettings

RULE = acl_rule("NAME", "PASSWORD").partition("PASSWORD ")[2]


@pytest.fixture
def private(tmp_path: Path) -> Iterator[PrivateRedis]:
    own = PrivateRedis(tmp_path, tmp_path / "redis.sock")
    client = redis.Redis(unix_socket_path=str(own.unix_socket), username=own.username, password=own.password)
    with running(own.argv, client):
        yield own


def test_coordinator_and_worker_need_no_more_rights(private: PrivateRedis, tmp_path: Path) -> None:
    environment = {
        "SHOWDOWN_HOST": "h1",
        "SHOWDOWN_STATE_DIR": str(tmp_path),
        "SHOWDOWN_HOST_TOKEN": "0123456789abcdef",
        "SHOWDOWN_BROKER_URL": private.url,
    }
    settings = WorkerSettings.from_environment(environment)
    dispatcher, app = CeleryDispatcher(private.url, lambda _: settings.message_key), create_worker(settings)
    own_queue = own_queue_of(app, settings)
    dispatcher.ping("h1")
    dispatcher.send("h1", BlockMessage(block_id="k3f9x2ab-0", attempt=1))
    assert dispatcher.ask_for_matrix("h1")
    assert own_queue.waiting() == 3
    assert not own_queue.request_tests()
    own_queue.forget_lost_requests()
    own_queue.tests_ended()
    assert own_queue.request_tests()
    tasks: list[str] = []
    with (
        app.connection_for_read() as connection,
        connection.channel() as channel,
        Consumer(
            channel, list(app.amqp.queues.values()), on_message=lambda m: tasks.append(m.headers["task"]) or m.ack()
        ),
    ):
        while len(tasks) < 3:
            connection.drain_events(timeout=10)
    assert tasks[0] == RUN_BLOCK_TASK
    assert app.inbox.dropped.total == 0


@pytest.mark.parametrize("command", [
    ["CONFIG", "GET", "*"], ["FLUSHALL"], ["EVAL", "return 1", "0"], ["SET", "other", "1"], ["KEYS", "*"],
    ["ACL", "LIST"], ["RPOP", "host.h2"], ["SHUTDOWN"], ["PUBLISH", "celery.pidbox", "x"],
], ids=" ".join)  # fmt: skip
def test_what_they_do_not_need_is_refused(private: PrivateRedis, command: list[str]) -> None:
    client = redis.Redis(
        unix_socket_path=str(private.unix_socket), username=private.username, password=private.password
    )
    with client, pytest.raises(redis.exceptions.NoPermissionError):
        client.execute_command(*command)


def test_without_the_password_there_is_nothing(private: PrivateRedis) -> None:
    with redis.Redis(unix_socket_path=str(private.unix_socket)) as client, pytest.raises(redis.AuthenticationError):
        client.ping()


def test_the_password_is_in_a_file_of_its_owner_only(tmp_path: Path) -> None:
    first, second = (PrivateRedis(tmp_path, tmp_path / "redis.sock") for _ in range(2))
    assert first.password != second.password
    config = tmp_path / "redis.conf"
    assert config.stat().st_mode & 0o777 == 0o600
    assert second.password in config.read_text()
    assert not any(second.password in argument for argument in second.argv)
    lines = config.read_text().splitlines()
    assert {"port 0", 'save ""', "unixsocketperm 600", "user default off"} <= set(lines)


def test_compose_and_the_documents_give_the_same_rights() -> None:
    command = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text())["services"]["redis"]["command"]
    rules = [word for word in command if word.startswith(("~", "+", "-@", "resetchannels"))]
    assert rules == RULE.split()
    assert "${REDIS_PASSWORD" in " ".join(command)
    assert RULE in " ".join((ROOT / "docs" / "deployment.md").read_text().split())
    assert set(RULE.split()) == {
        *(f"~{key}" for key in KEYS),
        *(f"+{one}" for one in COMMANDS),
        "resetchannels",
        "-@all",
    }
