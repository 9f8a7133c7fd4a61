"""The datapath ebpf_token_bucket on the real kernel, whole and broken on purpose."""

from pathlib import Path

import pytest

from domain.trials.trial import Reason
from tests.kernel.datapaths.faults import (
    BY_DEVICES,
    BY_PROGRAM,
    LEFT_OPEN,
    Fault,
    Faults,
    detach_programs,
)
from tests.kernel.datapaths.shape_rig import assert_shapes, shaped
from tests.variants import DATAPATHS

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("kernel")]

FAULTS: Faults = {
    **BY_DEVICES,
    **BY_PROGRAM,
    LEFT_OPEN: Fault(detach_programs, Reason.BYPASSED),
}


@pytest.mark.parametrize("ip_version", [4, 6])
def test_it_holds_the_rate_of_each_client(tmp_path: Path, ip_version: int) -> None:
    with shaped(DATAPATHS["ebpf_token_bucket"], tmp_path, ip_version) as (lab, attachment):
        assert_shapes(lab, attachment)
        counters = attachment.counters()
        assert counters.offered_bytes is not None
        assert counters.denied_bytes is not None
        assert counters.bytes == counters.offered_bytes - counters.denied_bytes
