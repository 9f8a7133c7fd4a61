"""Small HTTP/1.1 requests over connections that stay open."""

from collections.abc import Mapping

from workers.origins.base import MAX_BODY_BYTES, body_of
from workers.workloads._own import OwnWorkload, body_bytes


class HttpKeepalive(OwnWorkload):
    """One request at a time per connection, an answer of 64 bytes of body from nginx if no other size is given."""

    name = "http_keepalive"
    summary = "HTTP/1.1 GET over standing connections, small bodies: latency, requests/s and CPU per request."
    origin = "nginx"
    path = "/"
    parameters = (body_bytes(64, MAX_BODY_BYTES, "Body of each answer."),)

    def answer(self, values: Mapping[str, int]) -> bytes:
        """What nginx is told to send, and the generator to expect."""
        return body_of(values["body_bytes"])
