"""The probes' readings of one lab: kernel stages by role, and the kernel's work by kind."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

from domain.probes.sample import StageHistogram
from domain.values.bounds import Word

Key = TypeVar("Key")
Span = tuple[float, float]
"""(begin, end) in monotonic seconds."""


class StageRole(NamedTuple):
    """A stage, and its role: where or for which task it happened.

    ``role`` is empty for a stage without roles; otherwise it is a side of the lab (``client``, ``dut``, ``server``) or
    a kind of task (``proxy``, ``origin``, ``kworker``, ``ksoftirqd``).
    """

    stage: Word
    role: Word = ""


@dataclass(frozen=True)
class Passage:
    """Packets and seconds: while probes were attached, and in the watched slices as a whole."""

    looked_packets: float = 0.0
    looked_s: float = 0.0
    packets: float = 0.0
    traffic_s: float = 0.0

    @property
    def pace(self) -> float | None:
        """The rate while probes were attached, relative to the whole slices; ``None`` if unknown."""
        if not self.looked_s or not self.packets or not self.traffic_s:
            return None
        return (self.looked_packets / self.looked_s) / (self.packets / self.traffic_s)

    def plus(self, other: "Passage") -> "Passage":
        """The sum over slices."""
        return Passage(
            self.looked_packets + other.looked_packets,
            self.looked_s + other.looked_s,
            self.packets + other.packets,
            self.traffic_s + other.traffic_s,
        )


@dataclass(frozen=True)
class Watched:
    """The readings of one trial's watched slices; the readings of slices can be added.

    ``events`` estimates all events of each stage, if only one in N or only a part of the time was measured. ``work``
    does so for the kernel's work by kind (packets, context switches, …), which is counted, not timed. ``absent`` names
    the stages without figures in this lab, and why (a proxy's packets are not forwarded). ``windows`` are the times
    with attached probes, if they were not attached all the time.
    """

    stages: Mapping[StageRole, StageHistogram] = field(default_factory=dict)
    events: Mapping[StageRole, float] = field(default_factory=dict)
    work: Mapping[str, float] = field(default_factory=dict)
    absent: Mapping[str, str] = field(default_factory=dict)
    passage: Passage = Passage()
    windows: tuple[Span, ...] = ()

    def plus(self, other: "Watched") -> "Watched":
        """The sum over slices."""
        empty = StageHistogram()
        return Watched(
            stages={
                key: self.stages.get(key, empty).plus(other.stages.get(key, empty))
                for key in (*self.stages, *(key for key in other.stages if key not in self.stages))
            },
            events=_sums(self.events, other.events),
            work=_sums(self.work, other.work),
            absent={**self.absent, **other.absent},
            passage=self.passage.plus(other.passage),
            windows=self.windows + other.windows,
        )


def _sums(one: Mapping[Key, float], other: Mapping[Key, float]) -> dict[Key, float]:
    return {key: one.get(key, 0.0) + other.get(key, 0.0) for key in (*one, *(key for key in other if key not in one))}
