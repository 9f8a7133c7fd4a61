"""Messages through Redis: who may send one, how large it may be, and what a worker accepts. Pure.

A message is what Celery writes: an envelope in JSON whose body is ``[arguments, …]`` in base64. Its header
``signature`` authenticates task, id and arguments for one host. A worker reads nothing else of the envelope, so that no
other header (a time limit, an expiry, a compression, a callback) has an effect.
"""

import base64
import binascii
import hmac
import json
import re
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from domain.service.jobs import RUN_BLOCK_TASK, queue_name
from domain.trials.traits import TEST_TRAITS_TASK

PING_TASK = "showdown.ping"
"""The coordinator's question whether a host reads its queue. The answer comes over HTTP, in its vitals."""

TASKS = frozenset({RUN_BLOCK_TASK, TEST_TRAITS_TASK, PING_TASK})
MAX_MESSAGE_BYTES = 16_384
MAX_QUEUED = 32  # messages of one host and priority; the oldest are dropped, and the ticker sends blocks again
QUEUE_LIFE_S = 600  # after the last message; a host that is gone leaves no queue
BLOCK_PRIORITY, TESTS_PRIORITY = 0, 9  # kombu's Redis transport: the smaller number comes first
TESTS_LIFE_S = 1800  # a request for tests that was lost counts as outstanding no longer than that

_SIGNATURE = "signature"
_SEPARATOR = "\x06\x16"
_ID = re.compile(r"[0-9a-f-]{36}")
_PURPOSE = "showdown messages to"


class Drop(StrEnum):
    """Why a worker dropped a message."""

    TOO_LARGE = "too_large"
    MALFORMED = "malformed"
    NOT_AUTHENTIC = "not_authentic"
    REPEATED = "repeated"


class Unacceptable(ValueError):
    """A message that no worker acts on."""

    def __init__(self, why: Drop) -> None:
        super().__init__(why.value)
        self.why = why


@dataclass(frozen=True)
class Message:
    """An authentic message."""

    task: str
    identity: str
    arguments: Sequence[Any]


def message_key(secret: str, host: str) -> bytes:
    """The key that authenticates messages to ``host``; ``secret`` is known to the coordinator and that host."""
    return hmac.digest(secret.encode(), f"{_PURPOSE} {host}".encode(), "sha256")


def outstanding_key(host: str) -> str:
    """The Redis key that exists while a request for trait tests of ``host`` is outstanding."""
    return f"tests.{host}"


def redis_list(host: str, priority: int) -> str:
    """The Redis key of a host's messages of one priority, as kombu names it."""
    return f"{queue_name(host)}{_SEPARATOR}{priority}" if priority else queue_name(host)


def broker_tls(broker_url: str) -> dict[str, Any] | None:
    """kombu's settings for a broker over TLS, ``None`` without it. Without them, kombu accepts any certificate."""
    return {"ssl_cert_reqs": ssl.CERT_REQUIRED} if broker_url.startswith("rediss:") else None


def signed_headers(key: bytes, message: Message) -> dict[str, str]:
    """The headers that a sender adds to the message."""
    return {_SIGNATURE: _signature(key, message)}


def opened(raw: bytes, key: bytes) -> Message:
    """The message in ``raw``, which anyone may have written. Raises :class:`Unacceptable`."""
    if len(raw) > MAX_MESSAGE_BYTES:
        raise Unacceptable(Drop.TOO_LARGE)
    envelope = _decoded(raw)
    headers, body = (envelope.get("headers"), envelope.get("body")) if isinstance(envelope, dict) else (None, None)
    if not isinstance(headers, dict) or not isinstance(body, str):
        raise Unacceptable(Drop.MALFORMED)
    task, identity, signature = (headers.get(name) for name in ("task", "id", _SIGNATURE))
    if not isinstance(task, str) or not isinstance(identity, str) or not _ID.fullmatch(identity):
        raise Unacceptable(Drop.MALFORMED)
    message = Message(task, identity, _arguments(body))
    try:
        expected = _signature(key, message)
    except (ValueError, RecursionError):  # NaN, 1e999, or almost too deep to be read: no sender signs that
        raise Unacceptable(Drop.MALFORMED) from None
    # compare_digest refuses text that is not ASCII.
    if not isinstance(signature, str) or not hmac.compare_digest(signature.encode(errors="replace"), expected.encode()):
        raise Unacceptable(Drop.NOT_AUTHENTIC)
    if task not in TASKS:
        raise Unacceptable(Drop.MALFORMED)
    return message


def envelope_of(message: Message, queue: str) -> bytes:
    """The message in the form that Celery's consumer expects, made anew: nothing of the sender's envelope is left."""
    options = dict.fromkeys(("callbacks", "errbacks", "chain", "chord"))
    body = json.dumps([list(message.arguments), {}, options], allow_nan=False)
    return json.dumps(
        {
            "body": base64.b64encode(body.encode()).decode(),
            "content-encoding": "utf-8",
            "content-type": "application/json",
            "headers": {
                "lang": "py",
                "task": message.task,
                "id": message.identity,
                "root_id": message.identity,
                "parent_id": None,
                "group": None,
                "ignore_result": True,
            },
            "properties": {
                "body_encoding": "base64",
                "correlation_id": message.identity,
                "delivery_info": {"exchange": "", "routing_key": queue},
                "delivery_mode": 2,
                "delivery_tag": message.identity,
                "priority": 0,
            },
        },
        allow_nan=False,
    ).encode()


def _signature(key: bytes, message: Message) -> str:
    text = json.dumps([message.task, message.identity, list(message.arguments)], sort_keys=True, allow_nan=False)
    return hmac.new(key, text.encode(), "sha256").hexdigest()


def _arguments(body: str) -> Sequence[Any]:
    try:
        content = _decoded(base64.b64decode(body, validate=True))
    except (binascii.Error, ValueError):
        raise Unacceptable(Drop.MALFORMED) from None
    if not isinstance(content, list) or not content or not isinstance(content[0], list):
        raise Unacceptable(Drop.MALFORMED)
    return content[0]


def _decoded(raw: bytes) -> Any:
    try:
        return json.loads(raw.decode())
    except (ValueError, RecursionError):  # UnicodeDecodeError is a ValueError
        raise Unacceptable(Drop.MALFORMED) from None
