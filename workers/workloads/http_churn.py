"""A connection for every request: what accepting, steering and closing connections costs."""

from workers.workloads._own import OwnWorkload


class HttpChurn(OwnWorkload):
    """``Connection: close``; the origin closes first. The service time begins with the connect."""

    name = "http_churn"
    summary = "HTTP/1.1 GET with a connection per request, 128-byte body: connections/s, connect time."
