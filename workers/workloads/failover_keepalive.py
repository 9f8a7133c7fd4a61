"""Requests over persistent connections while an origin dies and comes back."""

from typing import ClassVar

from workers.workloads._failover import Failover


class FailoverKeepalive(Failover):
    """``http_keepalive``: connections of living origins must stay open and where they are."""

    name = "failover_keepalive"
    summary = "HTTP/1.1 GET over persistent connections while an origin dies and comes back."
    generated = "http_keepalive"
    kept_connections: ClassVar[bool] = True
