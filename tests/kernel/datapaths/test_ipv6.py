"""IPv6 through every datapath that says that it carries it: whole bodies, counted, seen as promised; and closed."""

import contextlib
import http.client
import random
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.kernel.bench import Bench, bench, detach_ingress
from tests.kernel.datapaths.test_datapath_proxied import kill_proxy
from tests.kernel.runner.breaking import detach_xdp
from tests.kernel.runner.test_block import measure, reasons
from tests.variants import DATAPATHS
from workers.datapaths import nft_redirect
from workers.datapaths.base import DatapathError
from workers.datapaths.lib import haproxy
from workers.lab import netns

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("kernel")]
IPV6 = {name: datapath for name, datapath in DATAPATHS.items() if 6 in datapath.ip_versions}
BODY = random.Random(6).randbytes(2_000_000)  # many segments, merged by the offloads


@pytest.mark.parametrize("name", IPV6)
def test_whole_bodies_arrive_are_counted_and_come_from_whom_it_promises(name: str, tmp_path: Path) -> None:
    with bench(DATAPATHS[name], tmp_path, ip_version=6) as b:
        (b.lab.run_dir / "large").write_bytes(BODY)

        def fetch() -> bytes:
            connection = http.client.HTTPConnection(
                b.lab.client_endpoint.address, b.lab.client_endpoint.port, timeout=5
            )
            with contextlib.closing(connection):
                connection.request("GET", "/large")
                return connection.getresponse().read()

        assert ":" in b.lab.client_endpoint.address
        assert netns.call_in(b.lab.client_endpoint.netns, fetch) == BODY
        assert b.get(20) == 20
        c = b.counters_with(len(BODY))
        assert c.packets is None or c.packets >= 20
        assert c.bytes is None or len(BODY) < c.bytes < len(BODY) * 1.05
        assert c.connections is None or c.connections == 2
        assert (c.leaked_packets, c.dropped_packets) == (0, 0)
        assert b.clients_seen(21) == [b.lab.client_endpoint.expected_source] * 21


def test_they_are_valid_side_by_side_with_proof(tmp_path: Path) -> None:
    for label, trial in measure(tmp_path, tuple(IPV6), ip_version=6).items():
        assert reasons(trial) == set(), (label, trial.validity)
        assert trial.proof is not None
        assert trial.proof.accounted >= 0.99


def detach_tc(b: Bench) -> None:
    assert detach_ingress(b.lab, "dut_client") == 1


def detach_from_driver(b: Bench) -> None:
    detach_xdp(b.lab)


def flush_rules(b: Bench) -> None:
    b.in_dut("nft", "flush", "table", "ip6", "showdown")


FAULTS: dict[Callable[[Bench], None], tuple[str, ...]] = {
    kill_proxy: (
        *("tproxy", "tproxy_syn", "explicit_proxy", "proxy_lb", "splice_proxy", "ebpf_sk_assign", "ebpf_sk_assign_syn"),
        *("ebpf_sk_lookup", "ebpf_connect", "ebpf_sockmap", "ebpf_sockops"),
    ),
    detach_tc: ("ebpf_redirect", "ebpf_redirect_peer", "ebpf_sk_assign", "ebpf_sk_assign_syn", "ebpf_lb"),
    detach_from_driver: ("ebpf_xdp", "ebpf_xdp_lb"),
    flush_rules: ("tproxy", "tproxy_syn", "nft_dnat", "proxy_lb", "splice_proxy", "ebpf_sockmap"),
}


@pytest.mark.parametrize(
    ("name", "fault"),
    [pytest.param(name, fault, id=f"{name}-{fault.__name__}") for fault, names in FAULTS.items() for name in names],
)
def test_a_broken_one_lets_nothing_through_and_shows(name: str, fault: Callable[[Bench], None], tmp_path: Path) -> None:
    with bench(DATAPATHS[name], tmp_path, ip_version=6) as b:
        assert b.get() == 1
        fault(b)
        assert b.get(timeout_s=0.3) == 0
        assert len(b.clients_seen(1)) == 1
        try:
            assert b.counters().leaked_packets > 0
        except DatapathError:
            assert fault is kill_proxy


def test_every_one_is_broken_once() -> None:
    assert {name for names in FAULTS.values() for name in names} == set(IPV6) - {"direct"}


def test_what_came_to_the_closed_path_is_counted_whichever_version_it_is(tmp_path: Path) -> None:
    with bench(DATAPATHS["ebpf_redirect"], tmp_path, ip_version=6) as b:
        other = b.lab.addresses[4]

        def knock() -> None:
            with contextlib.suppress(OSError), socket.create_connection((other.server, 80), timeout=0.2):
                pytest.fail("the other version's path is open")

        netns.call_in(b.lab.client_ns, knock)
        assert b.counters().leaked_packets > 0
        assert b.get() == 1


def test_haproxy_takes_an_ipv6_client_that_was_redirected_for_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Why nft_redirect carries IPv4 only: the kernel tells the original destination, and HAProxy does not ask."""
    datapath = DATAPATHS["nft_redirect"]
    assert datapath.ip_versions == {4}
    monkeypatch.setattr(haproxy, "MAX_CONNECTIONS", 50)  # it connects to itself until it may not any more
    rules = nft_redirect._RULES.replace("ip daddr", "ip6 daddr")
    monkeypatch.setattr(nft_redirect, "_RULES", rules)
    with bench(datapath, tmp_path, ip_version=6) as b:
        assert b.get(timeout_s=0.5) == 0
        assert b.clients_seen() == []
        assert (b.counters().connections or 0) > 10
