"""Requests over persistent connections while an origin joins the others."""

from typing import ClassVar

from workers.workloads._failover import Failover


class FailoverJoin(Failover):
    """``failover_keepalive``, but the origin is dead before the connections are opened.

    When it comes back, balancers that hash lose their table of connections. What breaks then is what hashing alone
    moves, as for a second balancer that takes over. Balancers without such a table lose nothing.
    """

    name = "failover_join"
    summary = "HTTP/1.1 GET over persistent connections; an origin joins, and hash balancers lose their table."
    generated = "http_keepalive"
    kept_connections: ClassVar[bool] = True
    joins: ClassVar[bool] = True
