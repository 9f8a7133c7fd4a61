"""The reader of h2load's output reports only what the output proves. The data files are recorded runs."""

from dataclasses import replace

import pytest

from domain.loads.load import ClosedLoad, OpenLoad
from tests import ROOT
from workers.lab.host_cpu import host_ticks
from workers.traffic.base import GeneratorPlan, Schedule, Target, TargetTraffic
from workers.traffic.h2load import Ended, H2load, RunOutput
from workers.traffic.h2load_output import (
    Garbage,
    Row,
    Summary,
    Times,
    agree,
    all_established,
    open_times,
    read_log,
    read_summary,
    service_times,
)

DATA = ROOT / "tests" / "data" / "h2load"
BODY_BYTES = 64


def recorded(name: str) -> tuple[Summary, list[Row]]:
    summary, rows = read_summary((DATA / f"{name}.txt").read_text()), read_log((DATA / f"{name}.log").read_text())
    agree(summary, rows)
    return summary, rows


def found(name: str, answer_bytes: int = BODY_BYTES) -> RunOutput:
    now = 1.0, host_ticks()
    return RunOutput(*recorded(name), answer_bytes, 0.0, Ended(ticks=[now, now]))


def traffic(name: str, answer_bytes: int = BODY_BYTES) -> TargetTraffic:
    """The traffic of a recorded run: closed with four connections, or open with 200 requests/s."""
    if name.startswith("closed"):
        return found(name, answer_bytes).closed(3 if name == "closed_refused" else 4)
    return found(name, answer_bytes).open(OpenLoad(rate_per_s=200), 0.5)


@pytest.mark.parametrize("name", ["closed_h1", "closed_h2"])
def test_a_closed_loop_has_service_times_and_separate_handshakes(name: str) -> None:
    summary, rows = recorded(name)
    result = traffic(name)
    ramp, counted = result.slices
    assert (ramp.warm_up, counted.warm_up) == (True, False)
    assert ramp.requests + counted.requests == summary.succeeded == len(rows)
    assert ramp.bytes_received + counted.bytes_received == summary.received_bytes
    assert set(result.timings) == {"service_time"}
    assert result.timings["service_time"].count == counted.requests
    assert 0 < counted.duration_s <= 0.021
    assert (result.connections, result.errors, result.limit) == (4, {}, "")


def test_an_open_loop_has_latency_from_the_intended_send() -> None:
    summary, rows = recorded("open_h2")
    result = traffic("open_h2")
    latency = result.timings["latency"]
    assert latency.count == len(rows) == 50
    # h2load's own time is from connect() to the first byte; the request is only its last part.
    shortest, service = latency.percentile_ns(0), service_times(rows).percentile_ns(50)
    assert shortest == pytest.approx(summary.first_byte.low_us * 1000, rel=0.01)
    assert service is not None
    assert latency.percentile_ns(50) > service
    assert (result.connections, result.errors, result.limit) == (50, {}, "")


def test_the_latency_of_a_frozen_origin_agrees_with_h2loads_first_bytes() -> None:
    latency = traffic("open_frozen").timings["latency"]
    reported = recorded("open_frozen")[0].first_byte
    p100, mean = latency.percentile_ns(100), latency.mean_ns
    assert p100 is not None
    assert mean is not None
    assert p100 / 1e3 == pytest.approx(reported.high_us, rel=0.05)
    assert reported.high_us > 300e3
    assert reported.mean_us <= mean / 1e3 <= 1.2 * reported.mean_us, "the latency is longer by h2load's own lateness"


def test_a_lost_order_gives_a_doubt_and_no_latency() -> None:
    """One of 100 connections waits 1 s for its lost SYN, the others take 1 ms. Pairing in order would hide the wait."""
    connects_us = [1000] * 100
    connects_us[10] = 1_000_000
    rows = [Row(10**15 + 5000 * i + connect, 200, 100) for i, connect in enumerate(connects_us)]
    mean = sum(connects_us) / 100
    deviation = (sum((one - mean) ** 2 for one in connects_us) / 100) ** 0.5
    summary = Summary(100, 100, 100, 100, 0, 0, 20_000, 6400, Times(1100, 1_000_100, mean + 100, deviation))
    times = open_times(rows, summary, 5000)
    assert times.latency is None
    assert "the order was lost" in times.doubt
    hidden = replace(summary, first_byte=replace(summary.first_byte, high_us=1100.0, deviation_us=0.0))
    assert open_times(rows, hidden, 5000).latency is not None, "the doubt must come from the summary"


def test_a_schedule_that_slipped_is_a_limit() -> None:
    rows = [Row(10**15 + 6000 * i + 1000, 200, 100) for i in range(100)]  # due every 5 ms
    summary = Summary(100, 100, 100, 100, 0, 0, 20_000, 6400, Times(1100, 1100, 1100, 0))
    times = open_times(rows, summary, 5000)
    assert times.lag_us == pytest.approx(49_500)
    assert times.latency is not None
    assert times.latency.percentile_ns(100) == pytest.approx(100.1e6, rel=0.01), "the latency must include the lateness"
    now = 1.0, host_ticks()
    result = RunOutput(summary, rows, BODY_BYTES, 0.0, Ended(ticks=[now, now])).open(OpenLoad(rate_per_s=200), 0.5)
    assert "late by 49.5 ms" in result.limit


