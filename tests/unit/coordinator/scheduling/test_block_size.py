"""A block whose report no coordinator would take is refused when its campaign is submitted."""

import json

from coordinator.scheduling.block_size import MAX_BLOCK_SLICES, too_large
from coordinator.server.limits import REPORT_BODY_BYTES
from domain.campaigns.campaign import read_campaign
from domain.trials.trial import SliceResult
from tests.unit.coordinator.coordinator_app import CoordinatorApp, campaign

BUSY = SliceResult(
    started_s=12345.678901234, duration_s=0.300012345678, requests=301_234, connections=512, bytes_received=2**40,
    bytes_sent=2**40, carried=True, latency_p99_ns=123_456_789, steal_s=0.00123456789, foreign_s=0.00123456789,
    throttled_s=0.00123456789, delivered=301_234, due=301_234,
)  # fmt: skip


def test_the_slices_of_the_largest_block_leave_room_in_a_report() -> None:
    slice_bytes = len(json.dumps(BUSY.model_dump(mode="json"))) + 2
    assert MAX_BLOCK_SLICES * slice_bytes < 0.85 * REPORT_BODY_BYTES


def test_a_larger_block_is_refused(coordinator_app: CoordinatorApp) -> None:
    coordinator_app.register()
    copies = ["direct"] * 9 + ["tproxy"] * 9 + ["ebpf_sk_assign"] * 9 + ["ebpf_redirect"] * 4
    assert too_large(read_campaign(campaign(datapaths=copies[:30], slices=1000, slice_s=0.1))) == []
    wanted = campaign(datapaths=copies, slices=1000, slice_s=0.1)
    answer = coordinator_app.client.post("/api/v1/campaigns", json=wanted, headers=coordinator_app.user)
    assert answer.status_code == 422
    message = "1,000 slices of 31 datapaths are 31,000 in a block; at most 30,000"
    assert {"field": "slices", "message": message} in answer.json["problems"]
