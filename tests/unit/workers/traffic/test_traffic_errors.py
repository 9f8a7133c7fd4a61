"""Errors by cause, against servers that misbehave."""

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.host_noise import in_windows
from tests.unit.workers.traffic.traffic_rig import SANITIZED, load, target

BODY = b"0123456789"


def head(length: int, status: str = "200 OK", more: str = "") -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {length}\r\n{more}\r\n".encode()


def whole(connection: socket.socket) -> None:
    connection.sendall(head(10) + BODY)


def short(connection: socket.socket) -> None:
    connection.sendall(head(10) + BODY[:4])
    connection.close()


def silent_close(connection: socket.socket) -> None:
    connection.close()


def reset(connection: socket.socket) -> None:
    connection.sendall(head(10) + BODY[:4])
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def status(connection: socket.socket) -> None:
    connection.sendall(head(10, "503 Busy") + BODY)


def corrupt(connection: socket.socket) -> None:
    connection.sendall(head(10) + b"01234X6789")


def shorter(connection: socket.socket) -> None:
    connection.sendall(head(9) + BODY[:9])


def longer(connection: socket.socket) -> None:
    connection.sendall(head(11) + BODY + b"x")


def surplus(connection: socket.socket) -> None:
    connection.sendall(head(10) + BODY + b"more")


def malformed(connection: socket.socket) -> None:
    connection.sendall(b"SMTP/1.1 200 OK\r\n\r\n")


def endless_head(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 4000)


def bad_chunk(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n")


def never(connection: socket.socket) -> None:
    del connection


def dripping(connection: socket.socket) -> None:
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for byte in b"HTTP/1.1 100 Continue\r\n\r\n" + head(10) + BODY:
        connection.sendall(bytes([byte]))


def chunked(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\n012\r\n7\r\n345")
    connection.sendall(b"6789\r\n0\r\nX: y\r\n\r\n")


def until_close(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n" + BODY)
    connection.close()


def closing(connection: socket.socket) -> None:
    connection.sendall(head(10, more="Connection: close\r\n") + BODY)
    connection.close()


@contextmanager
def server(answer: Callable[[socket.socket], None]) -> Iterator[int]:
    """A server that reads requests and answers each by ``answer``; yields its port."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    connections: list[socket.socket] = []

    def serve(connection: socket.socket) -> None:
        try:
            while connection.fileno() >= 0 and connection.recv(65536):
                answer(connection)
        except OSError:
            pass  # the generator closed the connection, as it should after most of these answers

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            connections.append(connection)
            threading.Thread(target=serve, args=(connection,), daemon=True).start()

    thread = threading.Thread(target=accept)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()
        for connection in connections:
            connection.close()


@pytest.fixture
def body_file(tmp_path) -> str:
    path = tmp_path / "body"
    path.write_bytes(BODY)
    return str(path)


BAD = {
    short: "short",
    silent_close: "short",
    reset: "reset",
    status: "status",
    corrupt: "corrupt",
    shorter: "corrupt",
    longer: "corrupt",
    surplus: "corrupt",
    malformed: "corrupt",
    endless_head: "long_head",
    bad_chunk: "corrupt",
    never: "timeout",
}


# Churn ignores bytes after the answer, because the connection ends and no request owns them.
@pytest.mark.parametrize(
    ("answer", "workload"),
    [(bad, w) for bad in BAD for w in ("http_keepalive", "http_churn") if (bad, w) != (surplus, "http_churn")],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_each_misbehaviour_has_its_cause(answer, workload: str, body_file: str) -> None:
    with server(answer) as port:
        run = load(
            *("--workload", workload, "--path", "/", "--check", f"file={body_file}", "--closed"),
            *("--connections", "2", "--duration-ms", "100", "--target", target(port)),
            *("--timeout-ms", "60" if answer is never else "5000"),
            name=SANITIZED,
        )
    result = run.one
    assert set(result["errors"]) == {BAD[answer]}
    assert result["sent"] == result["errors"][BAD[answer]] + result["in_flight"] > 0
    assert result["requests"] == 0
    assert run.code == 1
    assert f"most failed by: {BAD[answer]}" in run.err
    assert run.final["failure"] in run.err


@pytest.mark.parametrize("answer", [whole, dripping, chunked, until_close, closing], ids=lambda answer: answer.__name__)
@in_windows
def test_unusual_but_valid_answers_are_accepted(answer, body_file: str) -> None:
    with server(answer) as port:
        run = load(
            *("--workload", "http_keepalive", "--path", "/", "--check", f"file={body_file}", "--closed"),
            *("--connections", "2", "--duration-ms", "100", "--target", target(port)),
            name=SANITIZED,
        )
    assert (run.code, run.one["errors"]) == (0, {})
    assert run.one["requests"] == run.one["sent"] > 2


@in_windows
def test_udp_loss_and_damage_are_counted() -> None:
    """A relay drops, duplicates, delays and damages one in ten datagrams each."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    listener.bind(("127.0.0.1", 0))

    def relay() -> None:
        count, held = 0, b""
        while True:
            data, peer = listener.recvfrom(65536)
            if data == b"end":
                return
            count += 1
            if count % 10 == 1:
                continue  # lost
            if count % 10 == 3:
                held = data  # sent after the next one
                continue
            listener.sendto(data[:60] + b"!" + data[61:] if count % 10 == 6 else data, peer)
            if count % 10 == 4:
                listener.sendto(held, peer)
            if count % 10 == 8:
                listener.sendto(data, peer)  # duplicated

    thread = threading.Thread(target=relay)
    thread.start()
    try:
        run = load(
            *("--workload", "udp_rr", "--open", "1000", "--connections", "1", "--duration-ms", "200"),
            *("--timeout-ms", "100", "--target", target(listener.getsockname()[1])),
            name=SANITIZED,
        )
    finally:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as end:
            end.sendto(b"end", listener.getsockname())
        thread.join()
        listener.close()
    result = run.one
    assert (result["sent"], result["lost"], result["reordered"], result["duplicates"]) == (200, 20, 20, 20)
    assert result["errors"] == {"corrupt": 20}
    assert (result["requests"], run.final["slices"][0]["datagrams_reordered"]) == (160, 20)
