"""Shared by the relay's tests: the built programs, and a running relay in front of an origin that the test plays."""

import os
import socket
import struct
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests import ROOT
from workers.relay.stats_page import Counters, StatsPage

RELAY = ROOT / "workers" / "relay"
PLAIN, SANITIZED = "showdown-relay", "showdown-relay-sanitized"
PATIENCE_S = 30.0


@cache
def program(name: str = PLAIN) -> str:
    """The path of a build; rebuilds it if a source is newer."""
    subprocess.run(
        ["flock", str(RELAY), "make", "-s", "-C", str(RELAY), f"bin/{name}"],
        check=True,
        capture_output=True,
        timeout=240,
    )
    return str(RELAY / "bin" / name)


@dataclass
class Relay:
    """A running relay, and the listener of the origin, which the test serves itself."""

    process: "subprocess.Popen[str]"
    address: tuple[str, int]
    listener: socket.socket
    stats_page: StatsPage

    def client(self) -> socket.socket:
        """A new connection to the relay."""
        return socket.create_connection(self.address, timeout=PATIENCE_S)

    def origin(self) -> socket.socket:
        """The origin's side of the next connection that the relay makes."""
        accepted, _ = self.listener.accept()
        accepted.settimeout(PATIENCE_S)
        return accepted

    def pair(self) -> tuple[socket.socket, socket.socket]:
        """A connection through the relay: the client's side and the origin's side."""
        return self.client(), self.origin()

    def counters(self) -> Counters:
        """The relay's counters now."""
        return self.stats_page.counters()

    def counters_once_idle(self) -> Counters:
        """The relay's counters once no session is open."""
        for _ in range(6000):
            if not self.counters().current:
                break
            threading.Event().wait(0.005)
        return self.counters()


@contextmanager
def running(
    directory: Path,
    *options: str,
    name: str = PLAIN,
    family: int = socket.AF_INET,
    fds: tuple[int, ...] = (),
    env: Mapping[str, str] | None = None,
) -> Iterator[Relay]:
    """A relay on loopback. Fails the test if the relay does not exit with status 0 and without a message."""
    host, text = ("::1", "[::1]") if family == socket.AF_INET6 else ("127.0.0.1", "127.0.0.1")
    with ExitStack() as stack:
        listener = stack.enter_context(
            socket.create_server((host, 0), family=socket.AddressFamily(family), backlog=1024)
        )
        listener.settimeout(PATIENCE_S)
        argv = [program(name), "--listen", f"{text}:0", "--origin", f"{text}:{listener.getsockname()[1]}",
                "--stats-page", str(directory / "stats"), *options]  # fmt: skip
        process = subprocess.Popen(
            argv,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            pass_fds=fds,
            env={**os.environ, **(env or {})},
        )
        try:
            assert process.stdout is not None
            port = int(process.stdout.readline().split()[-1])
            page = StatsPage(directory / "stats")
            stack.callback(page.close)
            yield Relay(process, (host, port), listener, page)
        finally:
            process.terminate()
            _, errors = process.communicate(timeout=60)
            assert process.returncode == 0, errors
        assert errors == "" or "--connections" in options, errors


def reset(connection: socket.socket) -> None:
    """Close with a reset."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def send_until_blocked(connection: socket.socket, patience_s: float = 0.5, most: int = 200_000_000) -> int:
    """Send until the socket accepts no more for ``patience_s``; returns the number of bytes sent."""
    connection.settimeout(patience_s)
    sent = 0
    try:
        while sent < most:
            sent += connection.send(b"x" * 65_536)
    except TimeoutError:
        pass
    connection.settimeout(PATIENCE_S)
    return sent
