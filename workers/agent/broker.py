"""Celery's transport on a worker: kombu's Redis transport behind an :class:`~workers.agent.inbox.Inbox`.

kombu decodes what it takes from Redis before Celery can look at it; malformed items end the consumer there. So the
inbox judges the raw bytes, and Celery sees envelopes only that the inbox made.
"""

from typing import Any

from kombu.transport import TRANSPORT_ALIASES, redis, virtual

from domain.service.messages import broker_tls
from workers.agent.inbox import Inbox

INBOX = "inbox"
"""The transport option that holds the inbox."""

_SCHEME = "showdown"


def transport_settings(broker_url: str, inbox: Inbox) -> dict[str, Any]:
    """Celery's settings that make it read from ``broker_url`` through the inbox."""
    TRANSPORT_ALIASES[_SCHEME] = f"{__name__}:{Transport.__name__}"
    scheme, separator, rest = broker_url.partition(":")
    _, plus, inner = scheme.partition("+")  # redis+socket
    return {
        "broker_url": f"{_SCHEME}{plus}{inner}{separator}{rest}",
        "broker_use_ssl": broker_tls(broker_url),
        "broker_transport_options": {"socket_timeout": 30, "socket_connect_timeout": 5, INBOX: inbox},
    }


class Channel(redis.Channel):  # type: ignore[misc]
    """Reads through the inbox. Keeps no unacknowledged messages in Redis: none is ever delivered twice."""

    do_restore = False
    inbox: Inbox | None = None
    from_transport_options = (*redis.Channel.from_transport_options, INBOX)

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.QoS = virtual.QoS

    def _queue_bind(self, exchange: str, routing_key: str, pattern: str, queue: str) -> None:
        """Messages name their queue, so no exchange needs a table in Redis."""

    def _restore(self, message: Any, leftmost: bool = False) -> None:
        """Drop it: the coordinator sends what was not claimed again."""

    def _restore_at_beginning(self, message: Any) -> None:
        """The same."""

    def _get_client(self) -> type[Any]:
        inbox, client = self.inbox, super()._get_client()

        class Reader(client):  # type: ignore[misc,valid-type]
            def parse_response(self, connection: Any, command_name: Any, **options: Any) -> Any:
                answer = super().parse_response(connection, command_name, **options)
                if command_name != "BRPOP" or not answer:
                    return answer
                if inbox is None:
                    raise RuntimeError("a queue cannot be read without an inbox")
                queue, item = answer
                accepted = inbox.accepted(item if isinstance(item, bytes) else str(item).encode())
                return None if accepted is None else (queue, accepted)  # None: as if the queue had been empty

        return Reader


class Transport(redis.Transport):  # type: ignore[misc]
    """The transport that :func:`workers.agent.app.create_worker` sets."""

    Channel = Channel
