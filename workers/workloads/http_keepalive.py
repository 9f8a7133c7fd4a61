"""Small HTTP/1.1 requests over connections that stay open."""

from domain.campaign import ClosedLoad, OpenLoad
from domain.jobs import HostCapabilities
from workers.features import lacking
from workers.workloads.base import GeneratorPlan, TrafficResult, Workload

_TOLERANCE = 0.01  # of bytes: wrk also counts answers that were cut off by the end of the slice


class HttpKeepalive(Workload):
    """One request at a time per connection, an answer of 64 bytes of body."""

    name = "http_keepalive"
    summary = "HTTP/1.1 GET over standing connections, 64-byte body: requests/s and CPU per request."
    level_kinds = ("closed",)

    def missing(self, capabilities: HostCapabilities) -> list[str]:
        """Needs wrk and nginx."""
        return lacking(capabilities, "program.wrk", "program.nginx")

    def plan(self, level: ClosedLoad | OpenLoad, duration_s: float) -> GeneratorPlan:
        """A closed loop of GET requests, made by wrk."""
        if not isinstance(level, ClosedLoad):
            raise ValueError(f"{self.name} carries closed loads only, not {level}")
        return GeneratorPlan(generator="wrk", path="/", load=level, duration_s=duration_s)

    def check(self, result: TrafficResult, answer_bytes: int) -> list[str]:
        """Every answer must be as long as the one that was looked at before the traffic began."""
        expected = (result.requests + sum(result.errors.values())) * answer_bytes
        if result.errors or abs(result.bytes_received - expected) <= _TOLERANCE * expected + answer_bytes:
            return []  # errors have a reason of their own, and answers that are errors have other lengths
        return [f"{result.bytes_received} bytes received, {expected} expected for {result.requests} answers"]