def test_the_limit_of_the_lateness_is_the_same_for_slow_answers() -> None:
    """A mean lag of 12 ms, once beside answers of 1 ms and once beside answers of 100 ms."""
    for answer_us in (1000, 100_000):
        rows = [Row(10**15 + round(5240.5 * i) + answer_us, 200, 100) for i in range(100)]
        summary = Summary(100, 100, 100, 100, 0, 0, 20_000, 6400, Times(answer_us, answer_us, answer_us, 0))
        now = 1.0, host_ticks()
        result = RunOutput(summary, rows, BODY_BYTES, 0.0, Ended(ticks=[now, now])).open(OpenLoad(rate_per_s=200), 0.5)
        assert "late by 11.9 ms" in result.limit


@pytest.mark.parametrize("load", [None, OpenLoad(rate_per_s=50)], ids=["closed", "open"])
def test_a_run_without_an_answer_has_its_slices_at_the_time_of_the_run(load: OpenLoad | None) -> None:
    now = 5_000.0, host_ticks()
    none = Summary(10, 0, 0, 0, 10, 0, 0, 0, None)
    run = RunOutput(none, [], BODY_BYTES, -1.7e9, Ended(ticks=[now, now]))
    found = run.closed(4) if load is None else run.open(load, 0.5)
    assert [one.started_s for one in found.slices] == pytest.approx([5_000.0] * len(found.slices), abs=0.001)


def test_failures_by_cause() -> None:
    assert traffic("not_found").errors == {"status": 10}
    assert traffic("refused").errors == {"connect": 10}
    assert traffic("closed_refused").errors == {"unanswered": 3}
    for name in ("not_found", "refused", "closed_refused"):
        assert "latency" not in traffic(name).timings
        assert sum(histogram.count for histogram in traffic(name).timings.values()) == 0


def test_bodies_of_another_length_are_corrupt() -> None:
    assert traffic("open_h2", BODY_BYTES - 1).errors == {"corrupt": 1}
    assert traffic("open_h2", BODY_BYTES + 1).errors == {"corrupt": 1}
    assert traffic("closed_h1", BODY_BYTES // 2).errors["corrupt"] > 100
    assert "corrupt" in traffic("closed_h2", BODY_BYTES + 1).errors


def test_all_established_ignores_truncated_microseconds() -> None:
    rows = [Row(100, 200, 11), Row(110, 200, 10), Row(115, 200, 10), Row(121, 200, 5)]
    assert all_established(rows, 2) == (110, 2)
    assert all_established(rows, 3) == (110, 2)
    assert all_established([], 3) == (0, 0)


@pytest.mark.parametrize(
    "text",
    ["1\t200", "1\t200\t3", "x\t200\t3\n", "1\t200\n", "0\t200\t3\n", "1\t200\t-3\n", "\n", "1 200 3\n"],
)  # fmt: skip
def test_a_truncated_or_invalid_line_is_garbage(text: str) -> None:
    with pytest.raises(Garbage):
        read_log(text)


def test_further_columns_are_ignored() -> None:
    assert read_log("5\t200\t3\tmore\n1\t-1\t3\n") == [Row(1, -1, 3), Row(5, 200, 3)]


def test_every_truncation_of_a_recorded_run_is_garbage() -> None:
    text, log = (DATA / "open_h2.txt").read_text(), (DATA / "open_h2.log").read_text()
    for length in range(0, text.index("time to 1st byte:") + len("time to 1st byte:") + 40, 7):
        with pytest.raises(Garbage):
            read_summary(text[:length])
    for length in range(0, len(log) - 1, 11):
        with pytest.raises(Garbage):
            agree(read_summary(text), read_log(log[:length]))


@pytest.mark.parametrize(
    ("old", "new"),
    [("50 succeeded", "49 succeeded"), ("50 2xx", "51 2xx"), ("50 done", "51 done"), ("requests:", "Requests:")],
)
def test_counts_that_disagree_are_garbage(old: str, new: str) -> None:
    text = (DATA / "open_h2.txt").read_text()
    assert old in text
    with pytest.raises(Garbage):
        read_summary(text.replace(old, new))


def test_a_rate_without_an_exact_schedule_makes_no_traffic() -> None:
    plan = GeneratorPlan("h2load", OpenLoad(rate_per_s=777), 777, path="/", answer=b"x")
    target = Target(label="direct", netns="none", address="127.0.0.1", port=1)
    assert "no honest schedule" in H2load().run(plan, [target], Schedule(("direct",), 1))["direct"].failure


def test_a_missing_namespace_is_a_failed_generator() -> None:
    plan = GeneratorPlan("h2load", ClosedLoad(connections=1), 1, path="/", answer=b"x")
    target = Target(label="direct", netns="sd-none", address="127.0.0.1", port=1)
    assert "exited with 1" in H2load().run(plan, [target], Schedule(("direct",), 0.1))["direct"].failure


def test_an_open_loop_reports_what_was_answered_within_its_slice() -> None:
    (steady,), (frozen,) = traffic("open_h2").slices, traffic("open_frozen").slices
    assert (steady.due, steady.delivered, steady.pending_middle, steady.pending_end) == (50, 50, 0, 0)
    assert (frozen.due, frozen.delivered, frozen.pending_middle, frozen.pending_end) == (100, 19, 32, 81)
    assert frozen.requests == 100  # all were answered, but most of them after the slice
    assert frozen.requests_per_s == 38
