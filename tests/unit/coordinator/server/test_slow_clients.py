"""Clients that send little, late or nothing. One server for all tests; they need no root and no database."""

import contextlib
import socket
import subprocess
import sys
import time

import pytest

from coordinator.server.limits import WORKER_BODY_BYTES
from tests.host_noise import in_windows
from tests.unit.coordinator.server.served import SHORT

THREADS = 2
BEAT = "/api/v1/worker/blocks/b/attempts/1/heartbeat"
PATIENCE_S = 20.0
PROMPT_S = 0.8 * SHORT.head_s
"""A request that waited for one of the slow clients would take at least the limit of these."""


@pytest.fixture(scope="module")
def address():
    with socket.create_server(("127.0.0.1", 0), backlog=512) as listener:
        argv = ["--worker-class", "tests.unit.coordinator.server.served.ShortWorker", "--threads", str(THREADS)]
        argv += ["--bind", f"fd://{listener.fileno()}", "--no-control-socket", "--graceful-timeout", "1"]
        argv += ["--no-sendfile", "--keep-alive", "5", "tests.unit.coordinator.server.served:app"]
        server = subprocess.Popen([sys.executable, "-m", "gunicorn", *argv], pass_fds=[listener.fileno()])
        yield listener.getsockname()
        server.terminate()
        assert server.wait(60) == 0


@contextlib.contextmanager
def clients(address, count, data=b""):
    """``count`` connections that have each sent ``data``."""
    with contextlib.ExitStack() as exits:
        made = [exits.enter_context(socket.create_connection(address, PATIENCE_S)) for _ in range(count)]
        for one in made:
            one.sendall(data)
        yield made


def request(path, body=b"", *, method="GET", **headers):
    fields = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    return f"{method} {path} HTTP/1.1\r\nHost: x\r\n{fields}\r\n".encode() + body


def answer(connection):
    """The first line of the answer; empty if the server closes without one."""
    with contextlib.suppress(ConnectionError):
        return connection.recv(65536).split(b"\r\n", 1)[0].decode()
    return ""


def ask(address, path="/healthz", **more):
    """(status line, seconds) of one request on a new connection."""
    began = time.monotonic()
    with clients(address, 1, request(path, **more)) as (one,):
        return answer(one), time.monotonic() - began


def closed_after(connection):
    """What the server still sends, and the seconds until it closes."""
    began, received = time.monotonic(), b""
    with contextlib.suppress(ConnectionError):
        while piece := connection.recv(65536):
            received += piece
    return received, time.monotonic() - began


def until(connection, ending):
    """Everything up to ``ending``."""
    received = b""
    while not received.endswith(ending):
        piece = connection.recv(65536)
        assert piece, received
        received += piece
    return received


BODY_BEGUN = request("/sign-in", b"a=", method="POST", Content_Length=1000)


@pytest.mark.parametrize(
    "begun",
    [b"", b"POST /sign-in HTTP/1.1\r\nHost: x\r\nX-", BODY_BEGUN],
    ids=["silent", "within the head", "within the body"],
)
@in_windows
def test_clients_that_do_not_finish_delay_no_other(address, begun):
    with clients(address, 60, begun):
        for path in ("/healthz", "/campaigns"):
            times_s = sorted(ask(address, path)[1] for _ in range(20))
            assert times_s[-2] < PROMPT_S, f"{path}: {times_s}"


@in_windows
def test_a_dribble_does_not_extend_the_deadline(address):
    with clients(address, 1, BODY_BEGUN) as (one,):
        began = time.monotonic()
        with contextlib.suppress(ConnectionError):
            while time.monotonic() - began < PATIENCE_S:
                one.sendall(b"x")
                time.sleep(0.1)
        assert time.monotonic() - began < SHORT.body_s + SHORT.linger_s + 1.5


