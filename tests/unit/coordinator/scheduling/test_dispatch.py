"""The Celery producer with a real Redis on a unix socket, and without one."""

import base64
import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from coordinator.scheduling.dispatch import MESSAGE_EXPIRES_S, CeleryDispatcher, DispatchError
from domain.jobs import RUN_BLOCK_TASK, BlockMessage
from domain.traits import TEST_TRAITS_TASK
from tests.unit.coordinator.recording_dispatcher import RecordingDispatcher

MESSAGE = BlockMessage(block_id="k3f9x2ab-0", attempt=2)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[redis.Redis]:
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("needs redis-server")
    socket = tmp_path / "redis.sock"
    command = [program, "--port", "0", "--unixsocket", str(socket), "--save", "", "--appendonly", "no"]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, cwd=tmp_path)
    client = redis.Redis(unix_socket_path=str(socket))
    try:
        for _ in range(100):
            if socket.exists():
                break
            time.sleep(0.05)
        yield client
    finally:
        client.close()
        server.terminate()
        server.wait(10)


def dispatcher_of(broker: redis.Redis) -> CeleryDispatcher:
    return CeleryDispatcher(f"redis+socket://{broker.connection_pool.connection_kwargs['path']}")


def test_a_host_is_asked_for_its_matrix_on_the_queue_of_its_blocks(broker: redis.Redis) -> None:
    dispatcher_of(broker).ask_for_matrix("h1", ("direct",))
    message = json.loads(broker.lindex("host.h1", 0))
    assert message["headers"]["task"] == TEST_TRAITS_TASK
    assert json.loads(base64.b64decode(message["body"]))[0] == [["direct"]]


def test_a_message_is_json_on_its_hosts_queue(broker: redis.Redis) -> None:
    dispatcher_of(broker).send("h1", MESSAGE)
    (raw,) = broker.lrange("host.h1", 0, -1)
    message = json.loads(raw)
    assert message["content-type"] == "application/json"
    assert message["headers"]["task"] == RUN_BLOCK_TASK
    assert message["headers"]["id"] == "k3f9x2ab-0.2"
    assert message["properties"]["expiration"] == str(int(MESSAGE_EXPIRES_S * 1000))
    args, kwargs, _ = json.loads(base64.b64decode(message["body"]))
    assert args == [{"block_id": "k3f9x2ab-0", "attempt": 2}]
    assert kwargs == {}


def test_a_cancel_reaches_all_workers_as_sigterm(broker: redis.Redis) -> None:
    with broker.pubsub() as listener:
        listener.psubscribe("*pidbox*")
        assert listener.get_message(timeout=2)["type"] == "psubscribe"
        dispatcher_of(broker).revoke(MESSAGE)
        event = listener.get_message(timeout=2)
    body = json.loads(base64.b64decode(json.loads(event["data"])["body"]))
    assert body["method"] == "revoke"
    assert body["arguments"] == {"task_id": "k3f9x2ab-0.2", "terminate": True, "signal": "SIGTERM"}


@pytest.mark.parametrize("url", ["redis+socket:///nonexistent/redis.sock", "redis://127.0.0.1:1/0"])
def test_without_a_broker_it_says_so_soon(url: str) -> None:
    dispatcher = CeleryDispatcher(url)
    begin = time.monotonic()
    with pytest.raises(DispatchError, match="cannot be reached"):
        dispatcher.send("h1", MESSAGE)
    with pytest.raises(DispatchError, match="cannot be reached"):
        dispatcher.revoke(MESSAGE)
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
    fake.revoke(MESSAGE)
    assert (fake.sent, fake.revoked) == ([("h1", MESSAGE)], [MESSAGE])
    fake.down = True
    with pytest.raises(DispatchError):
        fake.send("h1", MESSAGE)
    with pytest.raises(DispatchError):
        fake.revoke(MESSAGE)
    assert len(fake.sent) == 1
