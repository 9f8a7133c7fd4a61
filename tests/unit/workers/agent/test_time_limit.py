"""No server holds a request of the worker beyond its limit, however it answers."""

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from domain.jobs import Heartbeat, Phase
from tests.unit.workers.agent.test_execution import JOB
from tests.unit.workers.agent.test_reports import settings
from workers.agent.api_client import Coordinator
from workers.agent.time_limit import LimitedTransport, time_limit


@pytest.fixture
def trickling() -> Iterator[str]:
    """A server that accepts every request and answers one byte each 50 ms, for ever."""
    server = socket.create_server(("127.0.0.1", 0))
    done = threading.Event()

    def serve() -> None:
        while not done.is_set():
            try:
                connection, _ = server.accept()
            except OSError:
                return
            threading.Thread(target=trickle, args=(connection,), daemon=True).start()

    def trickle(connection: socket.socket) -> None:
        with connection:
            for byte in b"HTTP/1.1 204 No Content\r\nX-A: " + b"a" * 10_000:
                try:
                    connection.sendall(bytes([byte]))
                except OSError:
                    return
                if done.wait(0.05):
                    return

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.getsockname()[1]}"
    done.set()
    server.close()


def test_a_server_that_trickles_its_answer_does_not_hold_a_request_beyond_its_limit(trickling: str) -> None:
    begun_s = time.monotonic()
    with httpx.Client(transport=LimitedTransport(), timeout=5, trust_env=False) as client:
        with pytest.raises(httpx.TimeoutException), time_limit(0.3):
            client.get(trickling)
        with pytest.raises(httpx.TimeoutException), time_limit(0.3):
            client.put(trickling, content=b"x" * 50_000)
    assert time.monotonic() - begun_s < 3


def test_every_request_of_a_worker_has_a_limit(trickling: str, tmp_path: Path) -> None:
    coordinator = Coordinator(settings(tmp_path, trickling), limit_s=0.2)
    begun_s = time.monotonic()
    with pytest.raises(httpx.TimeoutException):
        coordinator.heartbeat(JOB, Heartbeat(lease="l1", phase=Phase.SLICES))
    assert time.monotonic() - begun_s < 3
    coordinator.close()
