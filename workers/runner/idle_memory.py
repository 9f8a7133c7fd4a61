"""Measures the memory of proxy and kernel per idle connection, with proof that the connections took the datapath.

Each lab is measured once, when no traffic runs. The kernel counts the objects of its sockets for the whole host, so the
figure includes the sockets of client and origin; the difference to ``direct`` is the datapath's.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from domain.trials.counters import Counters
from domain.trials.figures import TrialFigure
from workers.datapaths.base import DatapathError
from workers.lab import memory
from workers.lab.holding import idle_connections
from workers.lab.lab import Lab, LabError
from workers.runner.trial_run import TrialRun

ARRIVE_S = 10.0  # for a proxy on a busy host to connect all of them to the origin
LOOK_S = 0.05
MIN_SHARE = 0.99  # of the connections, in each count


@dataclass(frozen=True)
class MemoryUse:
    """What a lab and the kernel have at one moment."""

    proxy_bytes: int | None  # none without a proxy
    socket_bytes: int
    established: int  # at the origin's host


def measure_idle_memory(
    trial_run: TrialRun, connections: int, sleep: Callable[[float], None], clock: Callable[[], float] = time.monotonic
) -> None:
    """Add the figures of a usable trial run to its evidence; it fails if the connections cannot be proven."""
    try:
        before, counted = memory_use(trial_run.lab), trial_run.counters()
        with idle_connections(trial_run.lab, connections):
            after = arrived(trial_run.lab, before, connections, sleep, clock)
            check(connections, before, after, trial_run.counters().minus(counted))
    except (LabError, DatapathError, OSError) as error:
        trial_run.fail(error)
        return
    trial_run.evidence.own_figures += figures(connections, before, after)


def memory_use(lab: Lab) -> MemoryUse:
    """Raises ``OSError``."""
    return MemoryUse(memory.proxy_bytes(lab), memory.socket_bytes(), memory.established(lab.server_ns))


def arrived(
    lab: Lab, before: MemoryUse, connections: int, sleep: Callable[[float], None], clock: Callable[[], float]
) -> MemoryUse:
    """The use once the origin has all connections, or no more come."""
    deadline = clock() + ARRIVE_S
    while (now := memory_use(lab)).established < before.established + connections and clock() < deadline:
        sleep(LOOK_S)
    return now


def check(connections: int, before: MemoryUse, after: MemoryUse, gained: Counters) -> None:
    """Raises ``DatapathError`` if the origin or the datapath's own counters did not see the connections."""
    counts = {"reached the origin": after.established - before.established}
    if gained.connections is not None:
        counts["were counted by the datapath"] = gained.connections
    if gained.packets is not None:
        counts["sent a packet through it"] = min(gained.packets, connections)
    for what, count in counts.items():
        if count < MIN_SHARE * connections:
            raise DatapathError(f"of {connections:,} idle connections, {count:,} {what}; see its limit of open files")
    if gained.leaked_packets:
        raise DatapathError(f"{gained.leaked_packets:,} packets of idle connections missed the datapath")


def figures(connections: int, before: MemoryUse, after: MemoryUse) -> Iterator[TrialFigure]:
    """Memory per connection, and the proxy's in all."""
    if before.proxy_bytes is not None and after.proxy_bytes is not None:
        each = (after.proxy_bytes - before.proxy_bytes) / connections / 1024
        yield TrialFigure(name="proxy_kib", title="proxy memory per idle connection", unit="KiB", value=each)
        whole = after.proxy_bytes / 2**20
        yield TrialFigure(name="proxy_mib", title="proxy memory, all idle connections", unit="MiB", value=whole)
    each = (after.socket_bytes - before.socket_bytes) / connections / 1024
    title = "socket memory of all hosts per idle connection"
    yield TrialFigure(name="sockets_kib", title=title, unit="KiB", added=True, value=each)
