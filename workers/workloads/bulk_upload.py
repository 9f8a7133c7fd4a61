"""Large requests: how much a datapath carries towards the origin."""

from domain.campaign import OpenLoad
from workers.workloads._own import OwnWorkload


class BulkUpload(OwnWorkload):
    """Requests of 1 MiB over standing connections; the origin answers with their length and CRC-32C."""

    name = "bulk_upload"
    summary = "HTTP/1.1 POST of 1 MiB over standing connections: Gbit/s towards the origin."
    options = ("--body-bytes", str(1 << 20))

    def open_connections(self, level: OpenLoad) -> int:
        """Few: each one fills the path."""
        return 16
