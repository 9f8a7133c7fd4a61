"""The Celery producer with a real Redis on a unix socket, and without one."""

import base64
import json
import time

import pytest
import redis

from coordinator.scheduling.dispatch import CeleryDispatcher, DispatchError
from domain.service.jobs import RUN_BLOCK_TASK, BlockMessage
from domain.service.messages import MAX_QUEUED, PING_TASK, Message, message_key, opened, redis_list
from domain.trials.traits import TEST_TRAITS_TASK
from tests.host_noise import in_windows
from tests.redis_server import url_of
from tests.unit.coordinator.recording_dispatcher import RecordingDispatcher

MESSAGE = BlockMessage(block_id="k3f9x2ab-0", attempt=2)


def key_of(host: str) -> bytes:
    return message_key("0123456789abcdef", host)


def dispatcher_of(broker: redis.Redis) -> CeleryDispatcher:
    return CeleryDispatcher(url_of(broker), key_of)


def opened_by(host: str, raw: bytes) -> Message:
    return opened(raw, key_of(host))


def test_a_host_is_asked_for_its_matrix_behind_all_blocks_and_once(broker: redis.Redis) -> None:
    dispatcher = dispatcher_of(broker)
    assert dispatcher.ask_for_matrix("h1", ("direct",))
    for _ in range(50):
        assert not dispatcher.ask_for_matrix("h1")
    (raw,) = broker.lrange(redis_list("h1", 9), 0, -1)
    message = opened_by("h1", raw)
    assert (message.task, message.arguments) == (TEST_TRAITS_TASK, [["direct"]])
    assert dispatcher.ask_for_matrix("h2"), "another host has its own"


def test_a_message_is_authentic_json_on_its_hosts_queue_and_never_expires(broker: redis.Redis) -> None:
    dispatcher_of(broker).send("h1", MESSAGE)
    (raw,) = broker.lrange("host.h1", 0, -1)
    message = json.loads(raw)
    assert message["content-type"] == "application/json"
    assert message["headers"]["task"] == RUN_BLOCK_TASK
    assert message["headers"]["expires"] is None
    assert "expiration" not in message["properties"]
    args, kwargs, _ = json.loads(base64.b64decode(message["body"]))
    assert args == [{"block_id": "k3f9x2ab-0", "attempt": 2}]
    assert kwargs == {}
    assert opened_by("h1", raw).arguments == args


def test_each_copy_of_a_message_has_its_own_id(broker: redis.Redis) -> None:
    # Celery drops a message whose id it has revoked, and it revokes the ids of expired messages.
    dispatcher = dispatcher_of(broker)
    for _ in range(3):
        dispatcher.send("h1", MESSAGE)
    assert len({opened_by("h1", raw).identity for raw in broker.lrange("host.h1", 0, -1)}) == 3


def test_the_queue_of_a_host_that_takes_nothing_is_bounded_and_ends(broker: redis.Redis) -> None:
    dispatcher = dispatcher_of(broker)
    for number in range(1, MAX_QUEUED + 11):
        dispatcher.send("h1", BlockMessage(block_id="k3f9x2ab-0", attempt=number))
    waiting = [opened_by("h1", raw).arguments[0]["attempt"] for raw in broker.lrange("host.h1", 0, -1)]
    assert waiting == list(range(MAX_QUEUED + 10, 10, -1)), "the newest are kept"
    assert 0 < broker.ttl("host.h1") <= 600


def test_a_ping_is_a_message_as_any_other(broker: redis.Redis) -> None:
    dispatcher_of(broker).ping("h1")
    assert opened_by("h1", broker.lindex("host.h1", 0)).task == PING_TASK


def test_a_host_without_a_key_gets_no_message(broker: redis.Redis) -> None:
    url = url_of(broker)
    dispatcher = CeleryDispatcher(url, lambda _: None)
    with pytest.raises(DispatchError, match="h1 has no valid token"):
        dispatcher.send("h1", MESSAGE)
    with pytest.raises(DispatchError, match="h1 has no valid token"):
        dispatcher.ask_for_matrix("h1")
    assert broker.dbsize() == 0


@pytest.mark.parametrize("url", ["redis+socket:///nonexistent/redis.sock", "redis://127.0.0.1:1/0"])
@in_windows
def test_without_a_broker_it_says_so_soon(url: str) -> None:
    dispatcher = CeleryDispatcher(url, key_of)
    begin = time.monotonic()
    with pytest.raises(DispatchError, match="cannot be reached"):
        dispatcher.send("h1", MESSAGE)
    with pytest.raises(DispatchError, match="cannot be reached"):
        dispatcher.ping("h1")
    with pytest.raises(DispatchError, match="cannot be reached"):
        dispatcher.ask_for_matrix("h1")
    assert time.monotonic() - begin < 5


def test_it_recovers_when_the_broker_is_back(broker: redis.Redis) -> None:
    dispatcher = dispatcher_of(broker)
    dispatcher.send("h1", MESSAGE)
    broker.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    for _ in range(3):  # the first may use the dead connection; the ticker would try again
        try:
            dispatcher.send("h1", MESSAGE)
            break
        except DispatchError:
            continue
    assert broker.llen("host.h1") >= 2


def test_the_fake_behaves_like_the_real_one() -> None:
    fake = RecordingDispatcher()
    fake.send("h1", MESSAGE)
    fake.ping("h1")
    assert (fake.sent, fake.pinged) == ([("h1", MESSAGE)], ["h1"])
    assert [fake.ask_for_matrix("h1"), fake.ask_for_matrix("h1"), fake.ask_for_matrix("h2")] == [True, False, True]
    fake.down = True
    with pytest.raises(DispatchError):
        fake.send("h1", MESSAGE)
    with pytest.raises(DispatchError):
        fake.ping("h1")
    assert len(fake.sent) == 1
