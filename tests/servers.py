"""Real servers as private children, and a small HTTP server that answers as it is told."""

import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from deploy.servers import influxd_config, unused_port

READY_S = 20.0


@contextmanager
def private_influxd(directory: Path) -> Iterator[str]:
    """Debian's influxd with the product's own configuration; yields its URL. Needs no root."""
    port, rpc_port = unused_port(), unused_port()
    config = directory / "influxdb.conf"
    config.write_text(influxd_config(directory, http_port=port, rpc_port=rpc_port))
    url = f"http://127.0.0.1:{port}"
    with (directory / "influxd.log").open("wb") as log:
        process = subprocess.Popen(["influxd", "-config", str(config)], stdout=log, stderr=subprocess.STDOUT)
        try:
            _await_ready(process, url, directory / "influxd.log")
            yield url
        finally:
            process.terminate()
            process.wait(READY_S)


def _await_ready(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(f"{url}/ping", timeout=1).is_success:
                return
        except httpx.HTTPError:
            time.sleep(0.05)
    raise RuntimeError(f"influxd is not ready: {log.read_text()[-2000:]}")


@dataclass(frozen=True)
class Request:
    """What a test server was asked."""

    method: str
    path: str
    query: str
    body: str
    headers: dict[str, str]


@dataclass
class Recorder:
    """A test server's address and what it was asked so far."""

    url: str
    requests: list[Request] = field(default_factory=list)


@contextmanager
def http_server(answer: Callable[[Request], tuple[int, str]]) -> Iterator[Recorder]:
    """A server on loopback that answers every request with ``answer(request)``: status and JSON body."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            split = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
            request = Request(self.command, split.path, split.query, body, dict(self.headers))
            recorder.requests.append(request)
            status, text = answer(request)
            with suppress(ConnectionError):  # the client may have lost its patience
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(text.encode())))
                self.end_headers()
                self.wfile.write(text.encode())

        do_GET = do_POST = _answer

        def log_message(self, *_: object) -> None:
            """Tests are silent."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        recorder = Recorder(f"http://127.0.0.1:{server.server_address[1]}")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield recorder
        finally:
            server.shutdown()
            thread.join()
