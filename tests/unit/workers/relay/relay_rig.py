"""What the tests of the relay share: the built programs, and a running relay in front of a test's own origin."""

import socket
import struct
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests import ROOT
from workers.relay.page import Page, Tally

RELAY = ROOT / "workers" / "relay"
PLAIN, SANITIZED = "showdown-relay", "showdown-relay-sanitized"
PATIENCE_S = 10.0


@cache
def program(name: str = PLAIN) -> str:
    """The path of a build, made if its sources are newer."""
    subprocess.run(["make", "-s", "-C", str(RELAY), f"bin/{name}"], check=True, capture_output=True, timeout=240)
    return str(RELAY / "bin" / name)


@dataclass
class Relay:
    """A running relay, and the origin's listener in the test's hands."""

    process: "subprocess.Popen[str]"
    address: tuple[str, int]
    listener: socket.socket
    page: Page

    def client(self) -> socket.socket:
        """A new connection to the relay."""
        return socket.create_connection(self.address, timeout=PATIENCE_S)

    def origin(self) -> socket.socket:
        """The origin's end of the next connection that the relay makes."""
        accepted, _ = self.listener.accept()
        accepted.settimeout(PATIENCE_S)
        return accepted

    def pair(self) -> tuple[socket.socket, socket.socket]:
        """A connection through the relay: the client's end and the origin's."""
        return self.client(), self.origin()

    def quiet(self) -> Tally:
        """Its counters once no connection is open."""
        for _ in range(2000):
            if not self.page.tally().current:
                break
            threading.Event().wait(0.005)
        return self.page.tally()


@contextmanager
def running(
    directory: Path, *options: str, name: str = PLAIN, family: int = socket.AF_INET, fds: tuple[int, ...] = ()
) -> Iterator[Relay]:
    """A relay on loopback; afterwards insists that it ended well and had nothing to say."""
    host, text = ("::1", "[::1]") if family == socket.AF_INET6 else ("127.0.0.1", "127.0.0.1")
    with ExitStack() as stack:
        listener = stack.enter_context(
            socket.create_server((host, 0), family=socket.AddressFamily(family), backlog=1024)
        )
        listener.settimeout(PATIENCE_S)
        argv = [program(name), "--listen", f"{text}:0", "--origin", f"{text}:{listener.getsockname()[1]}",
                "--page", str(directory / "page"), *options]  # fmt: skip
        process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, pass_fds=fds)
        try:
            assert process.stdout is not None
            port = int(process.stdout.readline().split()[-1])
            page = Page(directory / "page")
            stack.callback(page.close)
            yield Relay(process, (host, port), listener, page)
        finally:
            process.terminate()
            _, errors = process.communicate(timeout=20)
            assert process.returncode == 0, errors
        assert errors == "" or "--connections" in options, errors


def reset(end: socket.socket) -> None:
    """Close by a reset."""
    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    end.close()


def send_until_held_up(end: socket.socket, patience_s: float = 0.5, most: int = 200_000_000) -> int:
    """Send until nothing more is taken; returns how many bytes were."""
    end.settimeout(patience_s)
    sent = 0
    try:
        while sent < most:
            sent += end.send(b"x" * 65_536)
    except TimeoutError:
        pass
    end.settimeout(PATIENCE_S)
    return sent
