"""The server that answers in a lab: nginx in the server's namespace.

It answers clients of the lab's own client address only; whoever else asks gets 421 and a line in ``wrong.log``, so
that a datapath that promises to keep the client's address is held to it by every single request.
"""

import contextlib
import http.client
import os
import socket
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from workers.lab import netns
from workers.lab.addresses import endpoint
from workers.lab.endpoints import ClientEndpoint
from workers.lab.lab import Lab

MAX_BODY_BYTES = 4000  # nginx keeps it in its configuration, whose words have room for 4,096
WORKER_CONNECTIONS = 16_384

_CONFIG = """\
daemon off;
worker_processes {workers};
worker_rlimit_nofile {files};
pid {run_dir}/nginx.pid;
error_log {run_dir}/nginx.log warn;
user nobody nogroup;
events {{ worker_connections {connections}; }}
http {{
    access_log off;
    server_tokens off;
    keepalive_requests 1000000000;
    keepalive_timeout 1h;
    client_body_temp_path {run_dir};
    proxy_temp_path {run_dir};
    fastcgi_temp_path {run_dir};
    uwsgi_temp_path {run_dir};
    scgi_temp_path {run_dir};
    map $remote_addr $wrong {{ default 1; {clients} }}
    log_format wrong "$remote_addr";
    map $connection_requests $opens {{ default 0; 1 1; }}
    log_format opened "$server_addr";
    server {{
{listen}{tls}        default_type text/plain;
        access_log {run_dir}/wrong.log wrong if=$wrong;
{opened}        if ($wrong) {{ return 421 "$remote_addr"; }}
        location = /whoami {{ return 200 "$remote_addr {label}"; }}
        location / {{ return 200 "{body}"; }}
    }}
    server {{
        listen unix:{run_dir}/status.sock;
        location / {{ stub_status; }}
    }}
}}
"""

# A line per connection, with its first request. Only where there is something to tell apart: it costs a little.
_OPENED = "        access_log {run_dir}/opened.log opened buffer=64k flush=10ms if=$opens;\n"


