"""The datapath proxy_lb on the real kernel, broken on purpose; its other tests are those of test_datapath_balance."""

from pathlib import Path

import pytest

from domain.trials.trial import Reason
from tests.kernel.bench import answered, bench
from tests.kernel.datapaths.faults import BY_DEVICES, BY_PROXY, STEERING_GONE, Facts, Fault, Faults, flush_rules
from tests.variants import DATAPATHS
from workers.datapaths.base import DatapathError

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("kernel")]

FAULTS: Faults = {
    **BY_PROXY,
    **BY_DEVICES,
    STEERING_GONE: Fault(flush_rules, Reason.LEAKED),
}
FACTS = Facts(delivers_locally_by_mark=True, origins_in_turn=True)


def test_a_killed_proxy_closes_the_path(tmp_path: Path) -> None:
    with bench(DATAPATHS["proxy_lb"], tmp_path) as b:
        with b.connection() as one:
            next(p for p in b.lab.processes if p.task_role == "proxy").kill()
            assert not answered(one, timeout_s=0.3)
        assert b.get(timeout_s=0.3) == 0
        assert b.clients_seen() == []
        with pytest.raises(DatapathError, match="proxy_lb: haproxy ended"):
            b.counters()


def test_flushed_rules_close_the_path(tmp_path: Path) -> None:
    with bench(DATAPATHS["proxy_lb"], tmp_path) as b:
        b.in_dut("nft", "flush", "table", "ip", "showdown")
        assert b.get(timeout_s=0.3) == 0
        assert b.clients_seen() == []
        assert b.counters().leaked_packets > 0
