"""Real servers as private children, and a small HTTP server whose answers the test chooses."""

import os
import signal
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from deploy.stack.servers import influxd_config, unused_port

READY_S = 60.0


class Influxd:
    """Debian's influxd with the product's configuration; a test may kill it and start it again on the same data."""

    def __init__(self, directory: Path, *, index: str = "") -> None:
        self._directory = directory
        port = unused_port()
        self._config = directory / "influxdb.conf"
        self._config.write_text(influxd_config(directory, http_port=port, rpc_port=unused_port(), index=index))
        self.url = f"http://127.0.0.1:{port}"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start influxd and wait until it answers."""
        log = self._directory / "influxd.log"
        with log.open("ab") as output:
            argv = ["influxd", "-config", str(self._config)]
            self.process = subprocess.Popen(argv, stdout=output, stderr=subprocess.STDOUT)
        _await_ready(self.process, self.url, log)

    def stop(self, signal_number: int = signal.SIGTERM) -> None:
        """End influxd by a signal, if it runs."""
        if self.process is not None:
            self.process.send_signal(signal_number)
            self.process.wait(READY_S)
            self.process = None


@contextmanager
def serving(handle: Callable[[socket.socket], None]) -> Iterator[int]:
    """A server with a thread for each connection, which ``handle`` closes. Yields its port of 127.0.0.1."""

    def serve() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            threading.Thread(target=handle, args=(connection,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
    thread.join(5)


@contextmanager
def trickling(answer: bytes) -> Iterator[str]:
    """A server that answers a byte each 50 ms: quicker than any limit on a read, and for ever. Yields its URL."""
    done = threading.Event()

    def trickle(connection: socket.socket) -> None:
        with connection, suppress(OSError):  # the client has closed the connection
            connection.recv(65536)
            for byte in answer:
                connection.sendall(bytes([byte]))
                if done.wait(0.05):
                    return

    with serving(trickle) as port:
        yield f"http://127.0.0.1:{port}"
        done.set()


@contextmanager
def answering(answer: bytes) -> Iterator[str]:
    """A server that answers each connection with these bytes, and closes it. Yields its URL."""

    def serve() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            with connection, suppress(OSError):  # the client has closed the connection
                connection.settimeout(5)
                connection.recv(65536)
                connection.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)
    thread.join(5)


def own_environment() -> dict[str, str]:
    """This process's environment without settings of ours: everything is private."""
    return {name: value for name, value in os.environ.items() if not name.startswith("SHOWDOWN_")}


@contextmanager
def private_influxd(directory: Path) -> Iterator[str]:
    """Run Debian's influxd; yields its URL. Needs no root."""
    server = Influxd(directory)
    try:
        server.start()
        yield server.url
    finally:
        server.stop()


def _await_ready(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(f"{url}/ping", timeout=1, trust_env=False).is_success:
                return
        except httpx.HTTPError:
            time.sleep(0.05)
    raise RuntimeError(f"influxd is not ready: {log.read_text()[-2000:]}")


@dataclass(frozen=True)
class Request:
    """A request to a test server."""

    method: str
    path: str
    query: str
    body: str
    headers: dict[str, str]


@dataclass
class Recorder:
    """A test server's URL, and its requests so far."""

    url: str
    requests: list[Request] = field(default_factory=list)


Answer = Callable[[Request], tuple[int, str]]
"""Returns the status and the JSON body of the answer to a request."""


Headers = Callable[[Request], Mapping[str, str]]
"""Returns the headers of the answer to a request."""


def influxdb(_: Request) -> Mapping[str, str]:
    """What every answer of an InfluxDB has."""
    return {"X-Influxdb-Version": "1.6.7"}


def stranger(_: Request) -> Mapping[str, str]:
    """The headers of a server that is no InfluxDB."""
    return {}


@contextmanager
def http_server(answer: Answer, *, retry_after: str = "", headers: Headers = influxdb) -> Iterator[Recorder]:
    """A server on loopback that answers every request with ``answer(request)``: status and JSON body.

    A status of 0 resets the connection. ``retry_after`` is a header of answers with status 429 and 503, ``headers`` are
    those of every answer.
    """
    recorder = Recorder("")
    handler = _handler_of(answer, recorder.requests, retry_after, headers)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        recorder.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield recorder
        finally:
            server.shutdown()
            thread.join()


def _handler_of(
    answer: Answer, requests: list[Request], retry_after: str, headers: Headers
) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            split = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
            request = Request(self.command, split.path, split.query, body, dict(self.headers))
            requests.append(request)
            status, text = answer(request)
            if not status:
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.connection.close()
                self.close_connection = True
                return
            with suppress(ConnectionError):  # the client may have closed the connection
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                for name, value in headers(request).items():
                    self.send_header(name, value)
                if retry_after and status in (429, 503):
                    self.send_header("Retry-After", retry_after)
                self.send_header("Content-Length", str(len(text.encode())))
                self.end_headers()
                self.wfile.write(text.encode())

        do_GET = do_POST = _answer

        def log_message(self, *_: object) -> None:
            """Log nothing: tests are silent."""

    return Handler
