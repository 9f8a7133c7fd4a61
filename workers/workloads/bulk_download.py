"""Large answers: how much a datapath carries."""

from domain.campaign import OpenLoad
from workers.workloads._own import OwnWorkload


class BulkDownload(OwnWorkload):
    """Answers of 1 MiB over standing connections."""

    name = "bulk_download"
    summary = "HTTP/1.1 GET of 1 MiB over standing connections: Gbit/s towards the client."
    options = ("--body-bytes", str(1 << 20))

    def open_connections(self, level: OpenLoad) -> int:
        """Few: each one fills the path."""
        return 16
