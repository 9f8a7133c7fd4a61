"""What the datapaths share whose proxy terminates TLS: endpoint, configuration of the proxy, its count of handshakes.

HAProxy speaks TLS 1.3 with the lab's certificate, and plain HTTP with the origin. HTTP/1.1 passes as bytes, as in the
same datapath without TLS. HTTP/2 must be translated, request by request.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from domain.trials.counters import Counters
from domain.values.use import Use
from workers.datapaths.base import raised_by
from workers.datapaths.lib import haproxy
from workers.datapaths.lib.proxied import Proxied
from workers.lab import certificates
from workers.lab.endpoints import ClientEndpoint
from workers.lab.lab import Lab

_STEERED = haproxy.Proxying()

TLS = " ssl crt CERTIFICATE alpn PROTOCOLS ssl-min-ver TLSv1.3"
"""The words of a ``bind`` line that terminates TLS; see :func:`terminating`."""
COUNT_HANDSHAKES = """\
    # What was negotiated, as the generator reports it too. Session rules run once per connection, after the handshake.
    tcp-request session set-var(sess.cipher) ssl_fc_cipher
    tcp-request session set-var(sess.alpn) ssl_fc_alpn
    tcp-request session set-var(sess.resumed) ssl_fc_is_resumed
    tcp-request session track-sc1 ssl_fc_protocol,concat(;,sess.cipher),concat(;,sess.alpn),concat(;,sess.resumed) \
table negotiated
"""
"""Lines of a frontend with :data:`TLS`. They use the second counter of HAProxy (``sc1``)."""
NEGOTIATED = """\
backend negotiated
    stick-table type string len 96 size 64 store conn_cnt
"""
"""The table of :data:`COUNT_HANDSHAKES`."""

_CONFIG = f"""\
defaults
    mode tcp
    option contstats
    timeout connect 5s
    timeout client 1h
    timeout server 1h
    backlog 65535

frontend steered
    bind {{any_address}}:{{port}}{{transparent}}{TLS}
    maxconn {{maxconn}}
{COUNT_HANDSHAKES}    use_backend translated if {{{{ ssl_fc_alpn h2 }}}}
    default_backend origin

backend origin
{{source}}{{servers}}
backend translated
    mode http
{{source}}{{servers}}
{NEGOTIATED}"""


def endpoint(of_datapath: ClientEndpoint, lab: Lab) -> ClientEndpoint:
    """The endpoint of a datapath that terminates TLS, from that of the same one without."""
    return replace(of_datapath, authority=certificates.of(lab).authority)


def proxying(lab: Lab, how: haproxy.Proxying = _STEERED) -> haproxy.Proxying:
    """How the proxy is reached and connects, with TLS on the clients' side. Raises ``OSError``."""
    return replace(how, config=terminating(_CONFIG, lab, "h2,http/1.1"))


def terminating(config: str, lab: Lab, protocols: str) -> str:
    """A configuration with :data:`TLS`: the lab's certificate, and the protocols for ALPN. Raises ``OSError``."""
    server = certificates.made_for(lab).server
    return config.replace("CERTIFICATE", str(server)).replace("PROTOCOLS", protocols)


@dataclass(frozen=True)
class Terminating:
    """An attachment like any in front of a proxy, with the proxy's count of handshakes."""

    proxied: Proxied[haproxy.HaProxy]

    def counters(self) -> Counters:
        """The counters of the steering and of the proxy."""
        counters = self.proxied.counters()
        with raised_by(self.proxied.name):
            handshakes = handshakes_at(self.proxied.proxy)
        return counters.model_copy(update={"handshakes": handshakes})

    def use(self) -> Use:
        """What the proxy has used."""
        with raised_by(self.proxied.name):
            return self.proxied.proxy.use()


def handshakes_at(proxy: haproxy.HaProxy) -> dict[str, int]:
    """The handshakes that a proxy with :data:`COUNT_HANDSHAKES` has counted. Raises ``ProxyError``."""
    return handshakes_of(proxy.table("negotiated"))


def handshakes_of(rows: Mapping[str, int]) -> dict[str, int]:
    """The handshakes by the words in which the generator reports them, from the rows of HAProxy's table."""
    counts: dict[str, int] = {}
    for key, count in rows.items():
        *words, resumed = key.split(";")
        kind = " ".join([*filter(None, words), *(["resumed"] if resumed == "1" else [])])
        counts[kind] = counts.get(kind, 0) + count
    return counts
