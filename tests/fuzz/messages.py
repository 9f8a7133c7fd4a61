"""Hostile messages through Redis and Celery's consumer: every kind with a name, and mutations of an authentic one."""

import base64
import json
import tempfile
import uuid
from pathlib import Path
from random import Random
from typing import Any

from kombu import Consumer, Queue

from domain.hosts.host_tokens import hash_of
from domain.service.jobs import RUN_BLOCK_TASK, queue_name
from domain.service.messages import PING_TASK, Message, message_key, signed_headers
from domain.trials.traits import TEST_TRAITS_TASK
from tests.fuzz.values import changed
from tests.hostile_messages import ARGUMENTS, HOSTILE, body_of, envelope
from tests.redis_server import open_redis, url_of
from workers.agent.app import create_worker
from workers.agent.config import WorkerSettings

HOST, TOKEN = "h1", "0123456789abcdef"
KEY = message_key(hash_of(TOKEN), HOST)


def signed(task: str = RUN_BLOCK_TASK, arguments: Any = ARGUMENTS, key: bytes = KEY) -> dict[str, Any]:
    """An authentic message."""
    message = Message(task, str(uuid.uuid4()), arguments)
    headers = {"task": task, "id": message.identity} | signed_headers(key, message)
    return envelope(headers=headers, arguments=arguments)


def mutants(rng: Random, count: int) -> list[bytes]:
    """Messages that are no longer authentic, though each was made of one that was."""
    found: list[bytes] = []
    while len(found) < count:
        one = signed(rng.choice([RUN_BLOCK_TASK, TEST_TRAITS_TASK, PING_TASK]))
        item = _mutant(one, rng)
        if _what_is_signed(item) != _what_is_signed(json.dumps(one).encode()):
            found.append(item)
    return found


def _mutant(one: dict[str, Any], rng: Random) -> bytes:
    kind = rng.randrange(4)
    if kind == 0:
        raw = bytearray(json.dumps(one).encode())
        raw[rng.randrange(len(raw))] ^= 1 << rng.randrange(8)
        return bytes(raw)
    if kind == 1:
        return json.dumps(one | {"body": body_of(changed([ARGUMENTS, {}, {}], rng))}).encode()
    if kind == 2:
        return json.dumps(one | {"headers": changed(one["headers"], rng)}).encode()
    other = message_key(hash_of(TOKEN), f"h{rng.randrange(2, 9)}")
    return json.dumps(signed(key=other) | {"body": body_of([[changed(ARGUMENTS[0], rng)], {}, {}])}).encode()


def _what_is_signed(item: bytes) -> object:
    """Task, id, signature and arguments, read without the product's code; ``None`` if they cannot be read."""
    try:
        one = json.loads(item)
        headers, arguments = one["headers"], json.loads(base64.b64decode(one["body"], validate=True))[0]
        return headers["task"], headers["id"], headers["signature"], arguments
    except (ValueError, LookupError, TypeError, RecursionError):
        return None


def attacked(seed: int, count: int) -> dict[str, Any]:
    """Queue them all, then one authentic message. ``ran`` is what reached Celery besides that one."""
    hostile = [*HOSTILE.values(), *mutants(Random(f"{seed} messages"), count)]
    last = json.dumps(signed()).encode()
    with tempfile.TemporaryDirectory(prefix="showdown-fuzz-") as directory, open_redis(Path(directory)) as broker:
        environment = {
            "SHOWDOWN_HOST": HOST,
            "SHOWDOWN_STATE_DIR": directory,
            "SHOWDOWN_HOST_TOKEN": TOKEN,
            "SHOWDOWN_BROKER_URL": url_of(broker),
        }
        app = create_worker(WorkerSettings.from_environment(environment))
        for item in (*hostile, last):
            broker.lpush(queue_name(HOST), item)
        reached = _reached(app, json.loads(last)["headers"]["id"])
        left = broker.llen(queue_name(HOST))
    dropped = app.inbox.dropped.total
    return {"kinds": len(HOSTILE), "messages": len(hostile), "dropped": dropped, "ran": len(reached) - 1, "left": left}


def _reached(app: Any, last: str) -> list[str]:
    """The ids of the messages that Celery gets, up to ``last``."""
    found: list[str] = []

    def on_message(message: Any) -> None:
        found.append(str(message.headers.get("id")))
        message.ack()

    queues = [Queue(queue_name(HOST))]
    with (
        app.connection_for_read() as connection,
        connection.channel() as channel,
        Consumer(channel, queues, on_message=on_message),
    ):
        while last not in found:
            connection.drain_events(timeout=20)
    return found
