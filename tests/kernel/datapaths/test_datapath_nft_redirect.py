"""The datapath nft_redirect on the real kernel; its other tests are those of test_datapath_proxied."""

import time
from pathlib import Path

import pytest

from domain.trials.trial import Reason
from tests.kernel.bench import PATIENCE_S, bench
from tests.kernel.datapaths.faults import (
    BY_DEVICES,
    BY_PROXY,
    NO,
    STEERING_GONE,
    YES,
    Facts,
    Fault,
    Faults,
    Traits,
    flush_rules,
)
from tests.variants import DATAPATHS
from workers.datapaths import nft_redirect
from workers.datapaths.lib import haproxy

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("kernel")]

FAULTS: Faults = {
    **BY_PROXY,
    **BY_DEVICES,
    STEERING_GONE: Fault(flush_rules, Reason.LEAKED),
}
FACTS = Facts(keeps_client=False)
TRAITS: Traits = {
    "client_address": NO,
    "udp": NO,
    "original_destination": YES,
    "connection_state": YES,
    "l7_visible": YES,
}


def test_haproxy_takes_a_redirected_ipv6_client_for_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Why it carries IPv4 only: the kernel has the original destination, and HAProxy does not ask for it."""
    datapath = DATAPATHS["nft_redirect"]
    assert datapath.ip_versions == {4}
    monkeypatch.setattr(haproxy, "MAX_CONNECTIONS", 50)  # it connects to itself until it reaches the limit
    monkeypatch.setattr(nft_redirect, "RULES", nft_redirect.RULES.replace("ip daddr", "ip6 daddr"))
    with bench(datapath, tmp_path, ip_version=6) as b:
        assert b.get(timeout_s=0.5) == 0
        assert b.clients_seen() == []
        deadline = time.monotonic() + PATIENCE_S  # it goes on without the client, which may have left early
        while (b.counters().connections or 0) <= 10:
            assert time.monotonic() < deadline, b.counters()
            time.sleep(0.01)
