"""How long to watch and how long to pause, so that the cost of watching is bounded."""

import random
from dataclasses import dataclass, field

# The share of the host's CPU time that watching may cost. It bounds how often windows come.
TAX = 0.015
# CPU seconds, measured on the reference machine at its usual speed (bpf/chain.py, `make bench-probes`).
# ATTACHING_S is spent around a window, mostly to attach and detach ten tracepoints. EVENT_S is spent per duration that
# begins, with the events around it that begin none. ATTACHING_S is measured again in every window; if that takes
# longer, EVENT_S is taken to be longer in proportion.
ATTACHING_S = 0.006
EVENT_S = 0.45e-6

PACKET_S = 4.5e-6  # per packet at the server, with all events of its request; used before durations were counted

# The cost of the events within a window, as a multiple of the cost around it. A larger value gives fewer and longer
# windows, which see more for the same tax. But each watched slice has at least one window: in a slice of 0.3 s, 3 % of
# two CPUs are 18 ms.
WATCHING = 0.5

SHORTEST_S, LONGEST_S = 0.004, 1.0
FIRST_PAUSE_S = 0.04  # after the first packets, while the generator opens its connections
EMPTY_PAUSE_S = 0.02  # after a window without events, when opening the connections took longer
_NEWEST = 0.25  # the weight of the last window in the moving average of ATTACHING_S


@dataclass
class Pace:
    """How long to watch and how long to pause, from the rate of events, because each event has a cost.

    At high rates :data:`WATCHING` sets the length of a window, and the pause keeps its whole cost within :data:`TAX`.
    At low rates windows are long and pauses short, so that few of the rare events are missed.
    """

    cpus: int
    rng: random.Random = field(default_factory=random.Random)
    window_s: float = SHORTEST_S
    attaching_s: float = ATTACHING_S

    def first_pause_s(self) -> float:
        """The pause before a slice's first window, from its first packets."""
        return FIRST_PAUSE_S * self.rng.uniform(0.5, 1.5)

    def expect(self, packets_per_s: float) -> None:
        """Set the length of a slice's first window from the traffic before it."""
        self._lengthen(packets_per_s * PACKET_S * self._slowness())

    def pause_s(self, begun: int, open_s: float, spent_s: float = ATTACHING_S) -> float:
        """The pause after a window of ``open_s`` in which ``begun`` durations began; sets the next window's length.

        ``spent_s`` is the CPU time that was spent around the window.
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
