"""How long probes watch and pause, which bounds their cost."""

import random
from dataclasses import dataclass, field

# The limit of the cost of watching, as a share of the host's CPU time. It bounds how often windows open.
TAX = 0.015
# CPU seconds around a window (mostly attaching and detaching ten tracepoints), and CPU seconds per started duration,
# including events that start none. Values of the reference machine (bpf/chain.py, `make bench-probes`). Every window
# measures the former; where it takes longer, the latter is scaled with it.
ATTACHING_S = 0.006
EVENT_S = 0.45e-6

PACKET_S = 4.5e-6  # per packet at the server, with all events of its request; used before durations are counted

# The limit of the CPU time around a window. A larger limit shows more for the same cost, in fewer and longer windows.
# But each watched slice has at least one window, and 3 % of two CPUs in a slice of 0.3 s are 18 ms.
WATCHING = 0.5

SHORTEST_S, LONGEST_S = 0.004, 1.0
FIRST_PAUSE_S = 0.04  # after the first packets, while the generator opens its connections …
EMPTY_PAUSE_S = 0.02  # … and the pause to the next window if that took longer
_NEWEST = 0.25  # weight of the newest window's surroundings in the moving average


@dataclass
class Pace:
    """How long to watch and to pause, from the event rate, because the cost is per event.

    At high rates :data:`WATCHING` limits a window, and the pause keeps the cost of it and its surroundings within
    :data:`TAX`. At low rates the probes keep watching, so that rare events are not missed.
    """

    cpus: int
    rng: random.Random = field(default_factory=random.Random)
    window_s: float = SHORTEST_S
    attaching_s: float = ATTACHING_S

    def first_pause_s(self) -> float:
        """The pause before a slice's first window, once there are packets."""
        return FIRST_PAUSE_S * self.rng.uniform(0.5, 1.5)

    def expect(self, packets_per_s: float) -> None:
        """Set the length of a slice's first window from the traffic before it."""
        self._lengthen(packets_per_s * PACKET_S * self._slowness())

    def pause_s(self, started: int, open_s: float, spent_s: float = ATTACHING_S) -> float:
        """The pause after a window of ``open_s`` in which ``started`` durations began; also sets the next window's
        length.

        ``spent_s`` is the CPU time around the window.
        """
        self.attaching_s += (spent_s - self.attaching_s) * _NEWEST
        if not started or open_s <= 0:
            return EMPTY_PAUSE_S * self.rng.uniform(0.5, 1.5)
        busy = started / open_s * EVENT_S * self._slowness()  # CPU seconds per second of watching
        self._lengthen(busy)
        period_s = (self.attaching_s + open_s * busy) / (TAX * self.cpus)
        return max(0.0, period_s - open_s) * self.rng.uniform(0.75, 1.25)

    def _slowness(self) -> float:
        return max(1.0, self.attaching_s / ATTACHING_S)

    def _lengthen(self, busy: float) -> None:
        self.window_s = LONGEST_S
        if busy > TAX * self.cpus / 2:
            self.window_s = min(LONGEST_S, max(SHORTEST_S, WATCHING * self.attaching_s / busy))
