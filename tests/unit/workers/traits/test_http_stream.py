"""The stream of bytes within HTTP: what one end sends is what the other one gets, whichever side ends first."""

import socket
import threading
from collections.abc import Iterator

import pytest

from workers.traits._http import ANSWERING, ASKING, HttpStream
from workers.traits._rig import receive

LARGE = bytes(range(256)) * 4000


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        for one in (ours, theirs):
            one.settimeout(5)
        yield ours, theirs


def test_both_directions_are_open_at_the_same_time(ends: tuple[socket.socket, socket.socket]) -> None:
    client, origin = HttpStream(ends[0], ASKING), HttpStream(ends[1], ANSWERING)
    for word in (b"one", b"two"):
        client.sendall(word)
        assert receive(origin, 3) == word
        origin.sendall(word * 2)
        assert receive(client, 6) == word * 2


@pytest.mark.parametrize("first", ["client", "origin"])
def test_the_side_that_ended_gets_the_rest_of_the_other(ends: tuple[socket.socket, socket.socket], first: str) -> None:
    client, origin = HttpStream(ends[0], ASKING), HttpStream(ends[1], ANSWERING)
    client.sendall(b"order")
    assert receive(origin, 5) == b"order"
    ended, other = (client, origin) if first == "client" else (origin, client)
    ended.sendall(b"last")
    ended.shutdown(socket.SHUT_WR)
    assert receive(other, 100) == b"last"
    sender = threading.Thread(target=lambda: (other.sendall(LARGE), other.close()))
    sender.start()
    assert receive(ended, len(LARGE) + 1) == LARGE
    sender.join()


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n", "the answer has status 503"),
        (b"SSH-2.0-OpenSSH\r\n\r\n", "HTTP: "),
        (b"", "HTTP: "),
    ],
    ids=["refused", "not HTTP", "closed"],
)
def test_an_answer_that_is_none_is_an_error(
    ends: tuple[socket.socket, socket.socket], answer: bytes, words: str
) -> None:
    client = HttpStream(ends[0], ASKING)
    client.sendall(b"order")
    ends[1].sendall(answer)
    ends[1].shutdown(socket.SHUT_WR)
    with pytest.raises(ConnectionError, match=words):
        client.recv(10)


def test_a_body_that_is_cut_off_is_an_error(ends: tuple[socket.socket, socket.socket]) -> None:
    client, origin = HttpStream(ends[0], ASKING), HttpStream(ends[1], ANSWERING)
    client.sendall(b"order")
    assert receive(origin, 5) == b"order"
    ends[0].close()
    with pytest.raises(ConnectionError):
        origin.recv(10)


def test_the_address_that_a_gateway_reports_is_read(ends: tuple[socket.socket, socket.socket]) -> None:
    origin = HttpStream(ends[1], ANSWERING)
    head = b"POST / HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 198.18.0.2\r\nContent-Length: 1\r\n\r\n"
    ends[0].sendall(head + b"o")
    assert (receive(origin, 1), origin.forwarded_for) == (b"o", "198.18.0.2")


def test_what_is_sent_behind_the_end_is_an_error(ends: tuple[socket.socket, socket.socket]) -> None:
    client = HttpStream(ends[0], ASKING)
    client.sendall(b"order")
    client.shutdown(socket.SHUT_WR)
    with pytest.raises(ConnectionError, match="HTTP: "):
        client.sendall(b"more")
