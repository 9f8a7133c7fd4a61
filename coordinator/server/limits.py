"""How large and how slow a request may be. The application reads its own body limits from here."""

from dataclasses import dataclass

USER_BODY_BYTES = 1 << 20
REPORT_BODY_BYTES = 16 << 20
WORKER_BODY_BYTES = 2 << 20  # of all else that workers send: pages and submissions read what hosts say of themselves
OTHER_BODY_BYTES = 4096  # signing in and out, small forms
WORKER_PREFIX = "/api/v1/worker/"
# Here the application checks the credential before it reads the body. Nowhere else may a thread wait for a body.
GUARDED_PREFIXES = ("/api/v1/", "/campaigns")
HEALTH_PATHS = frozenset({"/healthz", "/readyz", "/api/v1/healthz"})


@dataclass(frozen=True)
class Limits:
    """Times are totals: a client that sends a byte now and then does not extend them."""

    head_bytes: int = 32 << 10
    # The event loop collects a body up to this size before it occupies a thread. A larger body is read by a thread of
    # the uploads' lane, after the application has checked the token.
    collected_bytes: int = 64 << 10
    head_s: float = 10.0
    body_s: float = 15.0
    upload_s: float = 60.0
    send_s: float = 15.0
    linger_s: float = 2.0  # a closed connection may still hold unread data, which would reset it


def body_limit(path: str) -> int:
    """The largest body, in bytes, that a request for ``path`` may have."""
    if path.startswith(WORKER_PREFIX):
        return REPORT_BODY_BYTES if path.endswith("/report") else WORKER_BODY_BYTES
    return USER_BODY_BYTES if path.startswith(GUARDED_PREFIXES) else OTHER_BODY_BYTES
