"""Small HTTP/1.1 requests over persistent connections."""

from collections.abc import Mapping

from workers.origins.base import MAX_BODY_BYTES, body_of
from workers.workloads._own import OwnWorkload, body_bytes


class HttpKeepalive(OwnWorkload):
    """One request at a time per connection; nginx answers with a body of 64 bytes by default."""

    name = "http_keepalive"
    summary = "HTTP/1.1 GET over persistent connections, small bodies: latency, requests/s and CPU per request."
    origin = "nginx"
    path = "/"
    parameters = (body_bytes(64, MAX_BODY_BYTES, "Body of each answer."),)

    def answer(self, values: Mapping[str, int]) -> bytes:
        """The body that nginx sends and the generator expects."""
        return body_of(values["body_bytes"])
