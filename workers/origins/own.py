"""The project's own origin in a lab: ``showdown-traffic origin`` in the server's namespace.

It serves the lab's client only. It closes connections and drops datagrams from other addresses, and counts both.
"""

import json
import signal
import socket
import time
from dataclasses import dataclass
from functools import partial
from typing import Any

from workers.lab import cpus, netns
from workers.lab.endpoints import ClientEndpoint
from workers.lab.lab import Lab
from workers.lab.process import Process
from workers.origins.base import Greeting, OriginError, ask_in, expected_sources
from workers.traffic import program

START_TIMEOUT_S = 5.0
STATUS_TIMEOUT_S = 2.0
GREETING_TIMEOUT_S = 1.0
_GREETING = b"showdown"


@dataclass
class TrafficOrigin:
    """Serves ``service`` on the lab's origin port: ``http``, ``tcp`` or ``udp``.

    ``messages`` is how many datagrams a request consists of. ``options`` are further arguments. ``addresses`` and
    ``cpus`` are those that the lab has, unless they are given.
    """

    lab: Lab
    service: str
    stall_ms: int = 0
    stall_every_ms: int = 0
    options: tuple[str, ...] = ()
    messages: int = 1
    addresses: tuple[str, ...] = ()
    cpus: tuple[int, ...] = ()
    _process: Process | None = None

    def start(self) -> None:
        """Start it and wait until it listens. Raises :class:`OriginError`, or ``LabError``."""
        own = ",".join(map(str, self.cpus or cpus.placement().server))
        argv = [str(program.PATH), "origin", f"--{self.service}", str(self.lab.origin_port), "--cpus", own]
        for address in self.addresses or self.lab.answering:
            argv += ["--address", address]
        for address in expected_sources(self.lab):
            argv += ["--expect-client", address]
        if self.stall_ms:
            argv += ["--stall-ms", str(self.stall_ms), "--stall-every-ms", str(self.stall_every_ms)]
        argv += self.options
        self._process = self.lab.spawn("server", argv, task_role="origin")
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self._lines("ready"):
            self._check(deadline, "did not start")
            time.sleep(0.002)

    def stop(self) -> dict[str, Any]:
        """End it at once; returns what it served. Its ports answer with resets from now on.

        Raises :class:`OriginError` if it does not say what it served.
        """
        self.lab.stop(self._running)
        if not (lines := self._lines("final")):
            raise OriginError(f"the origin ended without its counts: {self._running.output().strip()[-300:]}")
        served: dict[str, Any] = json.loads(lines[-1])
        return served

    def greet(self, client: ClientEndpoint | None = None) -> Greeting:
        """Send one request as the lab's client, or as one of several. Raises ``OSError``, or :class:`OriginError`."""
        before = self._answered()
        client = client or self.lab.client_endpoint
        answer_bytes = 0
        if self.service == "http":
            source = host_of(json.loads(ask_in(client, "/whoami").body)["peer"])
        else:
            echo = partial(_echo_stream if self.service == "tcp" else _echo_datagram, client)
            netns.call_in(client.netns, echo)
            source = client.expected_source  # the origin answers no other address
        # If this origin counted no request, another origin gave the answer.
        return Greeting(source, self.lab.label if self._answered() > before else "", answer_bytes)

    def requests(self) -> int:
        """Requests since the start. Raises :class:`OriginError`."""
        return self._answered() // self.messages

    def _answered(self) -> int:
        """Requests or datagrams since the start."""
        return int(self._status()["datagrams" if self.service == "udp" else "requests"])

    def connections(self) -> dict[str, int]:
        """Connections accepted, by its own address; of datagrams, senders. Raises :class:`OriginError`."""
        return {str(address): int(count) for address, count in self._status()["by_address"].items()}

    def named(self) -> dict[str, int]:
        """Requests by the model that they name, and those that it failed as planned. Raises :class:`OriginError`."""
        return {str(name): int(count) for name, count in self._status()["named"].items()}

    def wrong_clients(self) -> list[str]:
        """The latest wrong client address, once per connection or datagram from one, at most 1,000 times."""
        try:
            status = self._status()
        except OriginError:
            return []
        return [host_of(status["last_wrong_client"])] * min(int(status["wrong_clients"]), 1000)

    @property
    def _running(self) -> Process:
        if self._process is None:
            raise OriginError("the origin was not started")
        return self._process

    def _status(self) -> dict[str, Any]:
        reported = len(self._lines("status"))
        self._running.send_signal(signal.SIGUSR1)
        deadline = time.monotonic() + STATUS_TIMEOUT_S
        while len(lines := self._lines("status")) <= reported:
            self._check(deadline, "does not report its status")
            time.sleep(0.001)
        status: dict[str, Any] = json.loads(lines[-1])
        return status

    def _lines(self, kind: str) -> list[str]:
        text = self._running.log.read_text(errors="replace")
        return [line for line in text.split("\n")[:-1] if line.startswith(f'{{"type":"{kind}"')]

    def _check(self, deadline: float, what: str) -> None:
        if self._running.poll() is not None or time.monotonic() > deadline:
            raise OriginError(f"the origin {what}: {self._running.output().strip()[-300:] or 'no message'}")


def host_of(endpoint: object) -> str:
    """The address of ``address:port`` or ``[address]:port``."""
    return str(endpoint).rpartition(":")[0].strip("[]")


def _echo_datagram(client: ClientEndpoint) -> None:
    with socket.socket(socket.AF_INET6 if ":" in client.address else socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.settimeout(GREETING_TIMEOUT_S)
        asking.connect((client.address, client.port))
        _echo(asking)


def _echo_stream(client: ClientEndpoint) -> None:
    with client.connect(GREETING_TIMEOUT_S) as asking:
        _echo(asking)


def _echo(asking: socket.socket) -> None:
    asking.sendall(_GREETING)
    answer = b""
    while len(answer) < len(_GREETING) and (more := asking.recv(64)):
        answer += more
    if answer != _GREETING:
        raise ConnectionError(f"the echo was {answer!r}")
