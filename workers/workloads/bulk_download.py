"""Large answers: the throughput towards the client, or towards each of many client addresses."""

from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar

from domain.loads.load import ClosedLoad, OpenLoad
from domain.loads.workload import Parameter, fill_parameters
from domain.trials.figures import TrialFigures
from workers.traffic.base import GeneratorPlan
from workers.workloads import _per_client
from workers.workloads._own import LARGE_OPEN_CONNECTIONS, OwnWorkload, body_bytes
from workers.workloads.base import DEFAULTS, Observed

_OPEN_PER_ADDRESS = 4  # connections of each address in an open loop, if there are several addresses


class BulkDownload(OwnWorkload):
    """Answers of 1 MiB by default, over persistent connections, which come from the client addresses in turn."""

    name = "bulk_download"
    summary = "HTTP/1.1 GET of large bodies over persistent connections: Gbit/s towards the client."
    parameters = (
        body_bytes(1 << 20, 1 << 26, "Body of each answer."),
        Parameter(name="client_addresses", unit="addresses", default=1, minimum=1, maximum=100,
                  summary="Addresses that the client's connections come from, in turn."),
    )  # fmt: skip
    of_the_lab: ClassVar[frozenset[str]] = frozenset({"client_addresses"})

    def plan(self, level: ClosedLoad | OpenLoad, parameters: Mapping[str, int] = DEFAULTS) -> GeneratorPlan:
        """With several addresses, or a rate for each, the generator reports what each address received."""
        plan = super().plan(level, parameters)
        sources = fill_parameters(self.name, self.parameters, parameters)["client_addresses"]
        if sources == 1 and level.condition.client_rate_mbit is None:
            return plan
        return replace(plan, sources=sources, received_step_s=_per_client.STEP_S)

    def open_connections(self, level: OpenLoad, values: Mapping[str, int]) -> int:
        """Few: each one fills the path."""
        addresses = values["client_addresses"]
        return LARGE_OPEN_CONNECTIONS if addresses == 1 else _OPEN_PER_ADDRESS * addresses

    def figures(self, observed: Observed) -> TrialFigures:
        """The rate of each address, its fairness, its bursts, and the CPU per gigabit."""
        return _per_client.figures_of(observed)
