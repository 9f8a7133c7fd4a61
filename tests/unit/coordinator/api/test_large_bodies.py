"""Large bodies of workers are read one at a time, so that several take no more memory than one."""

import json
import threading
from typing import Any

import pytest

from coordinator.api import wire
from tests.unit.coordinator.coordinator_app import CoordinatorApp, capabilities


@pytest.mark.parametrize(("size_bytes", "at_once"), [(wire.LARGE_BYTES, 1), (1000, 2)])
def test_large_bodies_are_read_one_at_a_time(
    coordinator_app: CoordinatorApp, monkeypatch: pytest.MonkeyPatch, size_bytes: int, at_once: int
) -> None:
    """The first body waits in its decoder until the second is there too, or is known to wait for it."""
    inside, most, both, decode = 0, 0, threading.Event(), wire.decode
    headers = [coordinator_app.worker_of(host) for host in ("h1", "h2")]

    def decoded(*arguments: Any, **named: Any) -> Any:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        if inside == 2:
            both.set()
        both.wait(0.3 if at_once == 1 else 10)
        inside -= 1
        return decode(*arguments, **named)

    monkeypatch.setattr(wire, "decode", decoded)
    text = json.dumps(capabilities("h1").model_dump(mode="json"))
    body = text + " " * max(0, size_bytes - len(text))

    def send(own: dict[str, str]) -> None:
        client = coordinator_app.app.test_client()
        client.put("/api/v1/worker/hosts/h1", data=body, headers=own, content_type="application/json")

    threads = [threading.Thread(target=send, args=[own]) for own in headers]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert most == at_once
