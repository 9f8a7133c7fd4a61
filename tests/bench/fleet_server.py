"""The coordinator of the simulated hosts: gunicorn and the ticker as in production, with datagrams in place of Redis.

``python -m tests.bench.fleet_server`` is the ticker.
"""

import json
import os
import signal
import socket
import threading
import time
from collections.abc import Sequence

from apiflask import APIFlask

from coordinator import ticker
from coordinator.app import create_app
from coordinator.config import load_settings
from coordinator.scheduling.dispatch import DispatchError
from coordinator.store.rows.database import Store
from domain.service.jobs import BlockMessage

SOCKET = "SHOWDOWN_BENCH_SOCKET"
WAIT_S = 2.0  # as long as the real dispatcher waits for the broker


class DatagramDispatcher:
    """Sends each message as a datagram: ``[host, block id, attempt]``, or ``[host]`` for a ping."""

    def __init__(self, path: str) -> None:
        self._path, self._local = path, threading.local()

    def send(self, host: str, message: BlockMessage) -> None:
        self._send([host, message.block_id, message.attempt])

    def ask_for_matrix(self, host: str, datapaths: Sequence[str] = ()) -> bool:
        return False

    def ping(self, host: str) -> None:
        self._send([host])

    def _send(self, message: list[str | int]) -> None:
        if not hasattr(self._local, "socket"):
            self._local.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            self._local.socket.settimeout(WAIT_S)
        try:
            self._local.socket.sendto(json.dumps(message, allow_nan=False).encode(), self._path)
        except OSError as error:
            raise DispatchError(f"the hosts take no messages: {error}") from error


def serve_app() -> APIFlask:
    """What gunicorn serves."""
    return create_app(load_settings(), dispatcher=DatagramDispatcher(os.environ[SOCKET]))


def main() -> None:
    """The ticker, until SIGTERM."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    store = Store(load_settings().database_url)
    ticker.run(store, DatagramDispatcher(os.environ[SOCKET]), time.time, stop)
    store.close()


if __name__ == "__main__":
    main()
