"""HAProxy as an AI gateway in the DUT: what the datapaths ``gateway_*`` share. They differ in how packets get to it.

It knows API keys and limits each one's requests per second. It routes by path and by the model that a request's head
names. It does not hold server-sent events back, and sends a request that an origin failed to a second one. It connects
to the origins from the DUT's address and shares its connections between clients. HTTP outside of :data:`COMPLETIONS`
passes without a key, to the first origin.

Limits hold for whole seconds of the gateway's clock: of one key's requests in a second, the first ``limit`` pass. So
what must be limited follows from what arrived, exactly; the gateway counts both.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import MappingProxyType

from domain.trials.counters import Counters
from domain.values.use import Use
from workers.datapaths.base import raised_by
from workers.datapaths.lib import haproxy, termination
from workers.datapaths.lib.proxied import Proxied
from workers.lab.addresses import endpoint
from workers.lab.endpoints import ClientEndpoint
from workers.lab.lab import Lab

COMPLETIONS = "/v1/"
"""Paths that need an API key and a model."""
KEYS: Mapping[str, int] = MappingProxyType({"k00": 20, **{f"k{number:02}": 40 for number in range(1, 16)}})
"""The API keys, and how many requests each may make in a second. The first one is used more than its limit allows."""
POOLS: Mapping[str, tuple[int, int]] = MappingProxyType({"small": (0, 1), "large": (2, 3)})
"""By model: the places of its two origins in the lab's list of addresses."""

EXCLUDES: Mapping[str, str] = MappingProxyType({"origins": "it routes its two models to two origins each"})
"""See ``Datapath.excludes``."""

CONFIG = """\
defaults
    mode http
    option contstats
    # Server-sent events: forward each piece at once.
    option http-no-delay
    retries 2
    option redispatch 1
    retry-on conn-failure empty-response response-timeout 503
    timeout connect 5s
    timeout client 1h
    timeout server 1h
    backlog 65535

backend quota
    stick-table type string len 48 size 100k expire 1h store gpc0

frontend steered
    bind {any_address}:{port}{transparent}%(tls)s
    maxconn {maxconn}
%(handshakes)s\
    acl completions path_beg %(completions)s
    http-request set-var(txn.key) http_auth_bearer if completions
    http-request set-var(txn.limit) var(txn.key),map_str_int(%(keys)s,0) if completions
    http-request deny deny_status 401 if completions !{{ var(txn.limit) -m int gt 0 }}
    http-request set-var-fmt(txn.bucket) "%%[var(txn.key)]/%%[date]" if completions
    http-request track-sc0 var(txn.bucket) table quota if completions
    # One step counts and reads, so that two threads never read the same number.
    http-request set-var(txn.over) sc_inc_gpc0(0),sub(txn.limit) if completions
%(limit)s
    http-request deny deny_status 404 if completions !{{ req.hdr(x-model) -m str %(models)s }}
    http-request set-header x-forwarded-for %%[src]
    use_backend model-%%[req.hdr(x-model)] if completions
    default_backend other

backend other
    server first %(first)s

%(pools)s
%(negotiated)s"""
LIMIT = "    http-request deny deny_status 429 if completions { var(txn.over) -m int gt 0 }"

_POOL = """\
backend model-{model}
    balance roundrobin
    http-reuse safe
    server {model}-0 {one}
    server {model}-1 {other}
"""
_COUNTED = re.compile(r"key=(\w+)/\d+ .*\bgpc0=(\d+)")


def virtual_endpoint(lab: Lab) -> ClientEndpoint:
    """The client connects to the virtual address; the origin sees the DUT."""
    return ClientEndpoint(lab.client_ns, lab.virtual_address, lab.origin_port, expected_source=lab.dut_server_address)


def tls_endpoint(lab: Lab) -> ClientEndpoint:
    """:func:`virtual_endpoint` of a gateway that terminates TLS."""
    return termination.endpoint(virtual_endpoint(lab), lab)


