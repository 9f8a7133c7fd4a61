"""Collects one request from pieces, and says when a thread may run it. Pure: no socket, no clock.

It decides only *when* a request is handed over. gunicorn's parser judges what the request says, and never reads more
than what was collected here (except for uploads). So the two cannot disagree about where a request ends.
"""

from dataclasses import dataclass
from enum import Enum, auto

from coordinator.server.limits import GUARDED_PREFIXES, HEALTH_PATHS, WORKER_PREFIX, Limits, body_limit

_END = b"\r\n\r\n"


class Stage(Enum):
    """How much of a request has arrived."""

    HEAD = auto()
    BODY = auto()
    COMPLETE = auto()
    UPLOAD = auto()  # the head is here; a thread reads the large body
    REFUSED = auto()


class Lane(Enum):
    """The threads that run a request. Workers' requests never wait behind users', nor health checks behind either."""

    USERS = "users"
    WORKERS = "workers"
    UPLOADS = "uploads"
    HEALTH = "health"


@dataclass(frozen=True)
class Refusal:
    """An answer that needs no application."""

    status: int
    reason: str
    message: str


TOO_SLOW = Refusal(408, "Request Timeout", "the request did not arrive in time")
HEAD_TOO_LARGE = Refusal(431, "Request Header Fields Too Large", "the request's head is too large")
NO_LENGTH = Refusal(411, "Length Required", "send this request with a Content-Length")


class RequestFraming:
    """One request: :meth:`feed` it until :attr:`stage` is none of HEAD and BODY."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._data = bytearray()
        self._end = 0  # the length of head and body, once known
        self.stage = Stage.HEAD
        self.path = ""
        self.refusal: Refusal | None = None
        self.waits_for_continue = False

    @property
    def data(self) -> bytes:
        """Everything that has arrived, with what follows the request."""
        return bytes(self._data)

    @property
    def lane(self) -> Lane:
        """The threads that this request belongs to."""
        if self.stage is Stage.UPLOAD:
            return Lane.UPLOADS
        if self.path in HEALTH_PATHS:
            return Lane.HEALTH
        return Lane.WORKERS if self.path.startswith(WORKER_PREFIX) else Lane.USERS

    def feed(self, piece: bytes) -> None:
        """Add a piece that has arrived."""
        searched = max(0, len(self._data) - len(_END) + 1)
        self._data += piece
        if self.stage is Stage.HEAD:
            end = self._data.find(_END, searched)
            if end > self._limits.head_bytes or (end < 0 and len(self._data) > self._limits.head_bytes):
                self._refuse(HEAD_TOO_LARGE)
            elif end >= 0:
                self._end = end + len(_END)
                self._read_head(bytes(self._data[:end]))
        if self.stage is Stage.BODY and len(self._data) >= self._end:
            self.stage = Stage.COMPLETE

    def _read_head(self, head: bytes) -> None:
        first, *lines = head.decode("latin-1").split("\r\n")
        self.path = [*first.split(" "), ""][1].partition("?")[0]
        fields = [line.partition(":")[::2] for line in lines]
        headers = {name.strip().lower(): value.strip() for name, value in fields}
        length, coding = headers.get("content-length"), headers.get("transfer-encoding")
        if coding is not None:
            self.stage = Stage.UPLOAD
            if not self.path.startswith(GUARDED_PREFIXES):
                self._refuse(NO_LENGTH)
        elif length is None or not (length.isascii() and length.isdigit()):
            self.stage = Stage.COMPLETE  # no body, or a wrong head, which gunicorn's parser refuses
        else:
            self._expect(int(length[:20]), headers.get("expect", ""))

    def _expect(self, length_bytes: int, expect: str) -> None:
        limit_bytes = body_limit(self.path)
        if length_bytes > limit_bytes:
            self._refuse(Refusal(413, "Content Too Large", f"the body is larger than {limit_bytes} bytes"))
        elif length_bytes > self._limits.collected_bytes:
            self.stage = Stage.UPLOAD
        else:
            self._end += length_bytes
            self.stage = Stage.BODY
            self.waits_for_continue = expect.lower() == "100-continue" and len(self._data) < self._end

    def _refuse(self, refusal: Refusal) -> None:
        self.stage = Stage.REFUSED
        self.refusal = refusal
