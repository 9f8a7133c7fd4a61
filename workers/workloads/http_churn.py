"""A connection for each request: the cost of opening, steering and closing connections."""

from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar

from domain.loads.load import ClosedLoad, OpenLoad
from domain.loads.workload import Parameter, fill_parameters
from domain.trials.figures import TrialFigure, TrialFigures
from workers.traffic.base import GeneratorPlan
from workers.workloads._own import OwnWorkload, body_bytes
from workers.workloads.base import DEFAULTS, Observed


class HttpChurn(OwnWorkload):
    """``Connection: close``; the origin closes first. The service time starts at the connect."""

    name = "http_churn"
    summary = "HTTP/1.1 GET with a connection per request, small bodies: connections/s, connect time."
    parameters = (
        body_bytes(128, 1 << 20, "Body of each answer."),
        Parameter(name="client_addresses", unit="addresses", default=1, minimum=1, maximum=100,
                  summary="Addresses that the client's connections come from, in turn."),
    )  # fmt: skip
    connects_each_request = True
    of_the_lab: ClassVar[frozenset[str]] = frozenset({"client_addresses"})

    def plan(self, level: ClosedLoad | OpenLoad, parameters: Mapping[str, int] = DEFAULTS) -> GeneratorPlan:
        """The client may have several addresses."""
        sources = fill_parameters(self.name, self.parameters, parameters)["client_addresses"]
        return replace(super().plan(level, parameters), sources=sources)

    def figures(self, observed: Observed) -> TrialFigures:
        """The time that TCP took to connect."""
        connect = observed.timings.get("connect")
        p99_ns = connect.percentile_ns(99) if connect else None
        if p99_ns is None:
            return TrialFigures()
        value = p99_ns / 1e6
        return TrialFigures(figures=(TrialFigure(name="connect_p99_ms", title="connect p99", unit="ms", value=value),))
