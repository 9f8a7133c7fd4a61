"""A link that is damaged does what networks do, and is whole afterwards."""

import contextlib
import socket
import struct
import time
from collections.abc import Iterator

import pytest

from tests.faults.links import Damage, Link
from tests.servers import serving

SILENCE_S = 0.2


@pytest.fixture
def link() -> Iterator[Link]:
    """A link to a server that sends back what it gets."""

    def echo(connection: socket.socket) -> None:
        with connection, contextlib.suppress(ConnectionError):
            while data := connection.recv(4096):
                connection.sendall(data)

    with serving(echo) as port, Link(lambda: ("127.0.0.1", port)) as link:
        yield link


def client(link: Link) -> socket.socket:
    return socket.create_connection(("127.0.0.1", link.port), timeout=5)


def asked(connection: socket.socket, text: bytes = b"hello") -> bytes:
    connection.sendall(text)
    return connection.recv(4096)


def is_unheard(connection: socket.socket) -> bool:
    connection.settimeout(SILENCE_S)
    with pytest.raises(TimeoutError):
        asked(connection)
    return True


def is_refused(link: Link) -> bool:
    """A new connection is reset, at once or when it is used."""
    with pytest.raises(ConnectionError), client(link) as connection:
        asked(connection)
    return True


def test_a_whole_link_forwards_both_ways_and_the_end(link: Link) -> None:
    with client(link) as connection:
        assert asked(connection) == b"hello"
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(4096) == b""
    assert link.stopped == 0


def test_resets_end_connections_and_new_ones(link: Link) -> None:
    with client(link) as before:
        assert asked(before) == b"hello"
        link.suffer(Damage.RESET)
        with pytest.raises(ConnectionResetError):
            before.recv(4096)
    assert is_refused(link)
    assert link.stopped == 2
    link.suffer(Damage.NONE)
    with client(link) as after:
        assert asked(after) == b"hello"


def test_in_silence_nobody_hears_and_who_spoke_stays_unheard(link: Link) -> None:
    with client(link) as speaker, client(link) as listener:
        assert asked(speaker) == asked(listener) == b"hello"
        link.suffer(Damage.SILENT)
        assert is_unheard(speaker)
        with client(link) as during:
            assert is_unheard(during)
            link.suffer(Damage.NONE)
            assert is_unheard(during)
        assert is_unheard(speaker)
        assert asked(listener) == b"hello", "no byte of it was lost"
    assert link.stopped == 2
    with client(link) as after:
        assert asked(after) == b"hello"


def test_a_link_to_a_server_that_is_away_resets(link: Link) -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    with Link(lambda: ("127.0.0.1", port)) as nowhere:
        assert is_refused(nowhere)


def test_a_silent_connection_that_its_peer_resets_does_not_keep_the_link_from_closing(link: Link) -> None:
    with client(link) as connection:
        assert asked(connection) == b"hello"
        link.suffer(Damage.SILENT)
        assert is_unheard(connection)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    time.sleep(SILENCE_S)  # for the reset to arrive; the fixture then closes the link
