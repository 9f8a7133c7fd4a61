"""Origins as people have them: each answers GET with ten bytes in its own way. All run in one thread.

``ORIGINS`` is the table: what each does, and what the generator must report of it.
"""

import asyncio
import contextlib
import queue
import socket
import struct
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

BODY = b"0123456789"


class Connection:
    """One connection that an origin accepted; ``index`` counts the origin's connections, ``served`` its answers."""

    def __init__(self, plain: socket.socket, index: int) -> None:
        self.plain, self.index, self.served = plain, index, 0
        self._loop = asyncio.get_running_loop()

    async def request(self) -> bool:
        """Read a whole request; false if the client has closed."""
        data = b""
        while b"\r\n\r\n" not in data:
            if not (piece := await self._loop.sock_recv(self.plain, 65536)):
                return False
            data += piece
        return True

    async def send(self, *pieces: bytes, pause_s: float = 0.0) -> None:
        """Send each piece in a packet, with pauses between them."""
        for number, piece in enumerate(pieces):
            if number:
                await asyncio.sleep(pause_s)
            await self._loop.sock_sendall(self.plain, piece)

    async def send_with_fin(self, data: bytes) -> None:
        """Send the data and the end of the connection in one packet."""
        self.plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
        await self._loop.sock_sendall(self.plain, data)
        self.plain.shutdown(socket.SHUT_WR)

    async def reset(self) -> None:
        """End the connection by a reset."""
        self.plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.plain.close()


Answer = Callable[[Connection], Awaitable[None]]


def head(*fields: str, status: str = "HTTP/1.1 200 OK") -> bytes:
    return "\r\n".join((status, *fields, "", "")).encode()


def length(size: int = 10) -> str:
    return f"Content-Length: {size}"


PLAIN = head(length()) + BODY
CHUNKED = head("Transfer-Encoding: chunked")


def sends(*pieces: bytes, pause_s: float = 0.0) -> Answer:
    """Answers by these packets and keeps the connection."""

    async def answer(connection: Connection) -> None:
        await connection.send(*pieces, pause_s=pause_s)

    return answer


def closes(data: bytes = b"") -> Answer:
    """Answers and closes."""

    async def answer(connection: Connection) -> None:
        if data:
            await connection.send(data)
        connection.plain.close()

    return answer


def ends_with_every(count: int, data: bytes = PLAIN) -> Answer:
    """The packet with every ``count``-th answer of a connection carries its FIN, which no header announced."""

    async def answer(connection: Connection) -> None:
        if connection.served % count == 0:
            await connection.send_with_fin(data)
        else:
            await connection.send(data)

    return answer


def later(action: Callable[[Connection], Awaitable[None]], pause_s: float = 0.001) -> Answer:
    """Answers, and does something to the idle connection after a pause."""

    async def answer(connection: Connection) -> None:
        await connection.send(PLAIN)
        await asyncio.sleep(pause_s)
        await action(connection)

    return answer


async def reset_in_body(connection: Connection) -> None:
    await connection.send(head(length()) + BODY[:4])
    await connection.reset()


@dataclass(frozen=True)
class Odd:
    """One origin: its answers, the errors that must follow, and what else must be seen.

    ``errors``: these and no others; none means that every request succeeds. ``may``: errors that may follow, since the
    client's request and the server's end can cross on the wire. ``closed_idle``: the peer closed idle connections.
    ``greets``: what it does with every second connection, before a request.
    """

    answer: Answer
    errors: frozenset[str] = frozenset()
    may: frozenset[str] = frozenset()
    closed_idle: bool = False
    greets: Answer | None = None


def _bad(cause: str, answer: Answer) -> Odd:
    return Odd(answer, errors=frozenset({cause}))


CROSSED = frozenset({"short", "reset"})

