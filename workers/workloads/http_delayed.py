"""Small requests to an origin that takes its time, as a database behind it would, or a longer network."""

from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar

from domain.loads.load import MAX_CONNECTIONS, ClosedLoad, OpenLoad
from domain.loads.workload import Parameter, fill_parameters
from workers.traffic.base import GeneratorPlan
from workers.workloads._own import BODY_BYTES, OPEN_CONNECTIONS, OwnWorkload, body_bytes
from workers.workloads.base import DEFAULTS


class HttpDelayed(OwnWorkload):
    """The requests of ``http_keepalive``; the own origin answers each of them ``delay_us`` after it was read.

    Meanwhile it answers others, so the delay costs it no capacity. Unlike the condition ``delay``, this needs no netem,
    and packets on their way are not delayed.
    """

    name = "http_delayed"
    summary = "HTTP/1.1 GET over persistent connections, answered after a set time: many requests in flight at once."
    generated = "http_keepalive"
    parameters = (
        body_bytes(64, 1 << 20, "Body of each answer."),
        Parameter(
            name="delay_us", unit="µs", default=5000, minimum=1, maximum=1_000_000,
            summary="From the request until the origin begins its answer.",
        ),
    )  # fmt: skip
    of_the_lab: ClassVar[frozenset[str]] = frozenset({"delay_us"})

    def plan(self, level: ClosedLoad | OpenLoad, parameters: Mapping[str, int] = DEFAULTS) -> GeneratorPlan:
        """The path of each request says its size and its delay."""
        values = fill_parameters(self.name, self.parameters, parameters)
        path = f"/bytes/{values[BODY_BYTES]}?delay_us={values['delay_us']}"
        return replace(super().plan(level, parameters), path=path)

    def answer_s(self, values: Mapping[str, int]) -> float:
        """The delay."""
        return values["delay_us"] / 1e6

    def open_connections(self, level: OpenLoad, values: Mapping[str, int]) -> int:
        """Twice the number of requests that the delay alone keeps in flight."""
        return min(MAX_CONNECTIONS, max(OPEN_CONNECTIONS, round(2 * level.rate_per_s * self.answer_s(values))))
