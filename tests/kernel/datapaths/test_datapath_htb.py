"""The datapath htb on the real kernel, whole and broken on purpose."""

from pathlib import Path

import pytest

from domain.trials.trial import Reason
from tests.kernel.datapaths.faults import (
    BY_DEVICES,
    PART_GONE,
    PART_GONE_FIRST,
    STEERING_GONE,
    STEERING_GONE_FIRST,
    Facts,
    Fault,
    Faults,
    flush_rules,
)
from tests.kernel.datapaths.shape_rig import assert_shapes, shaped
from tests.kernel.datapaths.test_datapath_tbf import delete_qdisc
from tests.variants import DATAPATHS

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("kernel")]

FAULTS: Faults = {
    **BY_DEVICES,
    STEERING_GONE_FIRST: Fault(flush_rules, Reason.LEAKED),
    STEERING_GONE: Fault(flush_rules, Reason.LEAKED),
    PART_GONE_FIRST: Fault(delete_qdisc, Reason.DATAPATH_FAILED),
    PART_GONE: Fault(delete_qdisc, Reason.DATAPATH_FAILED),
}
FACTS = Facts(routes=True)


@pytest.mark.parametrize("ip_version", [4, 6])
def test_it_holds_the_rate_of_each_client(tmp_path: Path, ip_version: int) -> None:
    with shaped(DATAPATHS["htb"], tmp_path, ip_version) as (lab, attachment):
        assert_shapes(lab, attachment)
