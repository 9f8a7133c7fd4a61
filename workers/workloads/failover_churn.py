"""A connection for each request while an origin dies and comes back."""

from typing import ClassVar

from workers.workloads._failover import Failover


class FailoverChurn(Failover):
    """``http_churn``: a balancer chooses an origin for each request."""

    name = "failover_churn"
    summary = "HTTP/1.1 GET with a connection per request while an origin dies and comes back."
    generated = "http_churn"
    connects_each_request = True
    kept_connections: ClassVar[bool] = False
