"""HAProxy as a transparent proxy in the DUT: the driver that the steering datapaths share.

It keeps the client's address (``usesrc clientip``) and forwards bytes (mode tcp). Its statistics prove how much traffic
it carried.
"""

import csv
import io
import resource
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from workers.datapaths.lib.proxied import LISTEN_PORT, ProxyError
from workers.lab import cpus, unprivileged
from workers.lab.addresses import endpoint
from workers.lab.lab import Lab, LabError
from workers.lab.process import Process

START_TIMEOUT_S = 5.0
STATS_TIMEOUT_S = 2.0
MAX_CONNECTIONS = 10_000
CAPABILITIES = ("net_admin", "net_bind_service")
"""What HAProxy keeps of root: transparent sockets, and ports below 1024."""
SPARE_FDS = 200  # listeners, epoll, pipes, health and stats of HAProxy itself

_ANY_ADDRESS = {4: "0.0.0.0", 6: "[::]"}  # noqa: S104  # in the lab's namespace

CONFIG = """\
global
    nbthread {threads}
    maxconn {maxconn}
    ulimit-n {fds}
    # Before Linux 6.6 bpf_sk_assign refuses a listener that shares its port.
    noreuseport
    stats socket {stats} mode 600 level admin
    stats timeout 1h

defaults
    mode tcp
    option contstats
    timeout connect 5s
    timeout client 1h
    timeout server 1h
    backlog 65535

frontend steered
    bind {any_address}:{port}{transparent}
    maxconn {maxconn}
    default_backend origin

backend origin
{source}{servers}"""


@dataclass(frozen=True)
class Proxying:
    """How the proxy listens and connects. The defaults are those of the steering datapaths.

    ``origin``: the address it connects to; ``*`` is the client's original destination. ``source``: the address it
    connects from; empty is the client's address (``usesrc clientip``), or without ``keeps_client`` the kernel's choice.
    ``servers``: the addresses that it balances over instead, in turn (roundrobin), at the origin's port.
    """

    port: int = LISTEN_PORT
    transparent: bool = True
    keeps_client: bool = True
    origin: str = "*"
    source: str = ""
    servers: tuple[str, ...] = ()

    def lines(self, version: int) -> dict[str, object]:
        """The values for the configuration's template, for traffic of an IP version."""
        any_address = _ANY_ADDRESS[version]
        source = (
            f"source {any_address} usesrc clientip"
            if self.keeps_client
            else self.source and f"source {endpoint(self.source, 0)}"
        )
        return {
            "any_address": any_address,
            "port": self.port,
            "transparent": " transparent" if self.transparent else "",
            "source": f"    {source}\n" if source else "",
            "servers": "".join(f"    server {one} {endpoint(one, Lab.origin_port)}\n" for one in self.servers)
            or f"    server origin {self.origin}\n",
        }


class HaProxy:
    """A running HAProxy. Its counters are cumulative since its start."""

    def __init__(self, process: Process, stats: Path) -> None:
        self.process = process
        self._stats = stats

    def connections_and_bytes(self) -> tuple[int, int]:
        """Connections accepted from clients, and bytes sent to them. Raises :class:`ProxyError`.

        HAProxy adds a connection's bytes when it ends, and every 5 s while it is open (``option contstats``).
        """
        for row in self._statistics("steered 1 -1"):
            if row["svname"] == "FRONTEND":
                return int(row["stot"]), int(row["bout"])
        raise ProxyError("haproxy's statistics lack the frontend")

    def connections_by_server(self) -> dict[str, int]:
        """Connections made to each of the addresses that it balances over. Raises :class:`ProxyError`."""
        return {row["svname"]: int(row["stot"]) for row in self._statistics("origin 4 -1")}

    def set_state(self, server: str, state: str) -> None:
        """``ready``; ``drain``: no new connection; ``maint``: none at all. Raises :class:`ProxyError`."""
        answer = self._command(f"set server origin/{server} state {state}")
        if state == "maint" and not answer.strip():
            answer = self._command(f"shutdown sessions server origin/{server}")
        if answer.strip():
            raise ProxyError(f"haproxy: {answer.strip()[:200]}")

    def _statistics(self, what: str) -> list[dict[str, str]]:
        text = self._command(f"show stat {what}")
        return list(csv.DictReader(io.StringIO(text.removeprefix("# "))))

    def _command(self, command: str) -> str:
        if self.process.poll() is not None:
            raise ProxyError(f"haproxy ended with status {self.process.returncode}: {self.process.output()[-300:]}")
        try:
            return self._ask(command)
        except OSError as error:
            raise ProxyError(f"haproxy's stats socket: {error}") from error

    def _ask(self, command: str) -> str:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as control:
            control.settimeout(STATS_TIMEOUT_S)
            control.connect(str(self._stats))
            control.sendall(command.encode() + b"\n")
            parts = []
            while part := control.recv(65536):
                parts.append(part)
        return b"".join(parts).decode()

    def _answers(self) -> bool:
        try:
            return bool(self._ask("show info"))
        except OSError:
            return False


@contextmanager
def running(lab: Lab, how: Proxying = Proxying()) -> Iterator[HaProxy]:
    """Run HAProxy in the lab's DUT from listening to stopped. Raises :class:`ProxyError` with nothing left."""
    place = unprivileged.directory(lab.run_dir, "haproxy")
    stats, config = place / "haproxy.sock", lab.run_dir / "haproxy.cfg"
    fds = _fd_limit()
    config.write_text(
        CONFIG.format(
            threads=len(cpus.placement().dut),
            # It refuses to start when two descriptors per connection exceed the limit.
            maxconn=min(MAX_CONNECTIONS, (fds - SPARE_FDS) // 2),
            fds=fds,
            stats=stats,
            **how.lines(lab.spec.ip_version),
        )
    )
    config.chmod(0o644)
    try:
        argv = ["haproxy", "-db", "-f", str(config)]
        process = lab.spawn("dut", argv, task_role="proxy", keeping=CAPABILITIES)
    except LabError as error:
        raise ProxyError(str(error)) from error
    try:
        proxy = HaProxy(process, stats)
        _wait_until_listening(proxy)
        yield proxy
    finally:
        lab.stop(process)


def _wait_until_listening(proxy: HaProxy) -> None:
    # HAProxy binds everything before it answers on its stats socket; it notifies systemd only.
    deadline = time.monotonic() + START_TIMEOUT_S
    while not proxy._answers():
        if proxy.process.poll() is not None or time.monotonic() > deadline:
            raise ProxyError(f"haproxy did not start: {proxy.process.output() or 'no message'}")
        time.sleep(0.002)


def _fd_limit() -> int:
    """The limit of file descriptors for HAProxy: enough for ``MAX_CONNECTIONS``, or what the host allows."""
    wanted = 2 * MAX_CONNECTIONS + SPARE_FDS
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard == resource.RLIM_INFINITY or hard >= wanted:
        return wanted
    return hard
