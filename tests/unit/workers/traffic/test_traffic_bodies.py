"""Bodies are correct: the origin's bytes follow their definition, and each workload detects a changed byte."""

import hashlib
import http.client
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

import pytest

from tests.unit.workers.traffic.traffic_rig import SANITIZED, good, load, origin, target

PERIOD = 65_521
LETTERS = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"


def pattern(length: int) -> bytes:
    """The pattern as body.c defines it: the upper six bits of xorshift64 as letters, with a prime period."""
    x, period = 0x9E3779B97F4A7C15, bytearray()
    for _ in range(min(length, PERIOD)):
        x ^= x << 13 & 0xFFFFFFFFFFFFFFFF
        x ^= x >> 7
        x ^= x << 17 & 0xFFFFFFFFFFFFFFFF
        period.append(LETTERS[x >> 58])
    return bytes(period * (length // PERIOD + 1))[:length]


@pytest.mark.parametrize("length", [0, 1, 128, PERIOD - 1, PERIOD, PERIOD + 1, 3_000_000])
def test_the_origin_sends_the_pattern(length: int) -> None:
    with (
        origin(name=SANITIZED) as server,
        closing(http.client.HTTPConnection("127.0.0.1", server.ports["http"], timeout=60)) as connection,
    ):
        connection.request("GET", f"/bytes/{length}")
        body = connection.getresponse().read()
    assert len(body) == length
    assert hashlib.sha256(body).digest() == hashlib.sha256(pattern(length)).digest()


@contextmanager
def changing_relay(port: int, change: Callable[[bytes], bytes], service: str) -> Iterator[int]:
    """A relay in front of the origin that changes the answers; yields its port."""
    kind = socket.SOCK_DGRAM if service == "udp" else socket.SOCK_STREAM
    with socket.socket(socket.AF_INET, kind) as listener:
        listener.bind(("127.0.0.1", 0))
        stream = kind == socket.SOCK_STREAM
        if stream:
            listener.listen(16)
        serve = _relay_streams if stream else _relay_datagrams
        thread = threading.Thread(target=serve, args=(listener, port, change), daemon=True)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            if stream:
                listener.shutdown(socket.SHUT_RDWR)
            else:
                with socket.socket(socket.AF_INET, kind) as end:
                    end.sendto(b"end", listener.getsockname())
            thread.join()


def _relay_streams(listener: socket.socket, port: int, change: Callable[[bytes], bytes]) -> None:
    def copy(source: socket.socket, sink: socket.socket, edit: Callable[[bytes], bytes]) -> None:
        try:
            while data := source.recv(65536):
                sink.sendall(edit(data))
        except OSError:
            pass  # the generator closes the connection after a wrong answer
        for one in (source, sink):
            with closing(one):
                pass

    while True:
        try:
            client, _ = listener.accept()
        except OSError:
            return
        server = socket.create_connection(("127.0.0.1", port))
        for arguments in ((client, server, bytes), (server, client, change)):
            threading.Thread(target=copy, args=arguments, daemon=True).start()


def _relay_datagrams(listener: socket.socket, port: int, change: Callable[[bytes], bytes]) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.connect(("127.0.0.1", port))
        while True:
            data, peer = listener.recvfrom(65536)
            if data == b"end":
                return
            server.send(data)
            listener.sendto(change(server.recv(65536)), peer)


def flip_last(data: bytes) -> bytes:
    """Change one bit in the last byte of every piece: heads, frames and lengths stay valid."""
    return data[:-1] + bytes([data[-1] ^ 1])


def flip_token(data: bytes) -> bytes:
    """Change one letter in the text of every token."""
    return data.replace(b"data: 0", b"data: 9")


def flip_crc(data: bytes) -> bytes:
    """Change the hash in the answer to an upload."""
    head, found, tail = data.partition(b'"crc32c":"')
    return head + found + (bytes([tail[0] ^ 1]) + tail[1:] if tail else b"")


CASES = [
    ("http_keepalive", "http", flip_last, ("--body-bytes", "128")),
    ("http_churn", "http", flip_last, ("--body-bytes", "128")),
    ("bulk_download", "http", flip_last, ("--body-bytes", "200000")),
    ("bulk_upload", "http", flip_crc, ("--body-bytes", "5000")),
    ("tcp_rr", "tcp", flip_last, ()),
    ("udp_rr", "udp", flip_last, ()),
    ("stream", "http", flip_token, ("--tokens", "3", "--cadence-us", "1000")),
]


@pytest.mark.parametrize(("workload", "service", "change", "options"), CASES, ids=[case[0] for case in CASES])
@pytest.mark.parametrize("honest", [True, False])
def test_a_changed_byte_is_corrupt(
    workload: str, service: str, change: Callable[[bytes], bytes], options: tuple[str, ...], honest: bool
) -> None:
    common = ("--workload", workload, "--closed", "--connections", "2", "--duration-ms", "150", *options)
    edit = bytes if honest else change
    with origin(name=SANITIZED) as server, changing_relay(server.ports[service], edit, service) as port:
        if honest:
            run = good(*common, "--target", target(port), name=SANITIZED)
            assert (run.one["errors"], run.one["requests"] > 0) == ({}, True)
        else:
            run = load(*common, "--target", target(port), name=SANITIZED)
            assert set(run.one["errors"]) == {"corrupt"}
            assert (run.code, run.one["requests"]) == (1, 0)
