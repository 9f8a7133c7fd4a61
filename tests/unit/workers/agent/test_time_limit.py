"""No server holds a request of the worker beyond its limit, however it answers."""

import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from domain.service.jobs import Heartbeat, Phase
from tests import servers
from tests.unit.workers.agent.test_execution import JOB
from tests.unit.workers.agent.test_reports import settings
from workers.agent.api_client import Coordinator
from workers.agent.time_limit import LimitedTransport, time_limit


@pytest.fixture
def trickling() -> Iterator[str]:
    with servers.trickling(b"HTTP/1.1 204 No Content\r\nX-A: " + b"a" * 10_000) as url:
        yield url


def test_a_server_that_trickles_its_answer_does_not_hold_a_request_beyond_its_limit(trickling: str) -> None:
    begun_s = time.monotonic()
    with httpx.Client(transport=LimitedTransport(), timeout=5, trust_env=False) as client:
        with pytest.raises(httpx.TimeoutException), time_limit(0.3):
            client.get(trickling)
        with pytest.raises(httpx.TimeoutException), time_limit(0.3):
            client.put(trickling, content=b"x" * 50_000)
    assert time.monotonic() - begun_s < 15, "the whole answer takes minutes"


def test_every_request_of_a_worker_has_a_limit(trickling: str, tmp_path: Path) -> None:
    coordinator = Coordinator(settings(tmp_path, trickling), limit_s=0.2)
    begun_s = time.monotonic()
    with pytest.raises(httpx.TimeoutException):
        coordinator.heartbeat(JOB, Heartbeat(lease="l1", phase=Phase.SLICES))
    assert time.monotonic() - begun_s < 15, "the whole answer takes minutes"
    coordinator.close()
