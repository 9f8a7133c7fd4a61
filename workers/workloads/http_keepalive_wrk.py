"""The requests of http_keepalive, made by wrk: a cross-check of showdown-traffic.

It is a workload and not a setting, so that a campaign can run both and compare them.
"""

from collections.abc import Mapping

from domain.loads.load import ClosedLoad, OpenLoad
from domain.loads.workload import fill_parameters
from domain.service.jobs import HostCapabilities
from workers.origins.base import MAX_BODY_BYTES, body_of
from workers.traffic.base import GeneratorPlan, TargetTraffic
from workers.workloads._own import body_bytes
from workers.workloads.base import DEFAULTS, Workload

_TOLERANCE = 0.01  # of bytes: wrk also counts answers that were cut off by the end of the slice


class HttpKeepaliveWrk(Workload):
    """One request at a time per connection, with the answers of http_keepalive; each slice opens new connections."""

    name = "http_keepalive_wrk"
    summary = "http_keepalive as wrk makes it: a cross-check of the generator, closed loops only."
    level_kinds = ("closed",)
    one_client = "wrk starts a process per slice, and several processes cannot be synchronised"
    origin = "nginx"
    parameters = (body_bytes(64, MAX_BODY_BYTES, "Body of each answer."),)

    def unmet_requirements(self, capabilities: HostCapabilities) -> list[str]:
        """Needs wrk and nginx."""
        return capabilities.lacking("program.wrk", "program.nginx")

    def plan(self, level: ClosedLoad | OpenLoad, parameters: Mapping[str, int] = DEFAULTS) -> GeneratorPlan:
        """A closed loop of GET requests."""
        if not isinstance(level, ClosedLoad):
            raise ValueError(f"{self.name} carries closed loads only, not {level}")
        answer = body_of(fill_parameters(self.name, self.parameters, parameters)["body_bytes"])
        return GeneratorPlan(generator="wrk", load=level, connections=level.connections, path="/", answer=answer)

    def check(self, traffic: TargetTraffic, answer_bytes: int) -> list[str]:
        """Every answer must be as long as the one that was measured before the traffic."""
        if traffic.errors:
            return []  # errors have their own reason, and error answers have other lengths
        problems = []
        for one in traffic.slices:
            expected = one.requests * answer_bytes
            if abs(one.bytes_received - expected) > _TOLERANCE * expected + answer_bytes:
                problems.append(f"{one.bytes_received} bytes received, {expected} expected for {one.requests} answers")
        return problems[:3]
