"""What the workloads of the own generator (workers/traffic) share. Their parameters are fixed for now."""

from typing import ClassVar

from domain.campaign import ClosedLoad, OpenLoad
from domain.jobs import HostCapabilities
from workers.workloads.base import GeneratorPlan, TargetTraffic, Workload

GENERATOR = "showdown-traffic"
OPEN_CONNECTIONS = 128  # of an open loop: so many requests may be under way; more are queued, which shows in latency


class OwnWorkload(Workload):
    """A workload of showdown-traffic, which compares every body that it receives, byte by byte."""

    level_kinds = ("closed", "open")
    options: ClassVar[tuple[str, ...]] = ()
    path: ClassVar[str] = ""
    answer: ClassVar[bytes | None] = None

    def missing(self, capabilities: HostCapabilities) -> list[str]:
        """Needs the generator, which is the origin as well unless that is nginx."""
        programs = ["program.showdown-traffic"] + (["program.nginx"] if self.origin == "nginx" else [])
        return capabilities.lacking(*programs)

    def plan(self, level: ClosedLoad | OpenLoad) -> GeneratorPlan:
        """Closed and open loops alike."""
        return GeneratorPlan(
            generator=GENERATOR,
            load=level,
            connections=level.connections if isinstance(level, ClosedLoad) else self.open_connections(level),
            path=self.path,
            answer=self.answer,
            options=("--workload", self.name, *self.options),
        )

    def open_connections(self, level: OpenLoad) -> int:
        """How many connections an open loop has."""
        return OPEN_CONNECTIONS

    def check(self, traffic: TargetTraffic, answer_bytes: int) -> list[str]:
        """The generator has compared the bodies; one wrong body is one too many."""
        corrupt = traffic.errors.get("corrupt", 0)
        return [f"{corrupt} answers were not what the origin sends"] if corrupt else []
