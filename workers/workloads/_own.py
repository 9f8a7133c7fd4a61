"""What the workloads of showdown-traffic (workers/traffic) share."""

from collections.abc import Mapping
from typing import ClassVar

from domain.jobs import HostCapabilities
from domain.load import ClosedLoad, OpenLoad
from domain.workload import Parameter, settled
from workers.traffic.base import GeneratorPlan, TargetTraffic
from workers.workloads.base import DEFAULTS, Workload

GENERATOR = "showdown-traffic"
OPEN_CONNECTIONS = 128  # of an open loop; further due requests wait in the generator, and latency includes that wait
LARGE_OPEN_CONNECTIONS = 16  # of an open loop with large bodies, each of which fills the path
_OPTIONS = {
    "body_bytes": "--body-bytes",
    "request_bytes": "--body-bytes",
    "tokens": "--tokens",
    "token_bytes": "--token-bytes",
    "gap_us": "--cadence-us",
}


def body_bytes(default: int, maximum: int, summary: str) -> Parameter:
    """The parameter ``body_bytes``, which most workloads have."""
    return Parameter(
        name="body_bytes", unit="bytes", default=default, minimum=1, maximum=maximum, summary=summary
    )  # fmt: skip


class OwnWorkload(Workload):
    """A workload of showdown-traffic, which compares every received body byte by byte.

    The generator requests from its origin the bodies of the plan, so both have the same.
    """

    level_kinds = ("closed", "open")
    path: ClassVar[str] = ""

    def missing(self, capabilities: HostCapabilities) -> list[str]:
        """Needs the generator, which is also the origin, unless nginx is."""
        programs = ["program.showdown-traffic"] + (["program.nginx"] if self.origin == "nginx" else [])
        return capabilities.lacking(*programs)

    def plan(self, level: ClosedLoad | OpenLoad, parameters: Mapping[str, int] = DEFAULTS) -> GeneratorPlan:
        """A plan for a closed or an open loop."""
        values = settled(self.name, self.parameters, parameters)
        answer = self.answer(values)
        sizes = () if answer is not None else tuple(values.items())
        return GeneratorPlan(
            generator=GENERATOR,
            load=level,
            connections=level.connections if isinstance(level, ClosedLoad) else self.open_connections(level, values),
            path=self.path,
            answer=answer,
            answer_s=self.answer_s(values),
            options=(
                "--workload",
                self.name,
                *(text for name, value in sizes for text in (_OPTIONS[name], str(value))),
            ),
        )

    def answer(self, values: Mapping[str, int]) -> bytes | None:
        """The body that nginx must send; ``None`` if showdown-traffic is the origin."""
        return None

    def answer_s(self, values: Mapping[str, int]) -> float:
        """How long the workload makes one answer take."""
        return 0.0

    def open_connections(self, level: OpenLoad, values: Mapping[str, int]) -> int:
        """How many connections an open loop has."""
        return OPEN_CONNECTIONS

    def check(self, traffic: TargetTraffic, answer_bytes: int) -> list[str]:
        """The generator has compared the bodies; none may be wrong."""
        corrupt = traffic.errors.get("corrupt", 0)
        return [f"{corrupt} answers differed from what the origin sends"] if corrupt else []
