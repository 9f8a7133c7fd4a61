"""A broker that forgets, cuts off, or takes connections and never answers: the worker hears again, or says why not."""

import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from celery import Celery
from kombu import Consumer, Queue

from domain.service.jobs import RUN_BLOCK_TASK
from tests.redis_server import url_of
from tests.unit.workers.agent.test_inbox import KEY, QUEUE, app_for, signed
from workers.agent.own_queue import OwnQueue
from workers.agent.watchdog import DEAF_S, Watchdog


class Reader:
    """A consumer as Celery's: it waits in Redis for the next message, and connects anew after an error."""

    def __init__(self, app: Celery) -> None:
        self._app = app
        self.tasks: list[str] = []
        self._connect()

    def _connect(self) -> None:
        self.connection = self._app.connection_for_read()
        self.consumer = Consumer(self.connection.channel(), [Queue(QUEUE)], on_message=self._take)
        self.consumer.consume()

    def _take(self, message: Any) -> None:
        self.tasks.append(message.headers["task"])
        message.ack()

    def read(self, seconds: float) -> None:
        """Wait for messages. What Celery answers by a new connection does so here; other errors end the test."""
        deadline = time.monotonic() + seconds
        while not self.tasks and time.monotonic() < deadline:
            try:
                self.connection.drain_events(timeout=0.1)
            except TimeoutError:
                continue
            except self.connection.connection_errors + self.connection.channel_errors:
                self.connection.collect()
                self._connect()

    def close(self) -> None:
        self.connection.collect()


@pytest.fixture
def reader(broker: redis.Redis, tmp_path: Path) -> Iterator[Reader]:
    found = Reader(app_for(url_of(broker), tmp_path))
    found.read(0.2)  # so that it waits in Redis
    yield found
    found.close()


def test_a_redis_that_forgot_everything_is_heard_again(broker: redis.Redis, reader: Reader) -> None:
    broker.lpush(QUEUE, b"garbage")
    broker.flushall()
    broker.lpush(QUEUE, signed())
    reader.read(10)
    assert reader.tasks == [RUN_BLOCK_TASK]


def test_a_connection_that_redis_cut_off_is_made_again(broker: redis.Redis, reader: Reader) -> None:
    for client in broker.client_list():
        if int(client["id"]) != broker.client_id():
            broker.client_kill_filter(_id=client["id"])
    broker.lpush(QUEUE, signed())
    reader.read(10)
    assert reader.tasks == [RUN_BLOCK_TASK]


def test_a_message_that_waited_for_hours_is_taken(broker: redis.Redis, reader: Reader) -> None:
    """A worker that was cut off or paused finds it old; an expiry would let Celery drop it, and its copies."""
    old = signed(envelope_headers={"expires": "2001-01-01T00:00:00+00:00", "eta": "2001-01-01T00:00:00+00:00"})
    broker.lpush(QUEUE, old)
    reader.read(10)
    assert reader.tasks == [RUN_BLOCK_TASK]


@pytest.fixture
def black_hole() -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"redis://127.0.0.1:{server.getsockname()[1]}/0"


def test_a_broker_that_never_answers_is_an_error_of_the_broker(black_hole: str, tmp_path: Path) -> None:
    """The watchdog's own question must end: else nobody would see that the worker is deaf."""
    app = app_for(black_hole, tmp_path)
    limits = app.conf.broker_transport_options
    assert 0 < limits["socket_timeout"] <= DEAF_S / 2, "the thread of the watchdog waits so long at most"
    app.conf.broker_transport_options = limits | {"socket_timeout": 0.2}
    watchdog = Watchdog(lambda: 0, OwnQueue(app, "h1", KEY).waiting, lambda: False, lambda: pytest.fail("it ended"))
    begun_s = time.monotonic()
    watchdog.look()
    assert time.monotonic() - begun_s < 5
    assert "imed out" in watchdog.broker_error or "imeout" in watchdog.broker_error
    assert watchdog.queued is None


def test_a_deaf_worker_sees_what_waits_in_redis(broker: redis.Redis, tmp_path: Path) -> None:
    """Messages that nobody takes, seen by the watchdog's own connection, beside one that reads nothing."""
    ended: list[float] = []
    now = [0.0]
    queue = OwnQueue(app_for(url_of(broker), tmp_path), "h1", KEY)
    watchdog = Watchdog(lambda: 7, queue.waiting, lambda: False, lambda: ended.append(now[0]), clock=lambda: now[0])
    watchdog.look()
    broker.lpush(QUEUE, signed())
    for _ in range(2):
        watchdog.look()
        now[0] += DEAF_S
    assert (ended, watchdog.queued) == ([DEAF_S], 1)
