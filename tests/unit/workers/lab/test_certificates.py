"""The certificate of a lab: which authority verifies it, and which user may read its key."""

import socket
import ssl
import stat
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from workers.lab import certificates
from workers.lab.certificates import Certificate
from workers.lab.endpoints import ClientEndpoint


def serve_once(certificate: Certificate, listener: socket.socket, closed: threading.Event) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.server, certificate.key)
    plain, _ = listener.accept()
    with plain, suppress(OSError), context.wrap_socket(plain, server_side=True) as connection:
        while connection.recv(100):
            pass
        closed.wait(5)  # OpenSSL loses an answer that comes while the goodbye is being sent
        connection.sendall(b"all of it")


def asked(certificate: Certificate, authority: Path | None) -> bytes:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        closed = threading.Event()
        server = threading.Thread(target=serve_once, args=[certificate, listener, closed])
        server.start()
        client = ClientEndpoint("", "127.0.0.1", listener.getsockname()[1], "127.0.0.1", authority=authority)
        try:
            with client.connect(5) as connection:
                connection.sendall(b"hello")
                connection.shutdown(socket.SHUT_WR)
                closed.set()
                return connection.recv(100)
        finally:
            server.join()


def test_its_authority_verifies_it_and_no_other_does(tmp_path: Path) -> None:
    mine, other = (tmp_path / name for name in ("mine", "other"))
    for place in (mine, other):
        place.mkdir()
    certificate = certificates.make(mine, ["127.0.0.1", "::1"])
    assert asked(certificate, certificate.authority) == b"all of it", "the other direction goes on after a half-close"
    stranger = certificates.make(other, ["127.0.0.1"])
    with pytest.raises(ssl.SSLCertVerificationError):
        asked(certificate, stranger.authority)
    elsewhere = certificates.make(other, ["127.0.0.2"])
    with pytest.raises(ssl.SSLCertVerificationError, match="mismatch"):
        asked(elsewhere, elsewhere.authority)


def test_only_its_owner_may_read_the_key_and_the_authoritys_is_nowhere(tmp_path: Path) -> None:
    certificate = certificates.make(tmp_path, ["127.0.0.1"])
    assert stat.S_IMODE(certificate.key.stat().st_mode) == 0o600
    keys = [path for path in tmp_path.iterdir() if b"PRIVATE KEY" in path.read_bytes()]
    assert keys == [certificate.key]
