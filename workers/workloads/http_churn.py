"""A connection for every request: what accepting, steering and closing connections costs."""

from workers.workloads._own import OwnWorkload, body_bytes


class HttpChurn(OwnWorkload):
    """``Connection: close``; the origin closes first. The service time begins with the connect."""

    name = "http_churn"
    summary = "HTTP/1.1 GET with a connection per request, small bodies: connections/s, connect time."
    parameters = (body_bytes(128, 1 << 20, "Body of each answer."),)
