"""What the tests of slow clients serve: our worker with short limits, and an application that reads its body."""

import time

from coordinator.server.limits import Limits
from coordinator.server.worker import DeadlineWorker

SHORT = Limits(head_s=1.0, body_s=1.0, upload_s=1.0, send_s=1.0, linger_s=0.3)
LARGE_BYTES = 40 << 20


class ShortWorker(DeadlineWorker):
    limits = SHORT


def app(environ, start_response):
    """/slow takes a second, /large answers with much; /api/v1/ without a token is refused before its body is read."""
    path = environ["PATH_INFO"]
    if path == "/slow":
        time.sleep(1.0)
    if path.startswith("/api/v1/") and environ.get("HTTP_AUTHORIZATION") != "Bearer right":
        start_response("401 Unauthorized", [("Content-Length", "0")])
        return []
    size = len(environ["wsgi.input"].read())
    body = b"x" * LARGE_BYTES if path == "/large" else str(size).encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
