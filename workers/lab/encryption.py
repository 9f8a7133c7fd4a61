"""A client's connection over TLS, as the lab's own small clients make it. Generators have their own TLS."""

import socket
import ssl
from contextlib import suppress
from functools import lru_cache


class EncryptedSocket(ssl.SSLSocket):
    """A socket whose half-close says goodbye in TLS, as that of a stream does in TCP; the other direction goes on."""

    def shutdown(self, how: int) -> None:
        """See ``socket.shutdown``."""
        if how != socket.SHUT_WR:
            super().shutdown(how)
            return
        timeout_s = self.gettimeout()
        self.setblocking(False)  # the goodbye is sent, and the peer's is not waited for
        try:
            with suppress(ssl.SSLWantReadError):
                self.unwrap()
        finally:
            self.settimeout(timeout_s)


def encrypted(plain: socket.socket, address: str, authority: str) -> socket.socket:
    """``plain`` over TLS 1.3, once the certificate for ``address`` is verified by ``authority``. Raises ``OSError``."""
    return _context(authority).wrap_socket(plain, server_hostname=address)


@lru_cache(maxsize=64)
def _context(authority: str) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=authority)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.sslsocket_class = EncryptedSocket
    return context
