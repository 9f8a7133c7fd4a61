"""The datapath nft_limit on the real kernel, whole and broken on purpose."""

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
    Target,
    flush_rules,
)
from tests.kernel.datapaths.shape_rig import assert_shapes, shaped
from tests.variants import DATAPATHS
from workers.lab import netns, nft

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("kernel")]


def delete_table(target: Target) -> None:
    """Remove the table, and the policy of its chain with it: packets go on unpoliced."""
    netns.run_in(target.lab.dut_ns, ["nft", "delete", "table", nft.family(target.lab), nft.TABLE])


FAULTS: Faults = {
    **BY_DEVICES,
    STEERING_GONE_FIRST: Fault(flush_rules, Reason.NO_REQUESTS),
    STEERING_GONE: Fault(flush_rules, Reason.ERRORS),
    PART_GONE_FIRST: Fault(delete_table, Reason.DATAPATH_FAILED),
    PART_GONE: Fault(delete_table, Reason.DATAPATH_FAILED),
}
FACTS = Facts(routes=True)


@pytest.mark.parametrize("ip_version", [4, 6])
def test_it_holds_the_rate_of_each_client(tmp_path: Path, ip_version: int) -> None:
    with shaped(DATAPATHS["nft_limit"], tmp_path, ip_version) as (lab, attachment):
        assert_shapes(lab, attachment)
        counters = attachment.counters()
        assert counters.offered_bytes is not None
        assert counters.denied_bytes is not None
        assert counters.bytes == counters.offered_bytes - counters.denied_bytes
