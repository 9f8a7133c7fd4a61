"""nginx over TLS on the lab's origin port: the origin of ``https`` (HTTP/1.1) and ``h2`` (HTTP/2, by ALPN).

It speaks TLS 1.3 with a self-signed P-256 certificate, one per lab, kept in the lab's run directory. Sessions are
never resumed. Preflight verifies the certificate, so that another lab's origin cannot answer in its place.
"""

import socket
import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path

from workers.lab import netns
from workers.lab.addresses import endpoint
from workers.lab.endpoints import ClientEndpoint
from workers.origins.base import Answer, Greeting, OriginError, ask_over
from workers.origins.nginx import NginxOrigin

_PREFLIGHT_S = 1.0
_TLS = """\
        ssl_certificate {directory}/cert.pem;
        ssl_certificate_key {directory}/key.pem;
        ssl_protocols TLSv1.3;
        ssl_session_cache off;
        ssl_session_tickets off;
"""


@dataclass
class TlsNginxOrigin(NginxOrigin):
    """nginx in ``lab``'s server namespace over TLS, with HTTP/2 and HTTP/1.1, or HTTP/1.1 only."""

    http2: bool = False

    def start(self) -> None:
        """Make the certificate and start nginx. Raises ``OSError`` or :class:`OriginError`."""
        make_certificate(self.lab.run_dir, self.lab.server_address)
        super().start()

    def listening(self) -> tuple[str, str]:
        """See :class:`NginxOrigin`."""
        return " ssl http2" if self.http2 else " ssl", _TLS.format(directory=self.lab.run_dir)

    def greet(self, client: ClientEndpoint | None = None) -> Greeting:
        """Ask as the lab's client, and compare one whole body. Raises ``OSError`` or :class:`OriginError`.

        ``client`` is unused: the generators of TLS workloads have one client only.
        """
        address, _, label = self._ask("/whoami").body.partition(" ")
        answer = self._ask("/")
        bodies = [answer.body.encode()] + ([self._body_over_h2()] if self.http2 else [])
        if address == self.lab.client_endpoint.expected_source and any(body != self.body for body in bodies):
            raise OriginError("the origin sent a wrong body over TLS")
        return Greeting(address, label, answer.total_bytes)

    def _ask(self, path: str) -> Answer:
        lab = self.lab
        context = ssl.create_default_context(cafile=str(lab.run_dir / "cert.pem"))

        def ask() -> Answer:
            where = lab.client_endpoint.address, lab.client_endpoint.port
            with (
                socket.create_connection(where, timeout=_PREFLIGHT_S) as plain,
                context.wrap_socket(plain, server_hostname=lab.server_address) as connection,
            ):
                return ask_over(connection, endpoint(lab.server_address, lab.origin_port), path)

        return netns.call_in(lab.client_endpoint.netns, ask)

    def _body_over_h2(self) -> bytes:
        client = self.lab.client_endpoint
        url = f"https://{endpoint(client.address, client.port)}/"
        try:
            return netns.run_in(client.netns, ["nghttp", "--no-verify-peer", "--timeout=1", url]).encode()
        except subprocess.SubprocessError as error:
            raise ConnectionError(f"no answer over HTTP/2: {error}") from error


def make_certificate(directory: Path, address: str) -> None:
    """Write ``key.pem`` and ``cert.pem``, self-signed and valid for two days. Raises :class:`OriginError`."""
    argv = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
            "-keyout", str(directory / "key.pem"), "-out", str(directory / "cert.pem"), "-days", "2",
            "-subj", "/CN=showdown-origin", "-addext", f"subjectAltName=IP:{address}"]  # fmt: skip
    try:
        netns.run_program(argv)
    except (OSError, subprocess.SubprocessError) as error:
        detail = (getattr(error, "stderr", "") or str(error)).strip()
        raise OriginError(f"no certificate: {detail[-300:]}") from error
