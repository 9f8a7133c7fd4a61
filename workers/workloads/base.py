"""The contract of a workload: the shape of the traffic.

A workload is one file here. It turns a load level into a plan for a generator, and looks at what the generator
reports. It never runs anything: the runner owns time.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar, Protocol

from domain.campaign import ClosedLoad, OpenLoad
from domain.histogram import LatencyHistogram
from domain.jobs import HostCapabilities


@dataclass(frozen=True)
class GeneratorPlan:
    """What a generator shall do in one slice; ``generator`` names its driver in workers/traffic/."""

    generator: str
    path: str
    load: ClosedLoad | OpenLoad
    duration_s: float


@dataclass(frozen=True)
class TrafficResult:
    """What a generator did in one slice. ``failure`` is empty unless the generator itself failed."""

    duration_s: float = 0.0
    requests: int = 0
    connections: int = 0
    bytes_received: int = 0
    errors: dict[str, int] = field(default_factory=dict)
    latency: LatencyHistogram | None = None
    service_time: LatencyHistogram | None = None
    busiest_thread_share: float = 0.0
    failure: str = ""


class Generator(Protocol):
    """A driver of a traffic generator."""

    name: str

    def run(self, plan: GeneratorPlan, *, netns: str, host: str, port: int, stop: Callable[[], bool]) -> TrafficResult:
        """Make the planned traffic from ``netns`` towards ``host:port``; never raises for a failing generator.

        Gives up early, with the failure ``stopped``, once ``stop()`` is true.
        """


class Workload(ABC):
    """The shape of the traffic."""

    name: ClassVar[str]
    summary: ClassVar[str]
    level_kinds: ClassVar[tuple[str, ...]]

    @abstractmethod
    def missing(self, capabilities: HostCapabilities) -> list[str]:
        """What this host lacks to run it, in sentences; empty when it runs."""

    @abstractmethod
    def plan(self, level: ClosedLoad | OpenLoad, duration_s: float) -> GeneratorPlan:
        """The plan of one slice. Raises ``ValueError`` for a level whose kind is not in ``level_kinds``."""

    @abstractmethod
    def check(self, result: TrafficResult, answer_bytes: int) -> list[str]:
        """What is wrong with the bodies received, in sentences; empty when they are as they should be.

        ``answer_bytes`` is the length of one whole answer, headers included, seen before the traffic began.
        """
