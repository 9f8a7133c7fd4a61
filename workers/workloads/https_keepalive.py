"""Small HTTP/1.1 requests over TLS, over persistent connections."""

from workers.workloads._https import HttpsWorkload


class HttpsKeepalive(HttpsWorkload):
    """The requests of ``http_keepalive`` over TLS 1.3."""

    name = "https_keepalive"
    summary = "HTTP/1.1 GET over persistent TLS 1.3 connections, small bodies: what encryption costs per request."
    generated = "http_keepalive"
