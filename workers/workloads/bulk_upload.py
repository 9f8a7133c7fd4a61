"""Large requests: the throughput towards the origin."""

from collections.abc import Mapping

from domain.loads.load import OpenLoad
from workers.workloads._own import LARGE_OPEN_CONNECTIONS, OwnWorkload, body_bytes


class BulkUpload(OwnWorkload):
    """Requests of 1 MiB by default; the origin answers with their length and CRC-32C."""

    name = "bulk_upload"
    summary = "HTTP/1.1 POST of large bodies over persistent connections: Gbit/s towards the origin."
    parameters = (body_bytes(1 << 20, 1 << 26, "Body of each request."),)

    def open_connections(self, level: OpenLoad, values: Mapping[str, int]) -> int:
        """Few: each one fills the path."""
        return LARGE_OPEN_CONNECTIONS