@dataclass(frozen=True)
class Gateway:
    """A running gateway. Its counters are cumulative since its start. With ``tls`` it terminates TLS."""

    proxy: haproxy.HaProxy
    tls: bool = False

    def connections_and_bytes(self) -> tuple[int, int]:
        """See :class:`workers.datapaths.lib.proxied.Proxy`."""
        return self.proxy.connections_and_bytes()

    def by_window(self) -> list[tuple[str, int]]:
        """An API key and its requests, once for each second in which it made some. Raises ``ProxyError``."""
        return [(key, int(count)) for key, count in _COUNTED.findall(self.proxy.command("show table quota"))]

    def answered(self) -> dict[str, tuple[int, int]]:
        """By model: requests answered with success, and requests sent once more. Raises ``ProxyError``."""
        rows = {row["pxname"]: row for row in self.proxy.statistics("-1 2 -1")}
        pools = {model: rows[f"model-{model}"] for model in POOLS}
        return {model: (int(row["hrsp_2xx"]), int(row["wretr"])) for model, row in pools.items()}

    def handshakes(self) -> dict[str, int] | None:
        """TLS handshakes by what was negotiated; ``None`` without TLS. Raises ``ProxyError``."""
        return termination.handshakes_at(self.proxy) if self.tls else None

    def denied(self) -> int:
        """Requests that it answered itself. Raises ``ProxyError``."""
        return sum(int(row["dreq"]) for row in self.proxy.statistics("-1 1 -1") if row["pxname"] == "steered")


def configuration(lab: Lab, *, tls: bool = False) -> str:
    """The configuration behind HAProxy's global section, with places for haproxy.Proxying's values.

    With ``tls`` it terminates TLS. Raises ``OSError``.
    """
    of_place = [endpoint(address, lab.origin_port) for address in lab.origin_addresses]
    pools = "\n".join(
        _POOL.format(model=model, one=of_place[one], other=of_place[other]) for model, (one, other) in POOLS.items()
    )
    return CONFIG % {
        "tls": termination.terminating(termination.TLS, lab, "http/1.1") if tls else "",
        "handshakes": termination.COUNT_HANDSHAKES if tls else "",
        "negotiated": termination.NEGOTIATED if tls else "",
        "completions": COMPLETIONS,
        "keys": lab.run_dir / "haproxy.keys",
        "limit": LIMIT.replace("{", "{{").replace("}", "}}"),
        "models": " ".join(POOLS),
        "first": of_place[0],
        "pools": pools,
    }


@contextmanager
def running(lab: Lab, *, transparent: bool, tls: bool = False) -> Iterator[Gateway]:
    """Run the gateway in the lab's DUT, from listening to stopped. With ``tls`` it terminates TLS.

    Raises ``ProxyError`` or ``OSError``, with nothing left.
    """
    keys = lab.run_dir / "haproxy.keys"
    keys.write_text("".join(f"{key} {limit}\n" for key, limit in KEYS.items()))
    keys.chmod(0o644)
    how = haproxy.Proxying(transparent=transparent, keeps_client=False, config=configuration(lab, tls=tls))
    with haproxy.running(lab, how) as proxy:
        yield Gateway(proxy, tls)


@dataclass(frozen=True)
class Gated:
    """An attachment in front of a gateway: counters of the steering, and the gateway's counts by name."""

    proxied: Proxied[Gateway]

    def counters(self) -> Counters:
        """Bytes are unknown: the gateway counts them without the framing of HTTP's chunks."""
        counters, gateway = self.proxied.counters(), self.proxied.proxy
        with raised_by(self.proxied.name):
            named, repeated = _named(gateway)
            update = {
                "bytes": None,
                "named": named,
                "refused_requests": gateway.denied(),
                "repeated_requests": repeated,
                "handshakes": gateway.handshakes(),
            }
        return counters.model_copy(update=update)

    def use(self) -> Use:
        """What the gateway has used."""
        with raised_by(self.proxied.name):
            return self.proxied.proxy.proxy.use()


def _named(gateway: Gateway) -> tuple[dict[str, int], int]:
    """Requests by API key, those that its limit must stop, and those that each model answered; requests sent again."""
    named = {f"{what} {key}": 0 for what in ("key", "limited") for key in KEYS}
    for key, count in gateway.by_window():
        named[f"key {key}"] += count
        named[f"limited {key}"] += max(0, count - KEYS[key])
    answered = gateway.answered()
    named |= {f"model {model}": count for model, (count, _) in answered.items()}
    return named, sum(again for _, again in answered.values())
