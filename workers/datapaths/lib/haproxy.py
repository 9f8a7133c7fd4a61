"""HAProxy as a transparent proxy in the DUT: the driver that the steering datapaths share.

It keeps the client's address (``usesrc clientip``) and forwards bytes (mode tcp). Its statistics prove how much traffic
it carried.
"""

import csv
import io
import re
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from domain.values.texts import error_text
from domain.values.use import Use
from workers.datapaths.lib.proxied import LISTEN_PORT, ProxyError, threads
from workers.datapaths.lib.use import used_by
from workers.lab import limits, unprivileged
from workers.lab.addresses import endpoint
from workers.lab.health import HEALTH_PORT, HealthCheck
from workers.lab.lab import Lab, LabError
from workers.lab.process import Process

START_TIMEOUT_S = 5.0
STATS_TIMEOUT_S = 2.0
MAX_CONNECTIONS = 10_000
CAPABILITIES = ("net_admin", "net_bind_service")
"""What HAProxy keeps of root: transparent sockets, and ports below 1024."""
SPARE_FDS = 200  # listeners, epoll, pipes, health and stats of HAProxy itself

_ROW = re.compile(r"\bkey=(\S+).*\bconn_cnt=(\d+)")
_ANY_ADDRESS = {4: "0.0.0.0", 6: "[::]"}  # noqa: S104  # in the lab's namespace

GLOBAL = """\
global
    nbthread {threads}
    maxconn {maxconn}
    ulimit-n {fds}
    # Before Linux 6.6 bpf_sk_assign refuses a listener that shares its port.
    noreuseport
    stats socket {stats} mode 600 level admin
    stats timeout 1h

"""
CONFIG = """\
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

REDISPATCH = "    option redispatch 1\n    retries 3\n"
"""Of a proxy that checks its servers: a connect that fails is tried at another server at once."""


@dataclass(frozen=True)
class Proxying:
    """How the proxy listens and connects. The defaults are those of the steering datapaths.

    ``origin``: the address it connects to; ``*`` is the client's original destination. ``source``: the address it
    connects from; empty is the client's address (``usesrc clientip``), or without ``keeps_client`` the kernel's choice.
    ``servers``: the addresses that it balances over instead, in turn (roundrobin), at the origin's port.
    ``health``: how it checks them. A connect that fails is then tried at another one.
    """

    port: int = LISTEN_PORT
    transparent: bool = True
    keeps_client: bool = True
    origin: str = "*"
    source: str = ""
    servers: tuple[str, ...] = ()
    health: HealthCheck | None = None
    config: str = ""
    """The configuration behind the global section, instead of :data:`CONFIG`; it has the same places for values."""

    def lines(self, version: int) -> dict[str, object]:
        """The values for the configuration's template, for traffic of an IP version."""
        any_address, check = _ANY_ADDRESS[version], _check(self.health)
        source = (
            f"source {any_address} usesrc clientip"
            if self.keeps_client
            else self.source and f"source {endpoint(self.source, 0)}"
        )
        return {
            "any_address": any_address,
            "port": self.port,
            "transparent": " transparent" if self.transparent else "",
            "source": (f"    {source}\n" if source else "") + (REDISPATCH if self.health else ""),
            "servers": "".join(f"    server {one} {endpoint(one, Lab.origin_port)}{check}\n" for one in self.servers)
            or f"    server origin {self.origin}\n",
        }


def _check(health: HealthCheck | None) -> str:
    """The words of a server that is checked."""
    if health is None:
        return ""
    every_ms = round(health.every_s * 1000)
    return f" check port {HEALTH_PORT} inter {every_ms} fall {health.failures} rise {health.successes}"


class HaProxy:
    """A running HAProxy. Its counters are cumulative since its start."""

    def __init__(self, process: Process, stats: Path) -> None:
        self.process = process
        self._stats = stats

    def connections_and_bytes(self) -> tuple[int, int]:
        """Connections accepted from clients, and bytes sent to them. Raises :class:`ProxyError`.

        HAProxy adds a connection's bytes when it ends, and every 5 s while it is open (``option contstats``).
        """
        for row in self.statistics("steered 1 -1"):
            if row["svname"] == "FRONTEND":
                return int(row["stot"]), int(row["bout"])
        raise ProxyError("haproxy's statistics lack the frontend")

    def connections_by_server(self) -> dict[str, int]:
        """Connections made to each of the addresses that it balances over. Raises :class:`ProxyError`."""
        return {row["svname"]: int(row["stot"]) for row in self.statistics("origin 4 -1")}

    def table(self, name: str) -> dict[str, int]:
        """The counts of connections in a stick table, by their key. Raises :class:`ProxyError`."""
        return {key: int(count) for key, count in _ROW.findall(self.command(f"show table {name}"))}

    def set_state(self, server: str, state: str) -> None:
        """``ready``; ``drain``: no new connection; ``maint``: none at all. Raises :class:`ProxyError`."""
        answer = self.command(f"set server origin/{server} state {state}")
        if state == "maint" and not answer.strip():
            answer = self.command(f"shutdown sessions server origin/{server}")
        if answer.strip():
            raise ProxyError(f"haproxy: {answer.strip()[:200]}")

    def check_health(self, servers: Sequence[str], *, on: bool) -> None:
        """Begin or stop to check servers, at once; one that is not checked is up. Raises :class:`ProxyError`."""
        commands = (f"{'enable' if on else 'disable'} health origin/{server}" for server in servers)
        if answer := self.command("; ".join(commands)).strip():
            raise ProxyError(f"haproxy: {answer[:200]}")

    def health_by_server(self) -> dict[str, bool]:
        """Whether it takes each of its servers for up. Raises :class:`ProxyError`."""
        return {row["svname"]: row["status"].startswith(("UP", "no check")) for row in self.statistics("origin 4 -1")}

    def use(self) -> Use:
        """The CPU time of the process, and its largest resident set. Raises :class:`ProxyError`."""
        try:
            return used_by(self.process.pid)
        except OSError as error:
            raise ProxyError(f"haproxy is gone: {error_text(error)}") from error

    def statistics(self, what: str) -> list[dict[str, str]]:
        """Rows of ``show stat``: numbers of a proxy, kinds and server, or -1 for all. Raises :class:`ProxyError`."""
        text = self.command(f"show stat {what}")
        return list(csv.DictReader(io.StringIO(text.removeprefix("# "))))

    def command(self, command: str) -> str:
        """The answer to a command on the stats socket. Raises :class:`ProxyError`."""
        if self.process.poll() is not None:
            raise ProxyError(f"haproxy ended with status {self.process.returncode}: {self.process.output()[-300:]}")
        try:
            return self._ask(command)
        except OSError as error:
            raise ProxyError(f"haproxy's stats socket: {error_text(error)}") from error

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
    spare = SPARE_FDS + len(how.servers)  # a check of a server is a connection, too
    fds = limits.open_files(2 * MAX_CONNECTIONS + spare)
    config.write_text(
        (GLOBAL + (how.config or CONFIG)).format(
            threads=threads(lab),
            # It refuses to start when two descriptors per connection exceed the limit.
            maxconn=min(MAX_CONNECTIONS, (fds - spare) // 2),
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
