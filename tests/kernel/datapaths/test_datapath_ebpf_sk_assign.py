"""The datapath ebpf_sk_assign broken on purpose; its other tests are those of test_datapath_proxied."""

from pathlib import Path

import pytest

from domain.trials.trial import Reason
from tests.kernel.bench import bench
from tests.kernel.datapaths.faults import (
    BY_DEVICES,
    BY_PROGRAM,
    BY_PROXY,
    BY_RELAY,
    DATAGRAMS_UNSTEERED,
    LEFT_OPEN,
    Facts,
    Fault,
    Faults,
    detach_program,
    detach_programs,
)
from tests.variants import DATAPATHS
from workers.datapaths.base import Datapath

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("kernel")]

FAULTS: Faults = {
    **BY_PROXY,
    **BY_DEVICES,
    **BY_PROGRAM,
    LEFT_OPEN: Fault(detach_programs, Reason.BYPASSED),
    **BY_RELAY,
    DATAGRAMS_UNSTEERED: Fault(detach_program, Reason.LEAKED),
}
FACTS = Facts(delivers_locally_by_mark=True)


@pytest.fixture(scope="module")
def datapath() -> Datapath:
    return DATAPATHS["ebpf_sk_assign"]


def test_each_lab_counts_for_itself(datapath: Datapath, tmp_path: Path) -> None:
    with bench(datapath, tmp_path / "one") as one, bench(datapath, tmp_path / "two") as two:
        assert one.get(3) == 3
        assert two.counters().packets == 0
        assert one.counters().connections == 1
