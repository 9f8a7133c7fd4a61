"""The figures of llm_chat: from histograms, counts by name, and what the gateway has used."""

import os
from dataclasses import replace

import pytest

from domain.loads.condition import PLAIN
from domain.trials.counters import Counters
from domain.trials.histogram import LatencyHistogram
from domain.values.use import Use
from workers.datapaths.lib.use import used_by
from workers.traffic.base import SliceTraffic
from workers.workloads.base import Observed
from workers.workloads.llm_chat import LlmChat

SENT = {"key k00": 60, "key k01": 40, "limited k00": 20, "limited k01": 0}
SEEN = Observed(
    slices=(SliceTraffic(1.0, 2.0, 100, 10_000),),
    counters=Counters(named={**SENT, "limited k00": 18}),
    condition=PLAIN,
    cpu_s=1.0,
    began_s=0.0,
    timings={
        "first_token": LatencyHistogram.of({40_000_000: 100}),
        "stream_time": LatencyHistogram.of({200_000_000: 100}),  # 20 s in 2 s: ten at once
    },
    named=SENT,
    used=Use(cpu_s=0.5, resident_bytes=90 << 20, grown_bytes=20 << 20),
    counted_share=0.8,
)


def values(seen: Observed) -> dict[str, float]:
    return {one.name: one.value for one in LlmChat().figures(seen).figures}


def test_each_figure_follows_from_what_was_seen() -> None:
    found = values(SEEN)
    assert found["first_token_p50_us"] == pytest.approx(40_000, rel=0.01)
    assert found["streams_held"] == pytest.approx(10, rel=0.01)
    assert found["streams_per_core"] == pytest.approx(20 / (0.5 * 0.8), rel=0.01)
    assert found["streams_per_mib"] == pytest.approx(0.5, rel=0.01)
    assert found["limited_percent"] == 20
    assert found["limited_configured_percent"] == 18
    assert found["limits_missed"] == 2
    assert "token_gap_p99_us" not in found, "a figure without data is left out"


def test_a_path_without_a_gateway_has_no_limits_and_no_cost_of_one() -> None:
    found = values(replace(SEEN, counters=Counters(), used=None))
    assert {"limited_configured_percent", "limits_missed", "streams_per_core", "streams_per_mib"} & set(found) == set()
    assert found["streams_held"] == pytest.approx(10, rel=0.01)


def test_a_gateway_that_did_not_grow_has_no_streams_per_mib() -> None:
    assert "streams_per_mib" not in values(replace(SEEN, used=Use(cpu_s=0.5, resident_bytes=90 << 20)))


def test_times_show_what_is_added_to_the_direct_path() -> None:
    figures = {one.name: one for one in LlmChat().figures(SEEN).figures}
    assert figures["first_token_p99_us"].added
    assert not figures["limited_percent"].added
    assert figures["limited_percent"].caution.startswith("of its requests were limited: "), "p50 is of refusals, too"


def test_a_process_reports_its_cpu_time_and_memory() -> None:
    before = used_by(os.getpid())
    while used_by(os.getpid()).cpu_s - before.cpu_s < 0.02:
        sum(range(100_000))
    assert before.resident_bytes > 1 << 20
    with pytest.raises(OSError, match="No such"):
        used_by(1 << 22)