@in_windows
def test_a_late_request_is_answered_and_a_silent_connection_just_closed(address):
    with clients(address, 1, b"GET / HT") as (late,), clients(address, 1) as (silent,):
        received, after_s = closed_after(late)
        assert received.startswith(b"HTTP/1.1 408 ")
        assert after_s < SHORT.head_s + 1.5
        assert closed_after(silent)[0] == b""


@in_windows
def test_long_requests_of_users_delay_neither_workers_nor_health_checks(address):
    with clients(address, 3 * THREADS, request("/slow")) as slow:
        for path in ("/healthz", BEAT):
            line, took_s = ask(address, path, Authorization="Bearer right")
            assert "200" in line
            assert took_s < PROMPT_S
        assert all("200" in answer(one) for one in slow)


@in_windows
def test_a_large_body_is_refused_before_it_is_read(address):
    for path, length, status in (
        ("/sign-in", 5000, "413"),
        (BEAT, WORKER_BODY_BYTES + 1, "413"),
        (BEAT, WORKER_BODY_BYTES, "401"),  # by the application, without a token
    ):
        line, took_s = ask(address, path, method="POST", Content_Length=length)
        assert status in line, path
        assert took_s < PROMPT_S


@in_windows
def test_large_bodies_that_do_not_come_keep_no_user_and_no_heartbeat_waiting(address):
    upload = request(BEAT, b"x", method="PUT", Content_Length=1 << 20, Authorization="Bearer right")
    with clients(address, 20, upload) as uploads:
        for path in ("/healthz", "/campaigns", BEAT):
            assert ask(address, path, Authorization="Bearer right")[1] < PROMPT_S, path
        assert "200" not in answer(uploads[0])


def test_a_large_body_that_comes_is_read(address):
    for body in (b"x" * 1000, b"x" * (3 << 20)):
        with clients(address, 1) as (one,):
            head = {"Content_Length": len(body), "Authorization": "Bearer right"}
            one.sendall(request(BEAT.replace("heartbeat", "report"), body, method="PUT", **head))
            assert until(one, b"\r\n\r\n" + str(len(body)).encode()).startswith(b"HTTP/1.1 200 ")
    chunked = request(BEAT, b"5\r\nhello\r\n0\r\n\r\n", method="PUT", Transfer_Encoding="chunked",
                      Authorization="Bearer right")  # fmt: skip
    with clients(address, 1, chunked) as (one,):
        until(one, b"\r\n\r\n5")


def test_a_client_that_does_not_read_its_answer_is_given_up(address):
    with clients(address, 2 * THREADS, request("/large")):
        deadline = time.monotonic() + PATIENCE_S
        time.sleep(0.2)  # until the threads wait for these clients
        line, _ = ask(address, "/campaigns")
        assert "200" in line
        assert time.monotonic() < deadline


@in_windows
def test_a_client_that_does_not_close_after_its_answer_delays_no_other(address):
    """gunicorn's own graceful close waits 2 s in the event loop for each."""
    with clients(address, 10, request("/healthz", Connection="close")) as kept:
        assert all("200" in answer(one) for one in kept)
        assert ask(address)[1] < PROMPT_S


def test_a_connection_is_used_again_and_pipelined_requests_are_answered_in_order(address):
    two = request("/a", b"xx", method="POST", Content_Length=2) + request("/b", b"xxx", method="POST", Content_Length=3)
    with clients(address, 1, two) as (one,):
        assert b"\r\n\r\n2HTTP/1.1 200 OK" in until(one, b"\r\n\r\n3")
        one.sendall(request("/c"))
        assert "200" in answer(one)


def test_more_connections_than_the_server_keeps_make_the_oldest_go(address):
    with clients(address, 1100), clients(address, 1, b"GET / HT"):
        assert "200" in ask(address)[0]


def test_a_client_that_asks_before_it_sends_its_body(address):
    with clients(address, 1, request("/x", method="POST", Content_Length=2, Expect="100-continue")) as (one,):
        assert answer(one) == "HTTP/1.1 100 Continue"
        one.sendall(b"xx")
        until(one, b"\r\n\r\n2")  # after gunicorn's own 100, which clients ignore
