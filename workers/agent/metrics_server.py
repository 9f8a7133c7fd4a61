"""Serves a worker's metrics: on loopback, another address, or a unix socket. It holds up nothing that measures.

A scrape has a thread for at most :data:`LIMIT_S`, and at most :data:`MOST` have one at a time.
"""

import logging
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from http.server import HTTPServer
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import Any

from prometheus_client import CollectorRegistry, MetricsHandler
from prometheus_client.registry import Collector

from workers.agent.config import Address

log = logging.getLogger(__name__)

LIMIT_S = 10.0
MOST = 4


class _Handler(MetricsHandler):
    timeout = LIMIT_S

    def do_GET(self) -> None:
        """Metrics under their path only."""
        if self.path.partition("?")[0] != "/metrics":
            self.send_error(404, "metrics are at /metrics")
            return
        super().do_GET()

    def address_string(self) -> str:
        """A peer on a unix socket has none."""
        return str(self.client_address)


class _Server(ThreadingMixIn, HTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, address: Address, handler: type[_Handler]) -> None:
        self._slots = threading.BoundedSemaphore(MOST)
        if isinstance(address, Path):
            self.address_family = socket.AF_UNIX
        elif ":" in address[0]:
            self.address_family = socket.AF_INET6
        super().__init__(str(address) if isinstance(address, Path) else address, handler)  # type: ignore[arg-type]

    def server_bind(self) -> None:
        """Bind without a look-up of this machine's name, which HTTPServer does."""
        if self.address_family != socket.AF_UNIX:
            super(HTTPServer, self).server_bind()
            return
        path = Path(str(self.server_address))
        if path.is_socket():  # of a former worker; anything else is not ours to remove
            path.unlink()
        self.socket.bind(str(path))
        path.chmod(0o660)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Refuse what exceeds the slots."""
        if not self._slots.acquire(blocking=False):
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """End it after a time, however slowly its client sends."""
        end = threading.Timer(LIMIT_S, _shut, [request])
        end.daemon = True
        end.start()
        try:
            super().process_request_thread(request, client_address)
        finally:
            end.cancel()
            self._slots.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no error of this worker."""
        log.debug("a scrape ended early", exc_info=True)


def serve(address: Address, collector: Collector) -> Callable[[], None]:
    """Serve in a thread; returns what ends it. Raises ``OSError`` if the address cannot be used."""
    registry = CollectorRegistry()
    registry.register(collector)
    handler = type("Handler", (_Handler,), {"registry": registry})
    server = _Server(address, handler)
    threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()

    def end() -> None:
        server.shutdown()
        server.server_close()

    return end


def _shut(request: socket.socket) -> None:
    with suppress(OSError):
        request.shutdown(socket.SHUT_RDWR)
