"""gunicorn's threaded worker, in which only complete requests occupy a thread.

gthread reads head and body in a thread, without a deadline: eight silent clients stop it. Here the event loop collects
each request, up to its deadline. Large bodies have a lane of threads of their own. Workers' requests and health checks
have reserved lanes, so users' long requests do not delay a heartbeat.
"""

import errno
import gc
import resource
import socket
import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from selectors import EVENT_READ
from typing import Any

from gunicorn.workers.gthread import ThreadWorker

from coordinator.server.connection import Connection
from coordinator.server.framing import TOO_SLOW, Lane, Stage
from coordinator.server.limits import Limits

LIMITS = Limits()
_RESERVED_THREADS = {Lane.WORKERS: 4, Lane.UPLOADS: 4, Lane.HEALTH: 1}
_PIECE_BYTES = 1 << 16
_EXPIRE_EACH_S = 0.25
_SPARE_CONNECTIONS = 10
_FILES = 4096
_DRAIN_S = 0.05  # an unread body: the connection is closed, and no thread reads what the application did not want


class DeadlineWorker(ThreadWorker):  # type: ignore[misc]
    """``--worker-class`` of ``showdown coordinator serve``."""

    limits = LIMITS

    def init_process(self) -> None:
        """Called by gunicorn after the fork; it ends with :meth:`run`."""
        self._collecting: dict[Connection, None] = {}  # in the order of their beginning
        self._lingering: dict[Connection, None] = {}
        self._expire_at = 0.0
        self._lanes = {
            lane: ThreadPoolExecutor(threads, thread_name_prefix=lane.value)
            for lane, threads in _RESERVED_THREADS.items()
        }
        _allow_files(_FILES)
        super().init_process()

    def run(self) -> None:
        """The event loop, until the worker is to stop."""
        # The application lives as long as the process, so the collector need not look at its objects again. A report of
        # the largest campaign takes a seventh less CPU time.
        gc.collect()
        gc.freeze()
        super().run()
        for conn in [*self._collecting, *self._lingering]:
            conn.close()
        for pool in self._lanes.values():
            pool.shutdown(wait=False)

    def accept(self, listener: socket.socket) -> None:
        """Take a connection, and collect its first request; the oldest idle one makes room."""
        if self.nr_conns >= self.worker_connections - _SPARE_CONNECTIONS:
            self._close_oldest()
        try:
            sock, client = listener.accept()
        except OSError as error:
            if error.errno in {errno.EMFILE, errno.ENFILE}:
                self._close_oldest()
            elif error.errno not in {errno.EAGAIN, errno.ECONNABORTED}:
                self.log.error("a connection could not be accepted: %s", error)
            return
        self.nr_conns += 1
        self._collect(Connection(self.cfg, sock, client, listener.getsockname(), self.limits))

    def on_client_socket_readable(self, conn: Connection, client: socket.socket) -> None:
        """A kept connection brings its next request."""
        self.poller.unregister(client)
        self.keepalived_conns.remove(conn)
        self._collect(conn)

    def enqueue_req(self, conn: Connection) -> None:
        """Run a request in its lane."""
        conn.hand_over()
        pool: ThreadPoolExecutor = self._lanes.get(conn.framing.lane) or self.tpool
        pool.submit(self.handle, conn).add_done_callback(
            lambda future: self.method_queue.defer(self.finish_request, conn, future)
        )

    def finish_request(self, conn: Connection, future: "Future[bool]") -> None:
        """Called in the event loop after a request: close the connection, or wait for its next request."""
        if future.cancelled() or future.exception() is not None or not future.result():
            self._linger(conn)
            return
        conn.sock.setblocking(False)
        conn.begin()
        if not conn.is_silent:
            self._watch(conn)
            return
        conn.set_timeout()
        self.keepalived_conns.append(conn)
        self.poller.register(conn.sock, EVENT_READ, partial(self.on_client_socket_readable, conn))

    def murder_pending(self) -> None:
        """Called by gunicorn in each round: end what is too slow."""
        now = time.monotonic()
        if now < self._expire_at:
            return
        self._expire_at = now + _EXPIRE_EACH_S
        for conn in [conn for conn in self._collecting if conn.deadline <= now or (conn.is_silent and not self.alive)]:
            # A browser opens connections in advance: a silent one ends without an answer.
            if not conn.is_silent:
                conn.refuse(TOO_SLOW)
            self._forget(conn)
            self._linger(conn)
        for conn in [conn for conn in self._lingering if conn.deadline <= now]:
            self._close(conn)

    def _keepalive_after(self, conn: Connection, keepalive: bool) -> bool:
        return keepalive and bool(conn.parser.finish_body(deadline=time.monotonic() + _DRAIN_S))

    def _collect(self, conn: Connection) -> None:
        conn.sock.setblocking(False)
        conn.begin()
        self._watch(conn)

    def _watch(self, conn: Connection) -> None:
        """Wait for the rest of the request, which has perhaps arrived already."""
        self._collecting[conn] = None
        self.poller.register(conn.sock, EVENT_READ, partial(self._on_piece, conn))
        self._proceed(conn)

    def _on_piece(self, conn: Connection, _sock: Any) -> None:
        if conn not in self._collecting:  # closed earlier in this round
            return
        try:
            piece = conn.sock.recv(_PIECE_BYTES)
            if piece:
                conn.feed(piece)
        except BlockingIOError:
            return
        except OSError:
            piece = b""
        if piece:
            self._proceed(conn)
        else:
            self._forget(conn)
            self._close(conn)

    def _proceed(self, conn: Connection) -> None:
        stage = conn.framing.stage
        if stage in {Stage.HEAD, Stage.BODY}:
            return
        self._forget(conn)
        if conn.framing.refusal is not None:
            conn.refuse(conn.framing.refusal)
            self._linger(conn)
        else:
            self.enqueue_req(conn)

    def _forget(self, conn: Connection) -> None:
        self._collecting.pop(conn, None)
        with suppress(KeyError, ValueError):
            self.poller.unregister(conn.sock)

    def _linger(self, conn: Connection) -> None:
        """Close as RFC 9112 section 9.6 asks, without waiting: gunicorn's own way blocks the event loop for 2 s."""
        try:
            conn.sock.setblocking(False)
            conn.sock.shutdown(socket.SHUT_WR)
            self.poller.register(conn.sock, EVENT_READ, partial(self._on_leftover, conn))
        except (OSError, ValueError):
            self._close(conn)
            return
        conn.deadline = time.monotonic() + self.limits.linger_s
        self._lingering[conn] = None

    def _on_leftover(self, conn: Connection, _sock: Any) -> None:
        if conn not in self._lingering:
            return
        try:
            piece = conn.sock.recv(_PIECE_BYTES)
        except BlockingIOError:
            return
        except OSError:
            piece = b""
        conn.drained_bytes += len(piece)
        if not piece or conn.drained_bytes > _PIECE_BYTES:
            self._close(conn)

    def _close(self, conn: Connection) -> None:
        self._lingering.pop(conn, None)
        with suppress(KeyError, ValueError):
            self.poller.unregister(conn.sock)
        self.nr_conns -= 1
        conn.close()

    def _close_oldest(self) -> None:
        """Make room: idle connections end before those that send, and the oldest first."""
        conn = next((conn for waiting in (self._lingering, self._collecting) for conn in waiting), None)
        if conn is None:
            if not self.keepalived_conns:
                return
            conn = self.keepalived_conns.popleft()
        self._forget(conn)
        self._close(conn)


def _allow_files(wanted: int) -> None:
    with suppress(OSError, ValueError):  # a hardened service may not: then fewer connections wait at once
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        limit = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        if soft != resource.RLIM_INFINITY and soft < limit:
            resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
