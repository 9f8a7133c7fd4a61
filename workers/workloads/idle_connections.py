"""Many connections that carry nothing, besides small requests: the memory of proxy and kernel for each."""

from collections.abc import Mapping
from dataclasses import replace

from domain.loads.load import MAX_CONNECTIONS, ClosedLoad, OpenLoad
from domain.loads.workload import Parameter, fill_parameters
from workers.origins.base import body_of
from workers.traffic.base import GeneratorPlan
from workers.workloads._own import OwnWorkload
from workers.workloads.base import DEFAULTS

_BODY_BYTES = 64


class IdleConnections(OwnWorkload):
    """Requests as those of ``http_keepalive``; then each datapath holds the idle connections for a moment."""

    name = "idle_connections"
    summary = "HTTP/1.1 GET, and then many idle connections: memory of proxy and kernel for each."
    generated = "http_keepalive"
    origin = "nginx"
    path = "/"
    parameters = (
        Parameter(name="connections", unit="connections", default=10_000, minimum=1, maximum=MAX_CONNECTIONS,
                  summary="Idle connections that the client holds."),
    )  # fmt: skip
    of_the_lab = frozenset({"connections"})

    def plan(self, level: ClosedLoad | OpenLoad, parameters: Mapping[str, int] = DEFAULTS) -> GeneratorPlan:
        """The generator does not know the idle connections, which the runner opens when it has ended."""
        values = fill_parameters(self.name, self.parameters, parameters)
        return replace(super().plan(level, parameters), idle_connections=values["connections"])

    def answer(self, values: Mapping[str, int]) -> bytes:
        """The body that nginx sends and the generator expects."""
        return body_of(_BODY_BYTES)
