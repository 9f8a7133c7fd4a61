"""What the probes saw of one lab: kernel stages by role, and the kernel's work by kind."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

from domain.sample import StageHistogram

Key = TypeVar("Key")


class StageRole(NamedTuple):
    """A stage, and where or to whom it happened.

    ``role`` is empty for a stage without roles; else a side of the lab (``client``, ``dut``, ``server``) or a kind of
    task (``proxy``, ``origin``, ``kworker``, ``ksoftirqd``).
    """

    stage: str
    role: str = ""


@dataclass(frozen=True)
class Watched:
    """What was measured in the watched slices of one trial; sums over slices are sums of this.

    ``events`` estimates how often each stage happened in all, where only one in N was measured, or only a share of the
    time; ``work`` likewise the kernel's work by kind (packets, context switches, …), which is counted and not timed.
    ``absent`` names the stages that the lab does not have (a proxy's packets are not forwarded).
    """

    stages: Mapping[StageRole, StageHistogram] = field(default_factory=dict)
    events: Mapping[StageRole, float] = field(default_factory=dict)
    work: Mapping[str, float] = field(default_factory=dict)
    absent: frozenset[str] = frozenset()

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
            absent=self.absent | other.absent,
        )


def _sums(one: Mapping[Key, float], other: Mapping[Key, float]) -> dict[Key, float]:
    return {key: one.get(key, 0.0) + other.get(key, 0.0) for key in (*one, *(key for key in other if key not in one))}
