"""The only Celery producer: after the commit, it sends a block's message to its host's queue by task name.

The database is authoritative. The ticker sends a lost message again, and a duplicate's claim is refused. Messages do
not expire: Celery would remember the id of an expired one, and whether it has expired depends on two hosts' clocks.
"""

import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

from celery import Celery
from kombu import Queue

from domain.service.jobs import RUN_BLOCK_TASK, BlockMessage, queue_name
from domain.service.messages import (
    BLOCK_PRIORITY,
    MAX_QUEUED,
    PING_TASK,
    QUEUE_LIFE_S,
    TESTS_LIFE_S,
    TESTS_PRIORITY,
    Message,
    broker_tls,
    outstanding_key,
    redis_list,
    signed_headers,
)
from domain.trials.traits import TEST_TRAITS_TASK
from domain.values.texts import error_text

BROKER_TIMEOUT_S = 2.0  # longest delay of an HTTP request by an unreachable broker


class DispatchError(RuntimeError):
    """The message was not sent: the broker cannot be reached; the ticker tries again."""


class NoToken(DispatchError):
    """The host has no valid token, so it may get no message."""


class Dispatcher(Protocol):
    """Sends messages to worker hosts. Every method raises :class:`DispatchError` on failure."""

    def send(self, host: str, message: BlockMessage) -> None:
        """Ask ``host`` to claim and run an attempt."""

    def ask_for_matrix(self, host: str, datapaths: Sequence[str] = ()) -> bool:
        """Ask ``host`` to test the traits of those datapaths (or all) when no block waits.

        ``False`` if it has not finished an earlier request.
        """

    def ping(self, host: str) -> None:
        """Send a message that does nothing; the host reports when one reached it."""


class CeleryDispatcher:
    """The real dispatcher: JSON only, no result backend, short timeouts.

    ``key_of`` gives the key of messages to a host; ``None`` if the host may get none.
    """

    def __init__(self, broker_url: str, key_of: Callable[[str], bytes | None]) -> None:
        self._key_of = key_of
        self._app = Celery("showdown", broker=broker_url, set_as_current=False)
        self._app.conf.update(
            task_serializer="json",
            accept_content=["json"],
            task_ignore_result=True,
            result_backend=None,
            event_serializer="json",
            broker_use_ssl=broker_tls(broker_url),
            broker_connection_timeout=BROKER_TIMEOUT_S,
            broker_connection_retry=False,
            broker_transport_options={
                "socket_timeout": BROKER_TIMEOUT_S,
                "socket_connect_timeout": BROKER_TIMEOUT_S,
                "max_retries": 0,
            },
        )

    def send(self, host: str, message: BlockMessage) -> None:
        with self._producer() as producer:
            self._send(producer, RUN_BLOCK_TASK, host, [message.model_dump()])

    def ask_for_matrix(self, host: str, datapaths: Sequence[str] = ()) -> bool:
        with self._producer() as producer:
            # The mark is where the messages are: what loses one loses the other.
            if not producer.channel.client.set(outstanding_key(host), "coordinator", nx=True, ex=TESTS_LIFE_S):
                return False
            try:
                self._send(producer, TEST_TRAITS_TASK, host, [list(datapaths)], TESTS_PRIORITY)
            except Exception:
                producer.channel.client.delete(outstanding_key(host))
                raise
            return True

    def ping(self, host: str) -> None:
        with self._producer() as producer:
            self._send(producer, PING_TASK, host, [])

    def _send(self, producer: Any, task: str, host: str, arguments: list[Any], priority: int = BLOCK_PRIORITY) -> None:
        """Send it with a new id: Celery drops a message whose id it has revoked."""
        key, message = self._key_of(host), Message(task, str(uuid.uuid4()), arguments)
        if key is None:
            raise NoToken(f"{host} has no valid token")
        self._app.send_task(
            task,
            args=arguments,
            queue=Queue(queue_name(host)),
            task_id=message.identity,
            headers=signed_headers(key, message),
            priority=priority,
            producer=producer,
            retry=False,
            ignore_result=True,
        )
        # The newest messages only, and for a limited time: the host may never take any.
        waiting = redis_list(host, priority)
        with producer.channel.client.pipeline() as commands:
            commands.ltrim(waiting, 0, MAX_QUEUED - 1).expire(waiting, QUEUE_LIFE_S).execute()

    @contextmanager
    def _producer(self) -> Iterator[Any]:
        try:
            with self._app.producer_or_acquire() as producer:
                yield producer
        except DispatchError:
            raise
        except Exception as error:  # kombu, redis and socket errors share no base class
            raise DispatchError(f"the broker cannot be reached: {error_text(error)}") from error
