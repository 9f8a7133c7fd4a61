"""Large answers: the throughput towards the client."""

from collections.abc import Mapping

from domain.load import OpenLoad
from workers.workloads._own import LARGE_OPEN_CONNECTIONS, OwnWorkload, body_bytes


class BulkDownload(OwnWorkload):
    """Answers of 1 MiB by default, over persistent connections."""

    name = "bulk_download"
    summary = "HTTP/1.1 GET of large bodies over persistent connections: Gbit/s towards the client."
    parameters = (body_bytes(1 << 20, 1 << 26, "Body of each answer."),)

    def open_connections(self, level: OpenLoad, values: Mapping[str, int]) -> int:
        """Few: each one fills the path."""
        return LARGE_OPEN_CONNECTIONS
