"""A TLS connection for each request: the cost of handshakes, full or resumed."""

from workers.workloads._https import HttpsWorkload


class HttpsChurn(HttpsWorkload):
    """The requests of ``http_churn`` over TLS 1.3: each has a connection and a handshake."""

    name = "https_churn"
    summary = "HTTP/1.1 GET with a TLS 1.3 connection per request: handshakes/s, handshake time, CPU per handshake."
    generated = "http_churn"
    connects_each_request = True