def body_of(size: int) -> bytes:
    """The body of ``size`` bytes that nginx answers with: numbered lines of 64, of which no two are alike."""
    lines = (f"showdown {number or '':.>54}\n" for number in range(-(-size // 64)))
    return "".join(lines).encode("ascii")[:size]


class OriginError(RuntimeError):
    """The origin did not start or does not answer."""


@dataclass
class NginxOrigin:
    """nginx in ``lab``'s server namespace, answering with ``body``; it lives as long as the lab."""

    lab: Lab
    body: bytes
    _own_requests: int = 0
    _opened: Counter[str] = field(default_factory=Counter)
    _opened_bytes: int = 0

    def start(self) -> None:
        """Write the configuration and start nginx. Raises ``OSError``; readiness is seen by the first request."""
        config = self.lab.run_dir / "nginx.conf"
        listen, tls = self.listening()
        config.write_text(
            _CONFIG.format(
                workers=len(os.sched_getaffinity(0)),
                files=WORKER_CONNECTIONS + 256,
                connections=WORKER_CONNECTIONS,
                run_dir=self.lab.run_dir,
                clients=" ".join(f"{address} 0;" for address in expected_sources(self.lab)),
                label=self.lab.label,
                body=self.body.decode("ascii"),
                listen="".join(
                    f"        listen {endpoint(address, self.lab.origin_port)}{listen} backlog=4096 reuseport;\n"
                    for address in self.lab.answering
                ),
                tls=tls,
                opened=_OPENED.format(run_dir=self.lab.run_dir) if self._balanced else "",
            )
        )
        argv = ["nginx", "-p", str(self.lab.run_dir), "-c", str(config)]
        self.lab.spawn("server", argv, task_role="origin")

    def listening(self) -> tuple[str, str]:
        """What its ``listen`` has beside the address, and the lines that follow: nothing, as it speaks plain HTTP."""
        return "", ""

    def greet(self, ends: ClientEndpoint | None = None) -> "Greeting":
        """Ask once as the lab's client, or as one of several, and look at one answer. Raises ``OSError``."""
        address, _, label = ask_in(ends or self.lab.client_endpoint, "/whoami").body.partition(" ")
        return Greeting(address, label, ask_in(ends or self.lab.client_endpoint, "/").total_bytes)

    def requests(self) -> int:
        """Requests answered since it started, less our own questions. Raises :class:`OriginError`."""
        status = _get_over_unix(self.lab.run_dir / "status.sock")
        self._own_requests += 1  # only now: a question that did not reach nginx is not counted
        # "server accepts handled requests\n 131 131 220696 \n": the third number, this question included.
        try:
            numbers = status.splitlines()[2].split()
            return int(numbers[2]) - self._own_requests
        except (IndexError, ValueError) as error:
            raise OriginError(f"nginx gave a strange status: {status[:200]!r}") from error

    def connections(self) -> dict[str, int]:
        """The connections that asked something, by the address that they asked: of a lab that balances, else none."""
        if self._balanced:
            with contextlib.suppress(FileNotFoundError), (self.lab.run_dir / "opened.log").open("rb") as log:
                log.seek(self._opened_bytes)
                *lines, rest = log.read().split(b"\n")  # nginx may have written half of the last line
                self._opened_bytes = log.tell() - len(rest)
                self._opened.update(line.decode(errors="replace") for line in lines)
        return dict(self._opened)

    @property
    def _balanced(self) -> bool:
        return len(self.lab.answering) > 1

    def wrong_clients(self) -> list[str]:
        """The client addresses seen that are not the lab's client; one entry per request, at most 1,000."""
        try:
            with (self.lab.run_dir / "wrong.log").open() as log:
                return [line.strip() for line, _ in zip(log, range(1000), strict=False)]
        except FileNotFoundError:
            return []


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("origin", timeout=2)
        self._path = str(path)

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(2)
        self.sock.connect(self._path)


def _get_over_unix(path: Path) -> str:
    connection = _UnixConnection(path)
    try:
        connection.request("GET", "/")
        return connection.getresponse().read(4096).decode("ascii", "replace")
    except (OSError, http.client.HTTPException) as error:
        raise OriginError(f"nginx does not tell its status: {error}") from error
    finally:
        connection.close()


@dataclass(frozen=True)
class Greeting:
    """What asking once through the datapath showed: whom the origin saw, which lab's it is, one answer's length."""

    client_address: str
    label: str
    answer_bytes: int


@dataclass(frozen=True)
class Answer:
    """One whole answer of the origin, as a client in the lab saw it."""

    status: int
    body: str
    total_bytes: int


def expected_sources(lab: Lab) -> list[str]:
    """The addresses of clients that a lab's origin must see, and no others."""
    return list(dict.fromkeys(ends.expected_source for ends in lab.client_endpoints))


def ask_in(ends: ClientEndpoint, path: str) -> Answer:
    """Ask the lab's origin once, as its client. Raises ``OSError``."""
    return netns.call_in(ends.netns, lambda: ask(ends.address, ends.port, path))


def ask(address: str, port: int, path: str, timeout_s: float = 1.0) -> Answer:
    """Ask once over a connection of its own, from the calling thread's namespace. Raises ``OSError``.

    ``total_bytes`` includes the header, as generators count. The request keeps the connection open, like the
    generator's, so that the answers' headers are alike.
    """
    with socket.create_connection((address, port), timeout=timeout_s) as connection:
        return ask_over(connection, endpoint(address, port), path)


def ask_over(connection: socket.socket, host: str, path: str) -> Answer:
    """Ask once over a standing connection. Raises ``OSError``."""
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode("ascii"))
    data = b""
    while (end := data.find(b"\r\n\r\n")) < 0 or len(data) < end + 4 + _content_length(data[:end]):
        chunk = connection.recv(65536)
        if not chunk:
            raise ConnectionError(f"the answer was cut off after {len(data)} bytes")
        data += chunk
    head, _, body = data.partition(b"\r\n\r\n")
    try:
        status = int(head.split(b" ", 2)[1])
    except (IndexError, ValueError) as error:
        raise ConnectionError(f"not an HTTP answer: {head[:80]!r}") from error
    return Answer(status=status, body=body.decode("utf-8", "replace"), total_bytes=len(data))


def _content_length(head: bytes) -> int:
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-length":
            return int(value)
    return 0
