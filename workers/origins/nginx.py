"""nginx in the server's namespace of a lab: the origin of plain HTTP.

It answers the lab's client address only. A request from any other address gets status 421 and a line in
``wrong.log``. So every single request checks a datapath that promises to keep the client's address. No process of it is
root: it reads foreign bytes.
"""

import contextlib
import http.client
import socket
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from domain.values.texts import error_text
from workers.lab import cpus, limits, unprivileged
from workers.lab.addresses import endpoint
from workers.lab.endpoints import ClientEndpoint
from workers.lab.lab import Lab
from workers.origins.base import Greeting, OriginError, ask_in, expected_sources

WORKER_CONNECTIONS = 16_384
SPARE_FDS = 256  # listeners, logs and channels of a process of nginx
CAPABILITIES = ("net_bind_service",)
"""What nginx keeps of root: ports below 1024."""

PLACE = "nginx"
"""The directory below a lab's run directory that nginx may write to."""

CONFIG = """\
daemon off;
worker_processes {workers};
worker_rlimit_nofile {files};
pid {place}/nginx.pid;
error_log {place}/nginx.log warn;
events {{ worker_connections {connections}; }}
http {{
    access_log off;
    server_tokens off;
    keepalive_requests 1000000000;
    keepalive_timeout 1h;
    client_body_temp_path {place};
    proxy_temp_path {place};
    fastcgi_temp_path {place};
    uwsgi_temp_path {place};
    scgi_temp_path {place};
    map $remote_addr $wrong {{ default 1; {clients} }}
    log_format wrong "$remote_addr";
    map $connection_requests $opens {{ default 0; 1 1; }}
    log_format opened "$server_addr";
    server {{
{listen}{tls}        default_type text/plain;
        access_log {place}/wrong.log wrong if=$wrong;
{opened}        if ($wrong) {{ return 421 "$remote_addr"; }}
        location = /whoami {{ return 200 "$remote_addr {label}"; }}
        location / {{ return 200 "{body}"; }}
    }}
    server {{
        listen unix:{place}/status.sock;
        location / {{ stub_status; }}
    }}
}}
"""

# A line per connection, with its first request. Only labs that balance have it, because logging costs time.
_OPENED = "        access_log {place}/opened.log opened buffer=64k flush=10ms if=$opens;\n"


@dataclass
class NginxOrigin:
    """nginx in ``lab``'s server namespace, which answers with ``body``; it runs until the lab ends."""

    lab: Lab
    body: bytes
    _own_requests: int = 0
    _opened: Counter[str] = field(default_factory=Counter)
    _opened_bytes: int = 0

    def start(self) -> None:
        """Write the configuration and start nginx. Raises ``OSError``. Does not wait until nginx answers."""
        place = unprivileged.directory(self.lab.run_dir, PLACE)
        config = self.lab.run_dir / "nginx.conf"
        listen, tls = self.listening()
        files = limits.open_files(WORKER_CONNECTIONS + SPARE_FDS)  # of each process, which cannot raise it
        config.write_text(
            CONFIG.format(
                workers=len(cpus.placement().server),
                files=files,
                connections=files - SPARE_FDS,
                place=place,
                clients=" ".join(f"{address} 0;" for address in expected_sources(self.lab)),
                label=self.lab.label,
                body=self.body.decode("ascii"),
                listen="".join(
                    f"        listen {endpoint(address, self.lab.origin_port)}{listen} backlog=4096 reuseport;\n"
                    for address in self.lab.answering
                ),
                tls=tls,
                opened=_OPENED.format(place=place) if self._balanced else "",
            )
        )
        config.chmod(0o644)
        # Without -e, it first opens the log of the host's nginx, which is root's.
        argv = ["nginx", "-p", str(place), "-e", str(place / "nginx.log"), "-c", str(config)]
        self.lab.spawn("server", argv, task_role="origin", keeping=CAPABILITIES)

    def listening(self) -> tuple[str, str]:
        """The parameters of its ``listen`` directive, and the lines that follow it; none for plain HTTP."""
        return "", ""

    def greet(self, client: ClientEndpoint | None = None) -> Greeting:
        """Send two requests as the lab's client, or as one of several. Raises ``OSError``."""
        address, _, label = ask_in(client or self.lab.client_endpoint, "/whoami").body.partition(" ")
        return Greeting(address, label, ask_in(client or self.lab.client_endpoint, "/").total_bytes)

    def requests(self) -> int:
        """Requests answered since the start, without status queries. Raises :class:`OriginError`."""
        answered = _status(self._place / "status.sock")[2]
        self._own_requests += 1  # only now: nginx does not count a query that did not reach it
        return answered - self._own_requests

    def connections(self) -> dict[str, int]:
        """Connections with a request, by the server's address; empty unless the lab balances."""
        if self._balanced:
            with contextlib.suppress(FileNotFoundError), (self._place / "opened.log").open("rb") as log:
                log.seek(self._opened_bytes)
                *lines, rest = log.read().split(b"\n")  # nginx may have written half of the last line
                self._opened_bytes = log.tell() - len(rest)
                self._opened.update(line.decode(errors="replace") for line in lines)
        return dict(self._opened)

    def named(self) -> dict[str, int]:
        """It counts no requests by name."""
        return {}

    @property
    def _place(self) -> Path:
        return self.lab.run_dir / PLACE

    @property
    def _balanced(self) -> bool:
        return len(self.lab.answering) > 1

    def wrong_clients(self) -> list[str]:
        """The source addresses of requests that no client of the lab sent: one per request, at most 1,000."""
        try:
            with (self._place / "wrong.log").open() as log:
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


def accepted_by(status: Path) -> int:
    """The connections that an nginx with this socket of its status has accepted, this query's included.

    Raises :class:`OriginError`.
    """
    return _status(status)[0]


def _status(path: Path) -> list[int]:
    """Connections accepted and handled, and requests, with this query. Raises :class:`OriginError`."""
    status = _get_over_unix(path)
    # "server accepts handled requests\n 131 131 220696 \n": three numbers, with this query.
    try:
        accepted, handled, requests = map(int, status.splitlines()[2].split())
    except (IndexError, ValueError) as error:
        raise OriginError(f"nginx sent a malformed status: {status[:200]!r}") from error
    return [accepted, handled, requests]


def _get_over_unix(path: Path) -> str:
    connection = _UnixConnection(path)
    try:
        connection.request("GET", "/")
        return connection.getresponse().read(4096).decode("ascii", "replace")
    except (OSError, http.client.HTTPException) as error:
        raise OriginError(f"nginx does not report its status: {error_text(error)}") from error
    finally:
        connection.close()
