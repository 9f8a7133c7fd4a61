"""What the workloads of showdown-traffic (workers/traffic) share."""

from collections.abc import Mapping
from typing import ClassVar

from domain.loads.load import ClosedLoad, OpenLoad
from domain.loads.workload import Parameter, fill_parameters
from domain.service.jobs import HostCapabilities
from workers.traffic.base import GeneratorPlan, TargetTraffic
from workers.workloads.base import DEFAULTS, Workload

GENERATOR = "showdown-traffic"
# Requests that may be in flight in an open loop, unless the level names a limit; more are queued, which shows in the
# latency. An open loop needs rate × latency of them. The reference host carries about 25,000 requests/s, and a report
# counts latencies up to 20 ms: 500. Each is an established connection of every lab, so it is not more.
OPEN_CONNECTIONS = 512
LARGE_OPEN_CONNECTIONS = 16  # … of large bodies, each of which fills the path
BODY_BYTES = "body_bytes"


def body_bytes(default: int, maximum: int, summary: str) -> Parameter:
    """The parameter ``body_bytes``, which most workloads have."""
    return Parameter(
        name=BODY_BYTES, unit="bytes", default=default, minimum=1, maximum=maximum, summary=summary
    )  # fmt: skip


class OwnWorkload(Workload):
    """A workload of showdown-traffic, which compares every received body byte by byte.

    The C source of the same name, or of the name ``generated``, defines what its requests look like. A parameter is
    passed as the option of its name, ``body_bytes`` as ``--body-bytes``. ``options`` names those whose option is called
    otherwise. ``of_the_lab`` names those that are no options of the generator.
    """

    level_kinds = ("closed", "open")
    path: ClassVar[str] = ""
    generated: ClassVar[str] = ""
    """The generator's name for it; empty: its own."""
    options: ClassVar[Mapping[str, str]] = {}
    of_the_lab: ClassVar[frozenset[str]] = frozenset()
    queues: ClassVar[bool] = True
    """Whether a request of an open loop waits in the generator if all connections are in use."""

    def unmet_requirements(self, capabilities: HostCapabilities) -> list[str]:
        """Needs the generator, which is the origin as well unless that is nginx."""
        programs = ["program.showdown-traffic"] + (["program.nginx"] if self.origin == "nginx" else [])
        return capabilities.lacking(*programs)

    def plan(self, level: ClosedLoad | OpenLoad, parameters: Mapping[str, int] = DEFAULTS) -> GeneratorPlan:
        """Closed and open loops alike."""
        values = fill_parameters(self.name, self.parameters, parameters)
        answer = self.answer(values)
        own = {name: value for name, value in values.items() if name not in self.of_the_lab}
        given = [(name, value) for name, value in own.items() if answer is None or name != BODY_BYTES]
        return GeneratorPlan(
            generator=GENERATOR,
            load=level,
            connections=self._connections(level, values),
            streams=self.streams(values),
            queues=self.queues,
            path=self.path,
            answer=answer,
            answer_s=self.answer_s(values),
            messages=self.messages(values),
            options=(
                "--workload",
                self.generated or self.name,
                *(text for name, value in given for text in (self._option(name), str(value))),
                *self.condition_options(level),
            ),
        )

    def _connections(self, level: ClosedLoad | OpenLoad, values: Mapping[str, int]) -> int:
        if isinstance(level, ClosedLoad):
            return level.connections
        return level.in_flight or self.open_connections(level, values)

    def _option(self, parameter: str) -> str:
        return self.options.get(parameter) or f"--{parameter.replace('_', '-')}"

    def condition_options(self, level: ClosedLoad | OpenLoad) -> tuple[str, ...]:
        """Options that the level's condition asks for; most conditions concern the lab alone."""
        return ()

    def answer(self, values: Mapping[str, int]) -> bytes | None:
        """The body that the origin sends; ``None`` if generator and origin make it from the same options."""
        return None

    def answer_s(self, values: Mapping[str, int]) -> float:
        """How long one answer takes by its design."""
        return 0.0

    def streams(self, values: Mapping[str, int]) -> int:
        """How many requests one connection carries at once."""
        return 1

    def messages(self, values: Mapping[str, int]) -> int:
        """How many datagrams a request consists of; 1 of a stream."""
        return 1

    def open_connections(self, level: OpenLoad, values: Mapping[str, int]) -> int:
        """How many connections an open loop has, unless its level names a limit of requests in flight."""
        return OPEN_CONNECTIONS

    def check(self, traffic: TargetTraffic, answer_bytes: int) -> list[str]:
        """The generator has compared the bodies; none may be wrong."""
        corrupt = traffic.errors.get("corrupt", 0)
        return [f"{corrupt} answers differed from what the origin sends"] if corrupt else []
