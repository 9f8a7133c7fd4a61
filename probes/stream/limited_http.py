"""urllib3 connections with a limit on the whole time of a request.

urllib3's timeouts are for each read, so a server that sends one byte a second keeps its client for hours.
"""

import io
import time
from functools import partial
from http.client import HTTPResponse
from typing import Any

from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection


def limit_requests(manager: PoolManager, limit_s: float) -> None:
    """Requests of this pool end with a ``ReadTimeoutError`` after ``limit_s``, from connecting to the last byte."""
    plain = type("Connection", (_Limited, HTTPConnection), {"limit_s": limit_s})
    tls = type("TlsConnection", (_Limited, HTTPSConnection), {"limit_s": limit_s})
    manager.pool_classes_by_scheme = {
        "http": type("Pool", (HTTPConnectionPool,), {"ConnectionCls": plain}),
        "https": type("TlsPool", (HTTPSConnectionPool,), {"ConnectionCls": tls}),
    }


class _Limited:
    """Part of a connection class: its responses end at a deadline that its request has set."""

    limit_s = 0.0
    response_class: Any
    _deadline = 0.0

    def request(self, *args: Any, **options: Any) -> None:
        self._deadline = time.monotonic() + self.limit_s
        super().request(*args, **options)  # type: ignore[misc]

    def getresponse(self) -> Any:
        self.response_class = partial(_Response, deadline=self._deadline)
        return super().getresponse()  # type: ignore[misc]


class _Response(HTTPResponse):
    def __init__(self, sock: Any, *args: Any, deadline: float, **options: Any) -> None:
        super().__init__(sock, *args, **options)
        buffered: Any = self.fp
        self.fp = io.BufferedReader(_LimitedReads(buffered.detach(), sock, deadline))


class _LimitedReads(io.RawIOBase):
    def __init__(self, raw: io.RawIOBase, sock: Any, deadline: float) -> None:
        self._raw, self._sock, self._deadline = raw, sock, deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left_s = self._deadline - time.monotonic()
        if left_s <= 0:
            raise TimeoutError("timed out")
        if self._sock.fileno() >= 0:  # closed already if this is the connection's last response; the reads go on
            self._sock.settimeout(left_s)
        return self._raw.readinto(buffer)

    def close(self) -> None:
        if not self.closed:
            self._raw.close()
        super().close()
