"""The datapath tbf on the real kernel, whole and broken on purpose."""

from pathlib import Path

import pytest

from domain.trials.trial import Reason
from tests.kernel.datapaths.faults import (
    PART_GONE,
    PART_GONE_FIRST,
    WRONG_DEVICES,
    Facts,
    Fault,
    Faults,
    Target,
    nothing,
)
from tests.kernel.datapaths.shape_rig import assert_shapes, shaped
from tests.variants import DATAPATHS
from workers.lab import netns

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("kernel")]


def delete_qdisc(target: Target) -> None:
    """Remove the qdisc: packets go on unshaped."""
    netns.run_in(target.lab.dut_ns, ["tc", "qdisc", "del", "dev", target.lab.devices["dut_client"], "root"])


FAULTS: Faults = {
    PART_GONE_FIRST: Fault(delete_qdisc, Reason.DATAPATH_FAILED),
    PART_GONE: Fault(delete_qdisc, Reason.DATAPATH_FAILED),
    WRONG_DEVICES: Fault(nothing, Reason.BYPASSED),
}
FACTS = Facts(routes=True)


@pytest.mark.parametrize("ip_version", [4, 6])
def test_it_holds_the_rate_of_all_clients_together(tmp_path: Path, ip_version: int) -> None:
    with shaped(DATAPATHS["tbf"], tmp_path, ip_version) as (lab, attachment):
        assert_shapes(lab, attachment)
