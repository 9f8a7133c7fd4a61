"""A real worker and what anyone with access to Redis may send it."""

import os
import time
from typing import Any

import pytest
import redis

from domain.service.jobs import queue_name
from tests.e2e.conftest import Running
from tests.hostile_messages import HOSTILE

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("kernel")]

REPORT_S = 60.0  # these workers report their vitals every 3 s

CAMPAIGN = """
name = "after-hostile-messages"
datapaths = ["direct", "nft_redirect"]
blocks = 1
slices = 1
slice_s = 0.3
warm_up_s = 0.0
probes = []
[levels]
low = "closed(4)"
"""


def only_host(running: Running) -> dict[str, Any]:
    (host,) = running.coordinator.hosts()
    return host


def test_hostile_messages_neither_end_a_worker_nor_stop_its_blocks(running: Running) -> None:
    worker, host = running.stack.pids["worker"], only_host(running)
    before = sum((host["dropped"] or {}).values())
    broker = running.stack.environment["SHOWDOWN_BROKER_URL"].replace("redis+socket://", "unix://")
    with redis.Redis.from_url(broker) as client:
        for item in HOSTILE.values():
            client.lpush(queue_name(host["name"]), item)
    campaign_id = running.run(CAMPAIGN)
    assert running.coordinator.campaign(campaign_id)["state"] == "complete"
    deadline = time.monotonic() + REPORT_S
    while sum((host := only_host(running))["dropped"].values()) < before + len(HOSTILE):
        assert time.monotonic() < deadline, host["dropped"]
        time.sleep(0.5)
    assert running.stack.pids["worker"] == worker
    os.kill(worker, 0)
    assert host["deaf_since"] is None
    assert abs(host["clock_skew_s"]) < 10, "they share a clock; an answer may wait on a busy machine"
