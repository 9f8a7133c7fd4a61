"""The worker's own hand on its queue: how much waits there, and requests to itself to test traits."""

import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from celery import Celery
from kombu import Queue

from domain.service.jobs import queue_name
from domain.service.messages import TESTS_LIFE_S, TESTS_PRIORITY, Message, outstanding_key, redis_list, signed_headers
from domain.trials.traits import TEST_TRAITS_TASK


class OwnQueue:
    """Methods raise what kombu, redis and sockets raise when Redis is away."""

    def __init__(self, app: Celery, host: str, key: bytes) -> None:
        self._app, self._host, self._key = app, host, key

    def waiting(self) -> int:
        """The messages that wait for this host. Asks through a new connection."""
        with self._channel() as channel:
            return int(channel.queue_declare(queue_name(self._host)).message_count)

    def request_tests(self, datapaths: Sequence[str] = ()) -> bool:
        """Queue trait tests behind all blocks; ``False`` if a request is outstanding already."""
        with self._channel() as channel:
            if not channel.client.set(outstanding_key(self._host), "worker", nx=True, ex=TESTS_LIFE_S):
                return False
        self.continue_tests(datapaths)
        return True

    def continue_tests(self, datapaths: Sequence[str]) -> None:
        """Queue tests of these datapaths, which belong to the outstanding request."""
        message = Message(TEST_TRAITS_TASK, str(uuid.uuid4()), [list(datapaths)])
        self._app.send_task(
            message.task,
            args=message.arguments,
            task_id=message.identity,
            headers=signed_headers(self._key, message),
            queue=Queue(queue_name(self._host)),
            priority=TESTS_PRIORITY,
            retry=False,
        )

    def tests_ended(self) -> None:
        """The outstanding request is done: the next one is accepted."""
        with self._channel() as channel:
            channel.client.delete(outstanding_key(self._host))

    def forget_lost_requests(self) -> None:
        """At the worker's start, a request without a message was lost with the worker before."""
        with self._channel() as channel:
            if not channel.client.llen(redis_list(self._host, TESTS_PRIORITY)):
                channel.client.delete(outstanding_key(self._host))

    @contextmanager
    def _channel(self) -> Iterator[Any]:
        with self._app.connection_for_write() as connection, connection.channel() as channel:
            yield channel
