"""HDR logs are read by hdrhistogram's own reader, and every interval has the durations of its histogram."""

from pathlib import Path

import pytest
from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader

from domain.reports.hdr_log import hdr_log, intervals_of
from domain.trials.histogram import LatencyHistogram
from domain.trials.trial import SliceResult, TrialResult, Validity

BEGAN_S = 1_790_000_030.25
LATENCY = LatencyHistogram.of({100_000: 900, 3_000_000: 100})
LAG = LatencyHistogram.of({20_000: 50})


def a_slice(started_s: float, **more: bool) -> SliceResult:
    return SliceResult(started_s=started_s, duration_s=1.0, requests=500, connections=8, bytes_received=1, **more)


def a_trial(**more: LatencyHistogram | None) -> TrialResult:
    return TrialResult(
        datapath="tproxy", function="steer", workload="http_open", level="low", duration_s=2.0, requests=1000,
        slices=(a_slice(2.0, probed=True), a_slice(4.0), a_slice(9.0)), validity=Validity(),
        timings={"schedule_lag": LAG}, service_time=LatencyHistogram.of({80_000: 1000}), **more,
    )  # fmt: skip


def read(text: str, directory: Path) -> list[HdrHistogram]:
    file = directory / "one.hlog"
    file.write_text(text)
    reader = HistogramLogReader(str(file), HdrHistogram(1, 120_000_000_000, 3))
    with reader.input_file:
        return list(iter(reader.get_next_interval_histogram, None))


def test_a_log_is_read_by_the_format_s_own_reader(tmp_path: Path) -> None:
    text = "".join(hdr_log(intervals_of(a_trial(latency=LATENCY), BEGAN_S), ["campaign x\n#[StartTime: 1 (forged)]"]))
    assert text.startswith("#[Histogram log format version 1.3]\n#campaign x #[StartTime: 1 (forged)]\n")
    found = {one.get_tag(): one for one in read(text, tmp_path)}
    assert [one.get_tag() for one in read(text, tmp_path)] == [None, "service_time", "schedule_lag"]
    latency = found[None]
    assert latency.get_total_count() == LATENCY.count == 1000
    assert [latency.get_value_at_percentile(p) for p in (50, 99)] == [LATENCY.percentile_ns(p) for p in (50, 99)]
    assert latency.get_start_time_stamp() == pytest.approx((BEGAN_S + 4.0) * 1000), "when its first counted slice began"
    assert latency.get_end_time_stamp() - latency.get_start_time_stamp() == pytest.approx(2000), "seconds of traffic"
    assert found["schedule_lag"].get_total_count() == 50
    line = next(one for one in text.splitlines() if one.startswith("0.000,"))
    assert line.startswith("0.000,2.000,3."), "the highest value is in ms"


def test_in_a_closed_loop_service_time_has_no_tag(tmp_path: Path) -> None:
    trial = a_trial(latency=None)
    text = "".join(hdr_log([*intervals_of(trial, BEGAN_S), *intervals_of(trial, BEGAN_S + 60)]))
    found = [(one.get_tag(), round(one.get_start_time_stamp() / 1000 - BEGAN_S)) for one in read(text, tmp_path)]
    assert found == [(None, 4), ("schedule_lag", 4), (None, 64), ("schedule_lag", 64)]


def test_an_empty_histogram_is_no_interval() -> None:
    trial = a_trial(latency=LatencyHistogram())
    assert [one.tag for one in intervals_of(trial, 0.0)] == ["service_time", "schedule_lag"]
