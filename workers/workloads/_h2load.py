"""What the workloads of h2load share: HTTP over TLS."""

from collections.abc import Mapping
from typing import ClassVar

from domain.loads.load import ClosedLoad, OpenLoad
from domain.loads.workload import fill_parameters
from domain.service.jobs import HostCapabilities
from workers.origins.base import MAX_BODY_BYTES, body_of
from workers.traffic.base import GeneratorPlan, TargetTraffic
from workers.traffic.h2load import OPEN_RATES_PER_S, H2load
from workers.workloads._own import body_bytes
from workers.workloads.base import DEFAULTS, Workload


class H2loadWorkload(Workload):
    """Closed loops over persistent connections; open loops with a connection and a handshake for each request."""

    level_kinds = ("closed", "open")
    open_rates_per_s = OPEN_RATES_PER_S
    open_arrivals = ("constant",)
    one_client = "h2load starts a process per slice, and several processes cannot be synchronised"
    origin = "nginx"
    options: ClassVar[tuple[str, ...]] = ()
    parameters = (body_bytes(64, MAX_BODY_BYTES, "Body of each answer."),)

    def unmet_requirements(self, capabilities: HostCapabilities) -> list[str]:
        """Needs h2load and nginx."""
        return capabilities.lacking("program.h2load", "program.nginx")

    def plan(self, level: ClosedLoad | OpenLoad, parameters: Mapping[str, int] = DEFAULTS) -> GeneratorPlan:
        """See the contract. Raises ``ValueError`` also for rates that h2load cannot schedule exactly."""
        if isinstance(level, OpenLoad) and level.rate_per_s not in OPEN_RATES_PER_S:
            rates = ", ".join(map(str, OPEN_RATES_PER_S))
            raise ValueError(f"{self.name} carries open loads at rates of {rates}/s only, not {level}")
        if isinstance(level, OpenLoad) and (
            level.arrival not in self.open_arrivals or level.in_flight is not None or level.profile
        ):
            raise ValueError(f"{self.name} carries constant arrivals at one rate and without a limit only, not {level}")
        answer = body_of(fill_parameters(self.name, self.parameters, parameters)["body_bytes"])
        connections = level.connections if isinstance(level, ClosedLoad) else level.rate_per_s
        return GeneratorPlan(H2load.name, level, connections, path="/", answer=answer, options=self.options)

    def check(self, traffic: TargetTraffic, answer_bytes: int) -> list[str]:
        """The driver has compared the body bytes with the number of answers; no body may be wrong."""
        corrupt = traffic.errors.get("corrupt", 0)
        return [f"the body bytes received differ by those of {corrupt} answers"] if corrupt else []
