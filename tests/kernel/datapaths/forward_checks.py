"""What every datapath that forwards past netfilter must do, as checks of a lab in which it is attached."""

import socket
from collections.abc import Callable, Mapping

import pytest

from bpf.layout import Fields
from tests.kernel.bench import PATIENCE_S, Bench
from workers.datapaths.lib import forwarding
from workers.lab import netns
from workers.lab.lab import Lab

ONLY_63 = "table ip watch { chain c { type filter hook input priority 0; ip protocol tcp ip ttl != 63 drop; }\n }\n"
NONE = "table ip watch { chain c { type filter hook prerouting priority raw; ip protocol tcp counter drop; }\n }\n"


def carries_and_counts(b: Bench) -> None:
    """Two connections with 25 requests: packets within their bounds, payload to the byte."""
    assert b.get(20) == 20
    assert b.get(5) == 5
    c = b.counters()
    assert c.packets is not None
    assert 25 <= c.packets <= 25 * 3 + 20
    assert c.connections == 2
    assert (c.leaked_packets, c.dropped_packets) == (0, 0)
    assert set(b.clients_seen(25)) == {b.lab.client_address}
    assert c.bytes == 25 * _response_bytes(b.lab)


def decrements_the_time_to_live(b: Bench) -> None:
    """As a router does, in both directions."""
    for role in ("client", "server"):
        netns.run_in(b.lab.netns_of(role), ["nft", "-f", "-"], stdin=ONLY_63)
    assert b.get(3) == 3


def ends_what_has_no_time_left(b: Bench) -> None:
    """As a router does: the packet is dropped, and counted as such."""

    def connect() -> int:
        with socket.socket() as client:
            client.settimeout(0.5)
            client.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, 1)
            return client.connect_ex((b.lab.server_address, b.lab.origin_port))

    assert netns.call_in(b.lab.client_ns, connect) != 0
    assert b.counters().dropped_packets > 0
    assert b.counters().packets == b.counters().leaked_packets == 0


def bypasses_netfilter(b: Bench) -> None:
    """No packet meets a rule of the DUT that would drop it."""
    netns.run_in(b.lab.dut_ns, ["nft", "-f", "-"], stdin=NONE)
    assert b.get(3) == 3
    assert "counter packets 0 bytes 0" in b.in_dut("nft", "list", "ruleset")


# The one that must find counters of zero comes first: what ends connections of another one may come late.
CHECKS: tuple[Callable[[Bench], None], ...] = (
    ends_what_has_no_time_left, carries_and_counts, decrements_the_time_to_live, bypasses_netfilter,
)  # fmt: skip


def misdirect(monkeypatch: pytest.MonkeyPatch, ifindex: int) -> None:
    """Configurations made from now on name a device towards the origin that is not there."""
    right = forwarding.config

    def wrong(lab: Lab) -> Fields:
        config = right(lab)
        neighbour = config["to_origin"]
        assert isinstance(neighbour, Mapping)
        return {**config, "to_origin": {**neighbour, "ifindex": ifindex}}

    monkeypatch.setattr(forwarding, "config", wrong)


def delivers_nothing_and_shows_it(b: Bench) -> None:
    """What the kernel does not deliver counts as dropped, although the program has counted it."""
    assert b.get(timeout_s=0.5) == 0
    assert b.clients_seen() == []
    assert b.counters().packets == 0
    assert b.counters().dropped_packets > 0


def _response_bytes(lab: Lab) -> int:
    def ask() -> int:
        with socket.create_connection((lab.server_address, lab.origin_port), timeout=PATIENCE_S) as client:
            client.sendall(b"GET / HTTP/1.1\r\nHost: origin\r\n\r\n")
            return len(client.recv(65536))

    return netns.call_in(lab.client_ns, ask)
