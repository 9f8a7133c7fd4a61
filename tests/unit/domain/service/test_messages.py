"""Which messages a worker acts on, and what is left of the others."""

import base64
import json
from typing import Any

import pytest

from domain.service.jobs import RUN_BLOCK_TASK
from domain.service.messages import (
    MAX_MESSAGE_BYTES,
    PING_TASK,
    Drop,
    Message,
    Unacceptable,
    envelope_of,
    message_key,
    opened,
    signed_headers,
)
from tests.hostile_messages import ARGUMENTS, FORGED, HOSTILE, ID, RAW, envelope

KEY = message_key("0123456789abcdef", "h1")
MESSAGE = Message(RUN_BLOCK_TASK, ID, ARGUMENTS)


def signed(key: bytes = KEY, message: Message = MESSAGE, **changes: Any) -> bytes:
    headers = {"task": message.task, "id": message.identity} | signed_headers(key, message)
    return json.dumps(envelope(headers=headers, arguments=list(message.arguments), **changes)).encode()


def refusal(raw: bytes, key: bytes = KEY) -> Drop:
    with pytest.raises(Unacceptable) as refused:
        opened(raw, key)
    return refused.value.why


def test_an_authentic_message_is_opened() -> None:
    assert opened(signed(), KEY) == MESSAGE
    ping = Message(PING_TASK, ID, [])
    assert opened(signed(message=ping), KEY) == ping


@pytest.mark.parametrize("kind", HOSTILE)
def test_no_hostile_message_is_opened(kind: str) -> None:
    refusal(HOSTILE[kind])


def test_no_depth_of_nesting_is_an_error() -> None:
    """What is just not too deep to be read may be too deep to be signed."""
    for depth in range(200, 1_500):
        body = base64.b64encode(b"[" * depth + b"]" * depth).decode()
        assert refusal(json.dumps(envelope(headers=FORGED, body=body)).encode()) in (Drop.MALFORMED, Drop.NOT_AUTHENTIC)


def test_there_are_more_kinds_than_the_57_that_were_tried_once() -> None:
    assert len(HOSTILE) >= 57
    assert refusal(RAW["too large"]) is Drop.TOO_LARGE
    assert refusal(HOSTILE["no signature"]) is Drop.NOT_AUTHENTIC
    assert refusal(HOSTILE["not JSON"]) is Drop.MALFORMED


def test_a_message_for_one_host_is_none_for_another() -> None:
    assert refusal(signed(), message_key("0123456789abcdef", "h2")) is Drop.NOT_AUTHENTIC
    assert refusal(signed(), message_key("another secret!!", "h1")) is Drop.NOT_AUTHENTIC


@pytest.mark.parametrize("change", [
    {"task": PING_TASK}, {"id": ID.replace("0", "1")},
], ids=str)  # fmt: skip
def test_what_is_signed_cannot_be_changed(change: dict[str, str]) -> None:
    changed = json.loads(signed())
    changed["headers"] |= change
    assert refusal(json.dumps(changed).encode()) is Drop.NOT_AUTHENTIC


def test_arguments_cannot_be_changed() -> None:
    changed = json.loads(signed()) | {"body": envelope(arguments=[{"block_id": "k3f9x2ab-1", "attempt": 1}])["body"]}
    assert refusal(json.dumps(changed).encode()) is Drop.NOT_AUTHENTIC


def test_a_signed_task_that_is_none_of_ours_is_refused() -> None:
    assert refusal(signed(message=Message("celery.group", ID, []))) is Drop.MALFORMED


def test_nothing_but_task_id_and_arguments_of_an_envelope_is_left() -> None:
    evil = json.loads(signed())
    evil["headers"] |= {"timelimit": ["x", "y"], "expires": "1999-01-01", "compression": "application/x-gzip"}
    evil["properties"] |= {"priority": "x", "reply_to": "somewhere"}
    made = json.loads(envelope_of(opened(json.dumps(evil).encode(), KEY), "host.h1"))
    assert not {"timelimit", "expires", "compression", "eta", "signature"} & set(made["headers"])
    assert "reply_to" not in made["properties"]
    assert json.loads(base64.b64decode(made["body"]))[:2] == [ARGUMENTS, {}]


def test_the_largest_message_that_is_read() -> None:
    def padded(size: int) -> bytes:
        short = len(signed(padding=""))
        return signed(padding="x" * (size - short))

    assert opened(padded(MAX_MESSAGE_BYTES), KEY) == MESSAGE
    assert refusal(padded(MAX_MESSAGE_BYTES + 1)) is Drop.TOO_LARGE
