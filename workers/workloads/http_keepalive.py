"""Small HTTP/1.1 requests over connections that stay open."""

from workers.origin import BODY
from workers.workloads._own import OwnWorkload


class HttpKeepalive(OwnWorkload):
    """One request at a time per connection, an answer of 64 bytes of body from nginx."""

    name = "http_keepalive"
    summary = "HTTP/1.1 GET over standing connections, 64-byte body: latency, requests/s and CPU per request."
    origin = "nginx"
    path = "/"
    answer = BODY.encode("ascii")
