"""A conversation of bytes within one HTTP/1.1 request and its answer, for datapaths that carry HTTP only.

Both bodies are sent in chunks, and at the same time. The end of a body stands for the end of a side.
"""

import contextlib
import socket
from typing import Protocol, Self

import h11

ASKING = h11.Request(method="POST", target="/", headers=[("Host", "witness"), ("Transfer-Encoding", "chunked")])
ANSWERING = h11.Response(status_code=200, headers=[("Transfer-Encoding", "chunked"), ("Connection", "close")])
FORWARDED = b"x-forwarded-for"


class Stream(Protocol):
    """What a conversation needs of a connection: a ``socket.socket``, or an :class:`HttpStream`."""

    def sendall(self, data: bytes, /) -> None:
        """See ``socket.socket``, here and below. All of them raise ``OSError``."""

    def recv(self, bufsize: int, /) -> bytes:
        """Empty once the peer has ended its side."""

    def shutdown(self, how: int, /) -> None:
        """End this side (``SHUT_WR``), or both."""

    def settimeout(self, value: float | None, /) -> None:
        """In seconds, of each call."""

    def getsockname(self) -> tuple[str, int]:
        """Address and port; IPv6 has further parts."""

    def close(self) -> None:
        """End both sides."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...


class HttpStream:
    """The body that one end sends, and the one that it receives. The client asks, and the witness answers."""

    def __init__(self, connection: socket.socket, head: h11.Request | h11.Response) -> None:
        self._connection, self._head = connection, head
        self._http = h11.Connection(h11.CLIENT if isinstance(head, h11.Request) else h11.SERVER)
        self._received, self._ended, self._began = b"", False, False
        self.forwarded_for = ""
        """The client's address as a gateway reports it, once anything was received; else empty."""

    def sendall(self, data: bytes, /) -> None:
        """Send one chunk; the head goes before the first one."""
        self._send(h11.Data(data=data))

    def recv(self, bufsize: int, /) -> bytes:
        """A part of the other end's body. Raises ``OSError``, also for an answer that is an error."""
        while not self._received and not self._ended:
            self._take(self._next_event())
        data, self._received = self._received[:bufsize], self._received[bufsize:]
        return data

    def shutdown(self, how: int, /) -> None:
        """End the body, and then the side of the connection."""
        self._send(h11.EndOfMessage())
        self._connection.shutdown(how)

    def settimeout(self, value: float | None, /) -> None:
        """See ``socket.socket``."""
        self._connection.settimeout(value)

    def getsockname(self) -> tuple[str, int]:
        """See ``socket.socket``."""
        address, port, *_ = self._connection.getsockname()
        return address, port

    def close(self) -> None:
        """End the body if it has begun, and close the connection."""
        with contextlib.suppress(OSError):
            if self._began:
                self._send(h11.EndOfMessage())
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _send(self, event: h11.Data | h11.EndOfMessage) -> None:
        try:
            if not self._began:
                self._began = True
                self._connection.sendall(self._http.send(self._head) or b"")
            self._connection.sendall(self._http.send(event) or b"")
        except h11.ProtocolError as error:
            raise ConnectionError(f"HTTP: {error}") from error

    def _next_event(self) -> h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]:
        try:
            while (event := self._http.next_event()) is h11.NEED_DATA:
                self._http.receive_data(self._connection.recv(1 << 16))
        except h11.ProtocolError as error:
            raise ConnectionError(f"HTTP: {error}") from error
        return event

    def _take(self, event: object) -> None:
        match event:
            case h11.Response() if event.status_code != ANSWERING.status_code:
                raise ConnectionError(f"the answer has status {event.status_code}")
            case h11.Request():
                self.forwarded_for = dict(event.headers).get(FORWARDED, b"").decode()
            case h11.Data():
                self._received += bytes(event.data)
            case h11.EndOfMessage() | h11.ConnectionClosed() | h11.PAUSED:
                self._ended = True
