"""Small HTTP/1.1 requests over TLS."""

from workers.workloads._h2load import H2loadWorkload


class HttpsKeepalive(H2loadWorkload):
    """``http_keepalive`` over TLS 1.3. Open loops make a connection per request, because of h2load."""

    name = "https_keepalive"
    summary = "HTTP/1.1 GET over TLS: closed loops on persistent connections, open ones with a handshake each."
    service = "https"
    options = ("--h1",)
