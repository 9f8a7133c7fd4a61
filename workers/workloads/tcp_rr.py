"""Plain TCP request and response: the path without a protocol's parsing."""

from workers.workloads._own import OwnWorkload


class TcpRr(OwnWorkload):
    """64 bytes, echoed, over standing connections."""

    name = "tcp_rr"
    summary = "64 bytes echoed over standing TCP connections: round trips/s and latency."
    service = "tcp"
