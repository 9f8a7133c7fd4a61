"""The write API of InfluxDB 2 in front of Debian's InfluxDB 1.6, by HAProxy as a private child.

HAProxy rewrites ``/api/v2/write?bucket=B&precision=P`` to ``/write?db=B&precision=P``, as InfluxDB 1.8 does itself. It
denies requests without the token. It also denies the old ``/write``, so that all points must use the new path.
"""

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from deploy.stack.servers import unused_port

READY_S = 60.0
TOKEN = "t0ken-of-the-front"

_CONFIG = """\
global
    log stdout format raw local0

defaults
    mode http
    log global
    log-format "%HM %HU %ST"
    retries 0
    timeout connect 2s
    timeout client 10s
    timeout server 10s

frontend influxdb2
    bind 127.0.0.1:{port}
    http-request return status 204 hdr X-Influxdb-Version 2.7.1 if {{ path /ping }}
    http-request deny deny_status 401 unless {{ req.hdr(Authorization) -m str "Token {token}" }}
    http-request deny deny_status 405 if {{ path /write }}
    http-request deny deny_status 400 if {{ path /api/v2/write }} !{{ url_param(org) -m found }}
    http-request set-uri /write?db=%[url_param(bucket)]&precision=%[url_param(precision)] if {{ path /api/v2/write }}
    default_backend influxdb1

backend influxdb1
    server influxd {address}
"""


@dataclass(frozen=True)
class Front:
    """The URL it listens on, and its log of requests."""

    url: str
    log: Path

    def requests(self) -> list[tuple[str, str, int]]:
        """Every request so far except pings: method, path before rewriting, status."""
        found = []
        for line in self.log.read_text().splitlines():
            method, uri, status = line.split(" ")
            if uri != "/ping":
                found.append((method, urlsplit(uri).path, int(status)))
        return found

    def last_request(self, path: str) -> tuple[str, str, int]:
        """The last request, once it has this path or much time has passed: HAProxy writes its log after the answer."""
        deadline = time.monotonic() + READY_S
        while not (found := self.requests()) or found[-1][1] != path:
            if time.monotonic() > deadline:
                break
            time.sleep(0.02)
        return found[-1]


@contextmanager
def influx_2_front(directory: Path, influx_1_url: str) -> Iterator[Front]:
    """Run HAProxy in front of the InfluxDB at ``influx_1_url``. Needs no root."""
    port, config, log = unused_port(), directory / "front.cfg", directory / "front.log"
    config.write_text(_CONFIG.format(port=port, token=TOKEN, address=urlsplit(influx_1_url).netloc))
    with log.open("wb") as output, (directory / "front.err").open("wb") as errors:
        process = subprocess.Popen(["haproxy", "-db", "-f", str(config)], stdout=output, stderr=errors)
    try:
        front = Front(f"http://127.0.0.1:{port}", log)
        _await_ready(process, front, directory / "front.err")
        yield front
    finally:
        process.terminate()
        process.wait(READY_S)


def _await_ready(process: subprocess.Popen[bytes], front: Front, errors: Path) -> None:
    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(f"{front.url}/ping", timeout=1, trust_env=False).is_success:
                return
        except httpx.HTTPError:
            time.sleep(0.02)
    raise RuntimeError(f"haproxy is not ready: {errors.read_text()[-2000:]}")
