"""The datapath tproxy broken on purpose; its other tests are those of test_datapath_proxied."""

import re
from pathlib import Path

import pytest

from domain.trials.trial import Reason
from tests.kernel.bench import HeldNamespaces, assert_nothing_left, bench, new_tag
from tests.kernel.datapaths.faults import (
    BY_DEVICES,
    BY_PROXY,
    BY_RELAY,
    BY_RULES,
    DATAGRAMS_UNSTEERED,
    YES,
    Facts,
    Fault,
    Faults,
    Traits,
    flush_rules,
)
from workers.datapaths.base import DatapathError
from workers.datapaths.lib import haproxy
from workers.datapaths.tproxy import Tproxy
from workers.lab.cleanup import CleanupRegister
from workers.lab.lab import built
from workers.lab.spec import LabSpec

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("kernel")]

FAULTS: Faults = {
    **BY_PROXY,
    **BY_DEVICES,
    **BY_RULES,
    **BY_RELAY,
    DATAGRAMS_UNSTEERED: Fault(flush_rules, Reason.LEAKED),
}
FACTS = Facts(delivers_locally_by_mark=True)
TRAITS: Traits = {
    "client_address": YES,
    "original_destination": YES,
    "udp": YES,
    "half_close": YES,
    "large_bodies": YES,
    "proxy_restart": YES,
    "fails_closed": YES,
    "connection_state": YES,
    "l7_visible": YES,
}


def test_a_killed_proxy_closes_the_path(tmp_path: Path) -> None:
    with bench(Tproxy(), tmp_path) as b:
        assert b.get() == 1
        next(p for p in b.lab.processes if p.task_role == "proxy").kill()
        assert b.get(timeout_s=0.3) == 0
        assert len(b.clients_seen(1)) == 1
        with pytest.raises(DatapathError, match="haproxy ended"):
            b.counters()
        assert _packets(b.in_dut("nft", "list", "counter", "ip", "showdown", "past")) > 0
        assert b.attachment.path.leaked_packets() == 0, "the rule itself drops; the closed path is the second barrier"


def test_flushed_rules_stop_established_connections_too(tmp_path: Path) -> None:
    with bench(Tproxy(), tmp_path) as b, b.connection() as established:
        b.in_dut("nft", "flush", "table", "ip", "showdown")
        steered = b.counters().packets
        established.sendall(b"GET / HTTP/1.1\r\nHost: origin\r\n\r\n")
        with pytest.raises(TimeoutError):
            established.recv(100)
        assert b.clients_seen() == []
        assert b.counters().packets == steered


def test_a_flushed_ruleset_is_a_datapath_that_is_gone(tmp_path: Path) -> None:
    with bench(Tproxy(), tmp_path) as b:
        b.in_dut("nft", "flush", "ruleset")
        assert b.get(timeout_s=0.3) == 0
        assert b.clients_seen() == []
        with pytest.raises(DatapathError, match="nft"):
            b.counters()


def test_a_proxy_that_does_not_start_leaves_nothing_attached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(haproxy, "CONFIG", "this is no configuration\n")
    tag = new_tag()
    with built(LabSpec(tag, "tproxy", 0), CleanupRegister(tmp_path)) as lab:
        held = HeldNamespaces(*lab.namespaces)
        with pytest.raises(DatapathError, match="did not start"), Tproxy().attached(lab):
            pytest.fail("must not be attached")
        assert lab.processes == []
    assert_nothing_left(tag, held, tmp_path)


def _packets(listing: str) -> int:
    found = re.search(r"packets (\d+)", listing)
    assert found, listing
    return int(found[1])