ORIGINS: dict[str, Odd] = {
    "plain": Odd(sends(PLAIN)),
    "in_pieces": Odd(sends(*(PLAIN[at : at + 6] for at in range(0, len(PLAIN), 6)))),
    "head_then_body": Odd(sends(head(length()), BODY, pause_s=0.001)),
    "chunked": Odd(sends(CHUNKED + b"a\r\n" + BODY + b"\r\n0\r\n\r\n")),
    "chunk_extension": Odd(sends(CHUNKED + b"3;a=b\r\n012\r\n7\r\n3456789\r\n0\r\nX: y\r\n\r\n")),
    "chunk_zeros": Odd(sends(CHUNKED + b"0000A\r\n" + BODY + b"\r\n000\r\n\r\n")),
    "chunks_apart": Odd(sends(CHUNKED, b"a\r\n0123", b"456789\r", b"\n0\r\n\r\n")),
    "length_and_chunked": Odd(
        sends(head(length(99), "Transfer-Encoding: chunked") + b"a\r\n" + BODY + b"\r\n0\r\n\r\n")
    ),
    "until_close": Odd(closes(head() + BODY)),
    "until_close_with_fin": Odd(ends_with_every(1, head() + BODY)),
    "http_1_0": Odd(closes(head(length(), status="HTTP/1.0 200 OK") + BODY)),
    "http_1_0_kept": Odd(sends(head(length(), "Connection: keep-alive", status="HTTP/1.0 200 OK") + BODY)),
    "announces_close": Odd(closes(head(length(), "Connection: close") + BODY)),
    "announces_close_in_list": Odd(closes(head(length(), "connection: Upgrade, Close") + BODY)),
    "announces_close_and_waits": Odd(sends(head(length(), "Connection: close") + BODY)),
    "fin_with_every_answer": Odd(ends_with_every(1), closed_idle=True),
    "fin_with_every_third": Odd(ends_with_every(3), closed_idle=True),
    "closes_when_idle": Odd(later(closes()), may=CROSSED),
    "resets_when_idle": Odd(later(Connection.reset), may=CROSSED),
    "closes_at_accept": Odd(sends(PLAIN), may=CROSSED, closed_idle=True, greets=closes()),
    "times_out_idle": Odd(
        sends(PLAIN), may=CROSSED, closed_idle=True, greets=closes(head(length(0), status="HTTP/1.1 408 Timeout"))
    ),
    "interim": Odd(sends(head(status="HTTP/1.1 100 Continue") + PLAIN)),
    "interim_apart": Odd(sends(head("Link: </a>", status="HTTP/1.1 103 Early Hints"), PLAIN, pause_s=0.001)),
    "interims": Odd(sends(*[head(status="HTTP/1.1 102 Processing")] * 3, PLAIN, pause_s=0.0005)),
    "long_head_that_fits": Odd(sends(head(length(), *["Set-Cookie: " + "x" * 680] * 10) + BODY)),
    "length_twice": Odd(sends(head(length(), length()) + BODY)),
    "length_list": Odd(sends(head("Content-Length: 10, 10") + BODY)),
    "folded": Odd(sends(head("X: a", "\tb", " c", length()) + BODY)),
    "bare_line_feeds": Odd(sends(PLAIN.replace(b"\r\n", b"\n"))),
    "no_reason": Odd(sends(head(length(), status="HTTP/1.1 200") + BODY)),
    "small_letters": Odd(sends(head("content-length:10") + BODY)),
    "nothing": _bad("short", closes()),
    "short": _bad("short", closes(head(length()) + BODY[:4])),
    "short_with_fin": _bad("short", ends_with_every(1, head(length()) + BODY[:4])),
    "half_a_head": _bad("short", closes(PLAIN[:20])),
    "resets_in_body": _bad("reset", reset_in_body),
    "status_503": _bad("status", sends(head(length(), status="HTTP/1.1 503 Busy") + BODY)),
    "status_204": _bad("status", sends(head(status="HTTP/1.1 204 No Content"))),
    "status_302": _bad("status", sends(head("Location: /", length(0), status="HTTP/1.1 302 Found"))),
    "status_101": _bad("status", sends(head("Upgrade: h2c", status="HTTP/1.1 101 Switching Protocols"))),
    "wrong_byte": _bad("corrupt", sends(head(length()) + b"01234X6789")),
    "shorter": _bad("corrupt", sends(head(length(9)) + BODY[:9])),
    "longer": _bad("corrupt", sends(head(length(11)) + BODY + b"x")),
    "surplus": _bad("corrupt", sends(PLAIN + b"more")),
    "other_protocol": _bad("corrupt", sends(b"220 mail.example ESMTP\r\n")),
    "http_2": _bad("corrupt", sends(bytes.fromhex("000000040000000000"))),
    "two_lengths": _bad("corrupt", sends(head(length(), length(11)) + BODY)),
    "two_lengths_in_list": _bad("corrupt", sends(head("Content-Length: 10, 11") + BODY)),
    "space_before_colon": _bad("corrupt", sends(head("Content-Length : 10") + BODY)),
    "folded_length": _bad("corrupt", sends(head("Content-Length: 1", " 0") + BODY)),
    "unknown_coding": _bad("corrupt", sends(head("Transfer-Encoding: gzip") + BODY)),
    "bad_chunk": _bad("corrupt", sends(CHUNKED + b"zz\r\n")),
    "head_of_9000": _bad("long_head", sends(head(length(), *["Set-Cookie: " + "x" * 880] * 10) + BODY)),
    "head_of_60000": _bad("long_head", sends(head("Set-Cookie: " + "x" * 60_000, length()) + BODY)),
    "never": _bad("timeout", sends()),
    "stalls": _bad("timeout", sends(head(length()) + BODY[:4])),
    "endless_chunks": _bad("timeout", sends(CHUNKED + b"a\r\n" + BODY + b"\r\n")),
}


async def _serve(plain: socket.socket, index: int, odd: Odd) -> None:
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection = Connection(plain, index)
    with contextlib.suppress(OSError, ValueError), plain:  # the generator closes a connection that misbehaves
        if odd.greets and index % 2:
            await odd.greets(connection)
        while plain.fileno() >= 0 and await connection.request():
            connection.served += 1
            await odd.answer(connection)


async def _listen(listener: socket.socket, odd: Odd) -> None:
    tasks = set()
    for index in range(1_000_000):
        plain, _ = await asyncio.get_running_loop().sock_accept(listener)
        plain.setblocking(False)
        task = asyncio.create_task(_serve(plain, index, odd))
        tasks.add(task)
        task.add_done_callback(tasks.discard)


@contextmanager
def running(odd: dict[str, Odd]) -> Iterator[dict[str, int]]:
    """Run origins; yields their ports by name."""
    listeners = {name: socket.create_server(("127.0.0.1", 0), backlog=128) for name in odd}
    started: queue.SimpleQueue[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = queue.SimpleQueue()

    async def serve() -> None:
        ended = asyncio.Event()
        for listener in listeners.values():
            listener.setblocking(False)
        tasks = [asyncio.create_task(_listen(listeners[name], one)) for name, one in odd.items()]
        started.put((asyncio.get_running_loop(), ended))
        await ended.wait()
        del tasks  # asyncio.run() cancels whatever runs

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    loop, ended = started.get()
    try:
        yield {name: listener.getsockname()[1] for name, listener in listeners.items()}
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join()
        for listener in listeners.values():
            listener.close()
