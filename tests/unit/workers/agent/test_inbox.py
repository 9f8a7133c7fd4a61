"""What a worker takes out of its queue, with a separate Redis where one is installed."""

import json
import logging
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import redis
from celery import Celery
from kombu import Consumer, Queue

from domain.hosts.host_tokens import hash_of
from domain.service.jobs import RUN_BLOCK_TASK
from domain.service.messages import PING_TASK, Message, message_key, outstanding_key, redis_list, signed_headers
from domain.trials.traits import TEST_TRAITS_TASK
from tests.hostile_messages import ARGUMENTS, HOSTILE, envelope
from tests.redis_server import url_of
from workers.agent.app import create_worker
from workers.agent.config import WorkerSettings
from workers.agent.inbox import REMEMBERED, REPEAT_LOG_S, Inbox
from workers.agent.own_queue import OwnQueue

KEY = message_key(hash_of("0123456789abcdef"), "h1")
QUEUE = "host.h1"


def signed(
    task: str = RUN_BLOCK_TASK, arguments: list[Any] = ARGUMENTS, envelope_headers: Mapping[str, str] | None = None
) -> bytes:
    message = Message(task, str(uuid.uuid4()), arguments)
    headers = {"task": task, "id": message.identity, **(envelope_headers or {})} | signed_headers(KEY, message)
    return json.dumps(envelope(headers=headers, arguments=arguments)).encode()


def test_a_ping_is_heard_and_goes_no_further() -> None:
    now = [100.0]
    inbox = Inbox(QUEUE, KEY, clock=lambda: now[0])
    assert inbox.heard_s is None
    assert inbox.accepted(signed(PING_TASK, [])) is None
    now[0] += 7
    assert (inbox.taken, inbox.heard_s, inbox.dropped.total) == (1, 7, 0)


def test_what_is_dropped_is_counted_by_cause_and_proves_nothing() -> None:
    inbox = Inbox(QUEUE, KEY)
    for item in HOSTILE.values():
        assert inbox.accepted(item) is None
    assert inbox.taken == inbox.dropped.total == len(HOSTILE)
    assert inbox.dropped.too_large >= 1
    assert inbox.dropped.malformed >= 10
    assert inbox.dropped.not_authentic >= 10
    assert inbox.heard_s is None, "anyone can write into a queue"


def test_a_copied_message_is_dropped() -> None:
    inbox, item = Inbox(QUEUE, KEY), signed()
    assert inbox.accepted(item) is not None
    assert inbox.accepted(item) is None
    assert inbox.dropped.repeated == 1


def test_only_so_many_ids_are_remembered() -> None:
    inbox, first = Inbox(QUEUE, KEY), signed(PING_TASK, [])
    inbox.accepted(first)
    for _ in range(REMEMBERED):
        inbox.accepted(signed(PING_TASK, []))
    inbox.accepted(first)
    assert inbox.dropped.total == 0


def test_a_flood_fills_no_log(caplog: pytest.LogCaptureFixture) -> None:
    now = [0.0]
    inbox = Inbox(QUEUE, KEY, clock=lambda: now[0])
    with caplog.at_level(logging.WARNING):
        for _ in range(1000):
            inbox.accepted(b"garbage")
        assert len(caplog.records) == 1
        now[0] = REPEAT_LOG_S
        inbox.accepted(b"garbage")
    assert [record.getMessage() for record in caplog.records][1] == (
        "dropped a message of 7 bytes: malformed; 1001 so far"
    )


def app_for(url: str, tmp_path: Path) -> Celery:
    """The worker h1 of a broker."""
    environment = {
        "SHOWDOWN_HOST": "h1",
        "SHOWDOWN_STATE_DIR": str(tmp_path),
        "SHOWDOWN_HOST_TOKEN": "0123456789abcdef",
        "SHOWDOWN_BROKER_URL": url,
    }
    return create_worker(WorkerSettings.from_environment(environment))


@pytest.fixture
def app(broker: redis.Redis, tmp_path: Path) -> Celery:
    return app_for(url_of(broker), tmp_path)


def taken_by_celery(app: Celery, count: int) -> list[str]:
    """The tasks of the next ``count`` messages that reach Celery."""
    tasks: list[str] = []

    def on_message(message: Any) -> None:
        tasks.append(message.headers["task"])
        message.ack()

    with (
        app.connection_for_read() as connection,
        connection.channel() as channel,
        Consumer(channel, [Queue(QUEUE)], on_message=on_message),
    ):
        while len(tasks) < count:
            connection.drain_events(timeout=10)
    return tasks


def test_hostile_messages_end_no_consumer_and_come_back_to_none(app: Celery, broker: redis.Redis) -> None:
    for item in HOSTILE.values():
        broker.lpush(QUEUE, item)
    broker.lpush(QUEUE, signed())
    assert taken_by_celery(app, 1) == [RUN_BLOCK_TASK]
    assert app.inbox.dropped.total == len(HOSTILE)
    assert broker.llen(QUEUE) == 0
    assert broker.exists("unacked") == 0, "nothing waits to be delivered again"


def test_blocks_come_before_tests(app: Celery, broker: redis.Redis) -> None:
    own = OwnQueue(app, "h1", KEY)
    assert own.request_tests(["direct"])
    assert not own.request_tests(), "one request is outstanding"
    broker.lpush(QUEUE, signed())
    assert own.waiting() == 2
    assert taken_by_celery(app, 2) == [RUN_BLOCK_TASK, TEST_TRAITS_TASK]
    own.tests_ended()
    assert own.request_tests()


def test_a_request_that_was_lost_with_a_worker_blocks_no_other(app: Celery, broker: redis.Redis) -> None:
    own = OwnQueue(app, "h1", KEY)
    assert own.request_tests()
    own.forget_lost_requests()
    assert not own.request_tests(), "its message still waits"
    broker.delete(redis_list("h1", 9))
    own.forget_lost_requests()
    assert own.request_tests()
    assert 0 < broker.ttl(outstanding_key("h1")) <= 1800


def test_a_worker_has_no_remote_control(app: Celery) -> None:
    assert app.conf.worker_enable_remote_control is False


def test_certificates_of_redis_are_verified(tmp_path: Path) -> None:
    environment = {"SHOWDOWN_HOST": "h1", "SHOWDOWN_STATE_DIR": str(tmp_path), "SHOWDOWN_HOST_TOKEN": "0" * 16}
    for url, required in (("rediss://r.example", True), ("rediss://r.example?ssl_ca_certs=/ca.pem", True),
                          ("redis://r.example", False)):  # fmt: skip
        settings = WorkerSettings.from_environment(environment | {"SHOWDOWN_BROKER_URL": url})
        connection = create_worker(settings).connection_for_read()
        found = connection.ssl
        assert bool(found) == required, url
        if required:
            assert str(found.get("ssl_cert_reqs", "required")) not in ("none", "0", "VerifyMode.CERT_NONE"), url
