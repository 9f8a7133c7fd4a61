"""A connection for each request: the cost of opening, steering and closing connections."""

from workers.workloads._own import OwnWorkload, body_bytes


class HttpChurn(OwnWorkload):
    """``Connection: close``; the origin closes first. The service time starts at the connect."""

    name = "http_churn"
    summary = "HTTP/1.1 GET with a connection per request, small bodies: connections/s, connect time."
    parameters = (body_bytes(128, 1 << 20, "Body of each answer."),)
