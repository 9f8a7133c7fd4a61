"""How long to watch, and how long to pause: what bounds the cost of looking."""

import random
from dataclasses import dataclass, field

# What watching may cost: a share of the host's CPU time. It bounds how often there are windows.
TAX = 0.015
# CPU seconds of what surrounds a window (attaching and detaching ten tracepoints is most of it), and of a begun
# duration, with the events around it that begin nothing: on the reference machine at its usual speed (bpf/chain.py,
# `make bench-probes`). The former is measured with every window, and where it takes longer, so do the latter.
ATTACHING_S = 0.006
EVENT_S = 0.45e-6

PACKET_S = 4.5e-6  # of a packet at the server, with all the events of its request: before durations were counted

# What a window may cost, of what surrounds it. The larger, the more is seen for the same tax, in fewer and longer
# windows; but each watched slice has one at least, and of one that is 0.3 s long 3 % of two CPUs are 18 ms.
WATCHING = 0.5

SHORTEST_S, LONGEST_S = 0.004, 1.0
FIRST_PAUSE_S = 0.04  # after the first packets: the generator opens its connections …
EMPTY_PAUSE_S = 0.02  # … and if it took longer, the next window is not far
_NEWEST = 0.25  # the weight of the last window's surroundings among those before it


@dataclass
class Pace:
    """How long to watch, and how long to pause, from the rate of what was seen: the tax is per event.

    At high rates :data:`WATCHING` says how long a window is, and the pause keeps it and its surroundings within
    :data:`TAX`; at low rates the probes watch on, and events are not missed that are few anyway.
    """

    cpus: int
    rng: random.Random = field(default_factory=random.Random)
    window_s: float = SHORTEST_S
    attaching_s: float = ATTACHING_S

    def first_pause_s(self) -> float:
        """Before a slice's first window, once there are packets."""
        return FIRST_PAUSE_S * self.rng.uniform(0.5, 1.5)

    def expect(self, packets_per_s: float) -> None:
        """Set the length of a slice's first window by the traffic before it."""
        self._lengthen(packets_per_s * PACKET_S * self._slowness())

    def pause_s(self, begun: int, open_s: float, spent_s: float = ATTACHING_S) -> float:
        """After a window of ``open_s`` in which so many durations began; sets the length of the next one.

        ``spent_s`` is the CPU time that its surroundings took.
        """
        self.attaching_s += (spent_s - self.attaching_s) * _NEWEST
        if not begun or open_s <= 0:
            return EMPTY_PAUSE_S * self.rng.uniform(0.5, 1.5)
        busy = begun / open_s * EVENT_S * self._slowness()  # CPU seconds per second of watching
        self._lengthen(busy)
        period_s = (self.attaching_s + open_s * busy) / (TAX * self.cpus)
        return max(0.0, period_s - open_s) * self.rng.uniform(0.75, 1.25)

    def _slowness(self) -> float:
        return max(1.0, self.attaching_s / ATTACHING_S)

    def _lengthen(self, busy: float) -> None:
        self.window_s = LONGEST_S
        if busy > TAX * self.cpus / 2:
            self.window_s = min(LONGEST_S, max(SHORTEST_S, WATCHING * self.attaching_s / busy))
