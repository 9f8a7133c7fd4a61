"""nginx over TLS on the lab's origin port: the origin of ``https`` (HTTP/1.1) and ``h2`` (HTTP/2, by ALPN).

It speaks TLS 1.3 with the lab's certificate. Preflight verifies it, so that another lab's origin cannot answer in its
place. Behind a datapath that terminates TLS the origin is plain nginx instead.
"""

import subprocess
from dataclasses import dataclass, replace

from workers.lab import certificates, netns
from workers.lab.addresses import endpoint
from workers.lab.endpoints import ClientEndpoint
from workers.origins.base import Greeting, OriginError, ask_in
from workers.origins.nginx import NginxOrigin

_TLS = """\
        ssl_certificate {certificate.server};
        ssl_certificate_key {certificate.key};
        ssl_protocols TLSv1.3;
        ssl_session_cache off;
        ssl_session_tickets on;
"""


@dataclass
class TlsNginxOrigin(NginxOrigin):
    """nginx in ``lab``'s server namespace over TLS, with HTTP/2 and HTTP/1.1, or HTTP/1.1 only.

    ``unchecked``: the generator compares no bodies, so preflight compares one over HTTP/2 as well.
    """

    http2: bool = False
    unchecked: bool = False

    def start(self) -> None:
        """Make the certificate and start nginx. Raises ``OSError`` or :class:`OriginError`."""
        certificates.made_for(self.lab)
        super().start()

    def listening(self) -> tuple[str, str]:
        """See :class:`NginxOrigin`."""
        return " ssl http2" if self.http2 else " ssl", _TLS.format(certificate=certificates.of(self.lab))

    def greet(self, client: ClientEndpoint | None = None) -> Greeting:
        """Ask as a client of the lab, and compare one whole body. Raises ``OSError`` or :class:`OriginError`."""
        client = replace(client or self.lab.client_endpoint, authority=certificates.of(self.lab).authority)
        address, _, label = ask_in(client, "/whoami").body.partition(" ")
        answer = ask_in(client, "/")
        bodies = [answer.body.encode()] + ([_body_over_h2(client)] if self.http2 and self.unchecked else [])
        if address == client.expected_source and any(body != self.body for body in bodies):
            raise OriginError("the origin sent a wrong body over TLS")
        return Greeting(address, label, answer.total_bytes)


def _body_over_h2(client: ClientEndpoint) -> bytes:
    url = f"https://{endpoint(client.address, client.port)}/"
    try:
        return netns.run_in(client.netns, ["nghttp", "--no-verify-peer", "--timeout=1", url]).encode()
    except subprocess.SubprocessError as error:
        raise ConnectionError(f"no answer over HTTP/2: {error}") from error
