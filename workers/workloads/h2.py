"""Small HTTP/2 requests over TLS, several at once on each connection."""

from collections.abc import Mapping
from typing import ClassVar

from domain.loads.load import MAX_CONNECTIONS, ClosedLoad, OpenLoad
from domain.loads.workload import Parameter
from workers.origins.base import MAX_BODY_BYTES
from workers.workloads._https import RESUMED, HttpsWorkload
from workers.workloads._own import OPEN_CONNECTIONS, body_bytes


class H2(HttpsWorkload):
    """HTTP/2 over TLS 1.3, by ALPN; a closed level has its number of connections, each with several streams."""

    name = "h2"
    summary = "HTTP/2 GET over TLS 1.3, several streams on each connection: latency, requests/s, CPU per request."
    service = "h2"
    shares_packets = True
    parameters: ClassVar[tuple[Parameter, ...]] = (
        body_bytes(64, MAX_BODY_BYTES, "Body of each answer."),
        Parameter(name="streams", unit="streams", default=8, minimum=1, maximum=100,
                  summary="Requests that a connection carries at once."),
        RESUMED,
    )  # fmt: skip

    def streams(self, values: Mapping[str, int]) -> int:
        """As the parameter says."""
        return values["streams"]

    def open_connections(self, level: OpenLoad, values: Mapping[str, int]) -> int:
        """As many as carry the usual number of requests at once."""
        return -(-OPEN_CONNECTIONS // values["streams"])

    def _connections(self, level: ClosedLoad | OpenLoad, values: Mapping[str, int]) -> int:
        """A limit of requests in flight is one of streams, so it is rounded up to whole connections."""
        connections = super()._connections(level, values)
        if isinstance(level, OpenLoad) and level.in_flight is not None:
            return min(MAX_CONNECTIONS, -(-connections // values["streams"]))
        return connections
