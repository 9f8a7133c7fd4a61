"""The only Celery producer: after the commit, it sends a block's message to its host's queue by task name.

The database is authoritative. The ticker sends a lost message again, and a duplicate's claim is refused.
"""

from collections.abc import Sequence
from typing import Any, Protocol

from celery import Celery

from domain.jobs import RUN_BLOCK_TASK, BlockMessage, queue_name
from domain.traits import TEST_TRAITS_TASK

MESSAGE_EXPIRES_S = 120.0  # the ticker sends an unclaimed message again before then; hosts' clocks may differ a little
ASKED_EXPIRES_S = 3600.0  # a requested matrix may wait for the end of a campaign
BROKER_TIMEOUT_S = 2.0  # longest delay of an HTTP request by an unreachable broker


class DispatchError(RuntimeError):
    """The broker cannot be reached; the ticker tries again."""


def task_id(message: BlockMessage) -> str:
    """The same id for every copy of a message, so that a cancel reaches the copy that runs."""
    return f"{message.block_id}.{message.attempt}"


class Dispatcher(Protocol):
    """Sends messages to worker hosts. Every method raises :class:`DispatchError` on failure."""

    def send(self, host: str, message: BlockMessage) -> None:
        """Ask ``host`` to claim and run an attempt."""

    def ask_for_matrix(self, host: str, datapaths: Sequence[str] = ()) -> None:
        """Ask ``host`` to test the traits of those datapaths (or all) after its present work."""

    def revoke(self, message: BlockMessage) -> None:
        """End an attempt that ignored its cancel flag: SIGTERM to the process that runs it."""


class CeleryDispatcher:
    """The real dispatcher: JSON only, no result backend, short timeouts."""

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
