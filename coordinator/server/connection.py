"""A connection that never keeps a thread waiting for a slow client without a deadline."""

import json
import socket
import time
from typing import Any

from gunicorn.config import Config
from gunicorn.http.parser import RequestParser
from gunicorn.http.unreader import SocketUnreader
from gunicorn.workers.gthread import TConn

from coordinator.server.framing import Refusal, RequestFraming, Stage
from coordinator.server.limits import Limits

# Most answers then fit into the kernel's buffer, and no thread waits for a client that reads slowly.
_SEND_BUFFER_BYTES = 1 << 20


class CollectedRequest(SocketUnreader):  # type: ignore[misc]
    """What the event loop has collected; only an upload reads more from the socket, until its deadline."""

    def __init__(self, sock: socket.socket) -> None:
        super().__init__(sock)
        self.deadline: float | None = None

    def chunk(self, size_hint: int | None = None) -> bytes:
        """The next piece of an upload; nothing for a request that was collected. Raises ``TimeoutError``."""
        if self.deadline is None:
            return b""
        remaining_s = self.deadline - time.monotonic()
        if remaining_s <= 0:
            raise TimeoutError("the body did not arrive in time")
        before = self.sock.gettimeout()
        self.sock.settimeout(remaining_s)
        try:
            return bytes(super().chunk(size_hint))
        finally:
            self.sock.settimeout(before)


class Connection(TConn):  # type: ignore[misc]
    """gunicorn's connection, with the request that is being collected and its deadline."""

    parser: Any

    def __init__(self, cfg: Config, sock: socket.socket, client: Any, server: Any, limits: Limits) -> None:
        super().__init__(cfg, sock, client, server)
        self.limits = limits
        self.data_ready = True  # handle() must not wait for data: the event loop does
        self.deadline = 0.0
        self.drained_bytes = 0
        self._request = CollectedRequest(sock)
        self.framing = RequestFraming(limits)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)

    @property
    def is_silent(self) -> bool:
        """True until the first byte of a request."""
        return not self.framing.data

    def begin(self) -> None:
        """Expect a new request; what the last one left in the buffer is its beginning."""
        rest = self._request.take_buffered()
        self._request.deadline = None
        self.framing = RequestFraming(self.limits)
        self.deadline = time.monotonic() + self.limits.head_s
        if rest:
            self.feed(rest)

    def feed(self, piece: bytes) -> None:
        """Add what has arrived. The body has a deadline that begins with the end of the head."""
        was = self.framing.stage
        self.framing.feed(piece)
        if was is Stage.HEAD and self.framing.stage is Stage.BODY:
            self.deadline = time.monotonic() + self.limits.body_s
            if self.framing.waits_for_continue:
                self.sock.send(b"HTTP/1.1 100 Continue\r\n\r\n")

    def hand_over(self) -> None:
        """Give the request to gunicorn's parser, before a thread runs it."""
        self._request.unread(self.framing.data)
        if self.framing.stage is Stage.UPLOAD:
            self._request.deadline = time.monotonic() + self.limits.upload_s

    def init(self) -> None:
        """Called by gunicorn in the thread, before it reads the request; ``sendall`` takes the timeout as a total."""
        self.sock.settimeout(self.limits.send_s)
        if self.parser is None:
            self.parser = RequestParser(self.cfg, self.sock, self.client)
            self.parser.unreader = self._request
        self.initialized = True

    def refuse(self, refusal: Refusal) -> None:
        """Answer without the application. It fits into the kernel's buffer, so it does not block."""
        body = json.dumps({"message": refusal.message, "problems": []}, allow_nan=False).encode()
        head = f"HTTP/1.1 {refusal.status} {refusal.reason}\r\nContent-Type: application/json\r\n"
        try:
            self.sock.send(f"{head}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body)
        except OSError:
            return  # the client has gone
