"""The only Celery producer: sends a block's message to its host's queue, by task name, after the commit.

The database is the truth; a message that is lost is sent again by the ticker, and a duplicate finds its claim refused.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from celery import Celery

from domain.jobs import RUN_BLOCK_TASK, BlockMessage, queue_name
from domain.traits import TEST_TRAITS_TASK

MESSAGE_EXPIRES_S = 120.0  # a message that nobody took by then was sent again; hosts' clocks may differ a little
ASKED_EXPIRES_S = 3600.0  # a matrix that was asked for while a campaign ran may wait for its end
BROKER_TIMEOUT_S = 2.0  # what an HTTP request may lose to a broker that is down


class DispatchError(RuntimeError):
    """The broker could not be reached; the ticker tries again."""


def task_id(message: BlockMessage) -> str:
    """The same for every copy of a message, so that a cancel reaches whichever copy runs."""
    return f"{message.block_id}.{message.attempt}"


class Dispatcher(Protocol):
    """Carries messages to worker hosts. All raise :class:`DispatchError` when they cannot."""

    def send(self, host: str, message: BlockMessage) -> None:
        """Ask ``host`` to claim and run an attempt."""

    def ask_for_matrix(self, host: str, datapaths: Sequence[str] = ()) -> None:
        """Ask ``host`` to test what those datapaths (or all) keep and carry, after whatever it runs now."""

    def revoke(self, message: BlockMessage) -> None:
        """End an attempt that did not heed its cancel flag: SIGTERM to the process that runs it."""


class CeleryDispatcher:
    """The real one. Nothing but JSON, no result backend, short time-outs."""

    def __init__(self, broker_url: str) -> None:
        self._app = Celery("showdown", broker=broker_url, set_as_current=False)
        self._app.conf.update(
            task_serializer="json",
            accept_content=["json"],
            task_ignore_result=True,
            result_backend=None,
            event_serializer="json",
            broker_connection_timeout=BROKER_TIMEOUT_S,
            broker_connection_retry=False,
            broker_transport_options={
                "socket_timeout": BROKER_TIMEOUT_S,
                "socket_connect_timeout": BROKER_TIMEOUT_S,
                "max_retries": 0,
            },
        )

    def send(self, host: str, message: BlockMessage) -> None:
        self._send(RUN_BLOCK_TASK, host, MESSAGE_EXPIRES_S, [message.model_dump()], task_id(message))

    def ask_for_matrix(self, host: str, datapaths: Sequence[str] = ()) -> None:
        self._send(TEST_TRAITS_TASK, host, ASKED_EXPIRES_S, [list(datapaths)])

    def _send(self, task: str, host: str, expires_s: float, arguments: list[Any], identity: str | None = None) -> None:
        try:
            self._app.send_task(
                task,
                args=arguments,
                queue=queue_name(host),
                task_id=identity,
                expires=expires_s,
                retry=False,
                ignore_result=True,
            )
        except Exception as error:  # kombu, redis and socket errors share no base class
            raise DispatchError(f"the broker cannot be reached: {error}") from error

    def revoke(self, message: BlockMessage) -> None:
        try:
            self._app.control.revoke(task_id(message), terminate=True, signal="SIGTERM")
        except Exception as error:  # as above
            raise DispatchError(f"the broker cannot be reached: {error}") from error


@dataclass
class RecordingDispatcher:
    """The fake: remembers what it was asked; ``down`` makes it fail like a broker that is away."""

    down: bool = False
    sent: list[tuple[str, BlockMessage]] = field(default_factory=list)
    revoked: list[BlockMessage] = field(default_factory=list)
    asked: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)

    def send(self, host: str, message: BlockMessage) -> None:
        self._record(self.sent, (host, message))

    def ask_for_matrix(self, host: str, datapaths: Sequence[str] = ()) -> None:
        self._record(self.asked, (host, tuple(datapaths)))

    def revoke(self, message: BlockMessage) -> None:
        self._record(self.revoked, message)

    def _record(self, into: list[Any], what: Any) -> None:
        if self.down:
            raise DispatchError("the broker cannot be reached: told to be down")
        into.append(what)
