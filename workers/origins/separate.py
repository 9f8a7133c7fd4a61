"""Origins that can die one by one: a process of ``showdown-traffic origin`` for each of the first few addresses.

Further addresses share one process, which lives as long as the lab: a hundred processes would be a load of their own.

One that dies has ended, so that the kernel resets what still comes for it; or its packets are dropped in the server's
namespace. What ended processes served is kept, so that counts are those of all since the start.
"""

import json
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from workers.lab import cpus, netns, nft
from workers.lab.endpoints import ClientEndpoint
from workers.lab.health import HEALTH_PORT
from workers.lab.lab import Lab
from workers.origins.base import Greeting, OriginError, ask_in
from workers.origins.own import TrafficOrigin, host_of

CUT = "showdown_cut"
SHARED = "others"  # stands for the addresses of the shared process
_DROPS = """\
table {family} {table} {{
    chain from_outside {{
        type filter hook prerouting priority raw; policy accept;
        {family} daddr {address} drop
    }}
    chain to_outside {{
        type filter hook output priority raw; policy accept;
        {family} saddr {address} drop
    }}
}}
"""


MORTAL = 4
"""Of so many addresses each has a process."""


class SeparateOrigins:
    """An origin of HTTP on each address that the lab's datapath uses, with a port for health checks."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self._living: dict[str, TrafficOrigin] = {}
        self._served: list[tuple[str, dict[str, Any]]] = []  # by ended processes
        # A child dies with the thread that started it: this one lives as long as this object.
        self._starter = ThreadPoolExecutor(1, "origins")

    @property
    def addresses(self) -> tuple[str, ...]:
        """Those of the origins, dead or alive."""
        return self.lab.answering

    def start(self) -> None:
        """Start all of them. Raises :class:`OriginError`, or ``LabError``."""
        for address in self.addresses[:MORTAL]:
            self._start(address)
        if shared := self.addresses[MORTAL:]:
            self._living[SHARED] = self._started(shared, cpus.placement().server)

    def greet(self, client: ClientEndpoint | None = None) -> Greeting:
        """Send one request as the lab's client, or as one of several. Raises ``OSError``, or :class:`OriginError`."""
        before = self.requests()
        answer = ask_in(client or self.lab.client_endpoint, "/whoami")
        # If none of these origins counted a request, another lab's gave the answer.
        label = self.lab.label if self.requests() > before else ""
        return Greeting(host_of(json.loads(answer.body)["peer"]), label, 0)

    def requests(self) -> int:
        """Requests since the start, by all. Raises :class:`OriginError`."""
        living = sum(one.requests() for one in self._living.values())
        return living + sum(int(served["requests"]) for _, served in self._served)

    def connections(self) -> dict[str, int]:
        """Connections accepted, by address, without health checks. Raises :class:`OriginError`."""
        found = Counter[str]()
        for one in self._living.values():
            found.update(one.connections())
        for address, served in self._served:
            found[address] += int(served["connections"])
        return dict(found)

    def named(self) -> dict[str, int]:
        """They count no requests by name."""
        return {}

    def wrong_clients(self) -> list[str]:
        """The latest wrong client address of each, once per connection from one."""
        found = [client for one in self._living.values() for client in one.wrong_clients()]
        for _, served in self._served:
            found += [host_of(served["last_wrong_client"])] * min(int(served["wrong_clients"]), 1000)
        return found

    @contextmanager
    def dead(self, address: str, *, silent: bool) -> Iterator[float]:
        """One of them is dead meanwhile; yields since when, monotonic. Raises :class:`OriginError`, or ``LabError``.

        Without ``silent`` it must be one of the first :data:`MORTAL`.
        """
        if silent:
            with self._cut_off(address):
                yield time.monotonic()
            return
        died_s = time.monotonic()  # it ends within a millisecond, and what notes that may take longer
        try:
            self._end(address)
            yield died_s
        finally:
            self._start(address)

    def _start(self, address: str) -> None:
        places = cpus.placement().server
        own = places[self.addresses.index(address) % len(places)]
        self._living[address] = self._started((address,), (own,))

    def _started(self, addresses: tuple[str, ...], places: tuple[int, ...]) -> TrafficOrigin:
        options = ("--health", str(HEALTH_PORT))
        origin = TrafficOrigin(self.lab, "http", options=options, addresses=addresses, cpus=places)
        self._starter.submit(origin.start).result()
        return origin

    def _end(self, address: str) -> None:
        if address not in self._living:
            raise OriginError(f"the origin {address} shares its process; one of the first {MORTAL} can die")
        self._served.append((address, self._living.pop(address).stop()))

    @contextmanager
    def _cut_off(self, address: str) -> Iterator[None]:
        family = nft.family(self.lab)
        self._nft(_DROPS.format(family=family, table=CUT, address=address))
        try:
            yield
        finally:
            self._nft(f"delete table {family} {CUT}\n")

    def _nft(self, commands: str) -> None:
        try:
            netns.run_in(self.lab.server_ns, ["nft", "-f", "-"], stdin=commands)
        except (OSError, subprocess.SubprocessError) as error:
            raise OriginError(f"nft in the server's namespace: {netns.complaint(error).strip()}") from error
