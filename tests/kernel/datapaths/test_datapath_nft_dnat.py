"""The datapath nft_dnat on the real kernel, broken on purpose; its other tests are those of test_datapath_balance."""

import socket
from pathlib import Path

import pytest

from domain.trials.trial import Reason
from tests.kernel.bench import answered, bench
from tests.kernel.datapaths.balance_rig import established
from tests.kernel.datapaths.faults import (
    BY_DEVICES,
    DATAGRAMS_UNSTEERED,
    STEERING_GONE,
    STEERING_GONE_FIRST,
    Facts,
    Fault,
    Faults,
    flush_rules,
)
from tests.variants import DATAPATHS
from workers.datapaths.base import DatapathError
from workers.lab import netns

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("kernel")]

FAULTS: Faults = {
    **BY_DEVICES,
    STEERING_GONE_FIRST: Fault(flush_rules, Reason.LEAKED),
    STEERING_GONE: Fault(flush_rules, Reason.LEAKED),
    # Conntrack goes on to translate the flows that it knows, and nothing accepts them in the forward hook.
    DATAGRAMS_UNSTEERED: Fault(flush_rules, Reason.ERRORS),
}
FACTS = Facts(translates=True, keeps_gone_origins=True)


def test_flushed_rules_close_the_path(tmp_path: Path) -> None:
    with bench(DATAPATHS["nft_dnat"], tmp_path) as b, established(b, 1) as connections:
        b.in_dut("nft", "flush", "table", "ip", "showdown")
        steered = b.counters().packets
        assert b.get(timeout_s=0.3) == 0
        assert len(b.clients_seen(1)) == 1
        assert b.counters().packets == steered
        assert b.counters().leaked_packets > 0
        # Connection tracking still translates what it knows.
        assert all(answered(one) for one in connections.values())


def test_without_its_table_nothing_passes(tmp_path: Path) -> None:
    with bench(DATAPATHS["nft_dnat"], tmp_path) as b:
        b.in_dut("nft", "delete", "table", "ip", "showdown")
        assert b.get(timeout_s=0.3) == 0
        with pytest.raises(DatapathError, match=r"counters are gone|No such file"):
            b.counters()


def test_the_guard_stops_what_was_not_translated(tmp_path: Path) -> None:
    with bench(DATAPATHS["nft_dnat"], tmp_path) as b:

        def ask_an_origin() -> int:
            with socket.socket() as client:
                client.settimeout(0.3)
                return client.connect_ex((b.lab.origin_addresses[1], b.lab.origin_port))

        before = b.lab.packets()
        assert netns.call_in(b.lab.client_ns, ask_an_origin) != 0
        assert b.lab.packets() == before, "the server must not hear of it"
        assert b.counters().leaked_packets > 0
