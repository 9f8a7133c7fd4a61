"""An origin of known capacity: what it does not carry is overload, for every length of slice."""

import time

import pytest

from domain.hosts.cpu_time import CpuTime
from domain.trials.histogram import LatencyHistogram
from domain.trials.trial import SliceResult
from tests.host_noise import in_windows
from tests.unit.workers.traffic.traffic_rig import good, load, origin, target
from workers.runner.overload import MIN_IDLE_SHARE, is_carried, is_full, shortfalls
from workers.traffic.results import read_final

NS_PER_MS = 1_000_000
SERVICE_US = 1000
CAPACITY_PER_S = 1_000_000 // SERVICE_US  # of the origin's one thread


def slices_at(share: float, slice_ms: int, count: int, arrival: str) -> list[SliceResult]:
    """Slices at a share of the origin's capacity, as a trial holds them."""
    with origin("--service-us", str(SERVICE_US)) as server:
        run = good(
            *("--workload", "http_keepalive", "--open", str(share * CAPACITY_PER_S), "--connections", "512"),
            *("--arrival", arrival, "--seed", "3", "--slice-ms", str(slice_ms), "--duration-ms", str(count * slice_ms)),
            *("--target", target(server.ports["http"])),
        )
    traffic = read_final(run.final, {"only": "only"})["only"]
    return [
        SliceResult(
            started_s=one.started_s, duration_s=one.duration_s, requests=one.requests, delivered=one.delivered,
            due=one.due, queued=one.queued, pending_middle=one.pending_middle, pending_end=one.pending_end,
            connections=512, bytes_received=one.bytes_received, latency_p99_ns=one.latency_p99_ns,
        )
        for one in traffic.slices
    ]  # fmt: skip


@pytest.mark.parametrize("arrival", ["constant", "poisson"])
@pytest.mark.parametrize(("slice_ms", "count"), [(200, 5), (1000, 3), (2000, 1)])
@in_windows
def test_what_is_above_the_capacity_is_overload_for_every_slice(slice_ms: int, count: int, arrival: str) -> None:
    above = slices_at(1.2, slice_ms, count, arrival)
    assert shortfalls(above), above
    # The rate is the origin's, not the schedule's. The origin makes up for at most 2 ms at the start of a slice.
    rate_per_s = sum(one.answered_within for one in above) / sum(one.duration_s for one in above)
    assert rate_per_s < 1.03 * CAPACITY_PER_S


@pytest.mark.parametrize("arrival", ["constant", "poisson"])
@pytest.mark.parametrize(("slice_ms", "count"), [(200, 5), (1000, 3), (2000, 1)])
@in_windows
def test_what_is_below_the_capacity_is_carried(slice_ms: int, count: int, arrival: str) -> None:
    below = slices_at(0.8, slice_ms, count, arrival)
    assert shortfalls(below) == [], below


@in_windows
def test_every_slice_is_a_trial_with_its_own_p99() -> None:
    """In a slice of a second at 1.2 × the capacity, the last request waits for 0.2 s."""
    above, below = slices_at(1.2, 1000, 3, "constant"), slices_at(0.7, 1000, 3, "constant")
    idle = CpuTime(wall_s=1, cpus=2, idle_s=1)
    assert [is_carried(one, idle) for one in above] == [False] * 3
    assert [is_carried(one, idle) for one in below] == [True] * 3
    assert is_carried(below[0], CpuTime(wall_s=1, cpus=2, idle_s=0.01)) is False
    assert all((one.latency_p99_ns or 0) > 100 * NS_PER_MS for one in above)
    assert all(0 < (one.latency_p99_ns or 0) < 50 * NS_PER_MS for one in below)
    assert is_carried(below[0].model_copy(update={"due": None}), idle) is None  # a closed loop


@in_windows
def test_every_due_request_has_a_latency() -> None:
    """Unanswered or never sent: the histogram holds it, with the time for which it was waited for."""
    with origin("--stall-ms", "1900", "--stall-every-ms", "2000") as server:
        time.sleep((2010 - time.monotonic() * 1000 % 2000) / 1000)  # it is frozen until long after the drain
        run = good(
            *("--workload", "http_keepalive", "--open", "500", "--connections", "20", "--duration-ms", "300"),
            *("--drain-ms", "100", "--target", target(server.ports["http"])),
        )
    (piece,), result = run.final["slices"], run.one
    latency = LatencyHistogram.decode(result["histograms"]["latency"]["hdr"])
    service_time = LatencyHistogram.decode(result["histograms"]["service_time"]["hdr"])
    assert (piece["sent"], piece["unsent"], piece["delivered"], piece["drain_answers"]) == (20, 130, 0, 0)
    assert (piece["late"], piece["requests"]) == (20, 20)  # when the origin thawed; their times are lower bounds
    assert (latency.count, service_time.count, result["censored"]) == (150, 20, 150)
    assert (piece["pending_middle"], piece["pending_end"]) == (75, 150)
    assert latency.percentile_ns(0.1) >= 100 * NS_PER_MS  # the last one, too: for the drain at least
    assert latency.percentile_ns(100) >= 399 * NS_PER_MS
    assert piece["latency"]["max_ns"] < 1000 * NS_PER_MS  # and none has the time at which it was answered


@in_windows
def test_a_request_that_failed_counts_as_slower_than_any_answer() -> None:
    with origin() as server:
        run = load(
            *("--workload", "http_keepalive", "--open", "100", "--connections", "5", "--duration-ms", "200"),
            *("--path", "/missing", "--timeout-ms", "700", "--target", target(server.ports["http"])),
        )
    result = run.one
    latency = LatencyHistogram.decode(result["histograms"]["latency"]["hdr"])
    assert result["errors"] == {"status": 20}
    assert (latency.count, result["censored"]) == (20, 20)
    assert latency.percentile_ns(1) >= 699 * NS_PER_MS


@in_windows
def test_datagrams_without_an_answer_have_the_drain_as_their_latency() -> None:
    with origin("--stall-ms", "900", "--stall-every-ms", "1000") as server:
        time.sleep(max(0.0, (1000 - time.monotonic() * 1000 % 1000) / 1000))
        run = load(
            *("--workload", "udp_rr", "--open", "500", "--connections", "5", "--duration-ms", "200"),
            *("--drain-ms", "80", "--settle-ms", "100", "--target", target(server.ports["udp"])),
        )
    latency = LatencyHistogram.decode(run.one["histograms"]["latency"]["hdr"])
    assert latency.count == run.one["sent"] == 100
    assert run.one["censored"] > 90
    assert latency.percentile_ns(50) == pytest.approx(80 * NS_PER_MS, rel=0.01)


@in_windows
def test_the_last_slice_drains_no_longer_than_any_other() -> None:
    with origin("--service-us", "2000") as server:
        run = load(
            *("--workload", "http_keepalive", "--open", "1000", "--connections", "400", "--slice-ms", "200"),
            *("--duration-ms", "600", "--drain-ms", "50", "--target", target(server.ports["http"])),
        )
    for piece in run.final["slices"]:
        drained_ns = piece["drained_ns"] - piece["start_ns"] - piece["length_ns"]
        assert 50 * NS_PER_MS <= drained_ns < 100 * NS_PER_MS
        assert piece["latency"]["max_ns"] < 300 * NS_PER_MS
    assert run.final["slices"][-1]["late"] > 0  # the run still waited for them, so that both ends' counts agree
    assert run.one["in_flight"] == 0


def a_slice(due: int, delivered: int, pending_middle: int, pending_end: int) -> SliceResult:
    return SliceResult(
        started_s=0, duration_s=1, requests=due, delivered=delivered, due=due, pending_middle=pending_middle,
        pending_end=pending_end, connections=8, bytes_received=1,
    )  # fmt: skip


def test_a_backlog_that_grows_beyond_its_noise_is_overload() -> None:
    steady = [a_slice(10_000, 9_950, 60 + noise, 60 - noise) for noise in (40, -50, 10, 20, -20)]
    assert shortfalls(steady) == []
    growing = [a_slice(10_000, 9_910, 20 + noise, 90 + noise) for noise in (-4, 3, 0, 1, 0)]
    assert shortfalls(growing) == ["the backlog grew by 70 requests in the second half of a slice"]
    assert shortfalls(growing[:2]) == []  # of two slices nothing is known about the noise
    # A long latency is no backlog: as many requests are under way at the middle as at the end.
    assert shortfalls([a_slice(10_000, 8_000, 2_000, 2_000)] * 5) == []


def test_where_the_rate_changes_each_slice_must_carry_its_own() -> None:
    """The room of all slices together would hide a last one of which a tenth was not answered."""
    idle = CpuTime(wall_s=1, cpus=2, idle_s=0.5)
    ramp = [*(a_slice(due, due, 0, 0) for due in range(2_000, 28_000, 2_900)), a_slice(28_000, 26_700, 10, 900)]
    ramp = [one.model_copy(update={"carried": is_carried(one, idle)}) for one in ramp]
    assert shortfalls(ramp) == []
    assert shortfalls(ramp, rate_changes=True) == ["the rate was not carried in slice 10 of 10"]
    assert shortfalls(ramp[:-1], rate_changes=True) == []

    def missed(*numbers: int) -> list[str]:
        slices = [one.model_copy(update={"carried": at not in numbers}) for at, one in enumerate(ramp, 1)]
        return shortfalls(slices, rate_changes=True)

    assert missed(4) == [], "one stall"
    assert missed(10) != []
    assert missed(8, 9) == ["the rate was not carried in slices 8, 9 of 10"]


def test_a_host_without_idle_time_is_full_unless_others_filled_it() -> None:
    none = MIN_IDLE_SHARE / 2
    assert is_full(CpuTime(wall_s=1, cpus=2, idle_s=none))
    assert not is_full(CpuTime(wall_s=1, cpus=2, idle_s=none, steal_s=0.04))
    assert not is_full(CpuTime(wall_s=1, cpus=2, idle_s=none, foreign_s=0.04))
    assert not is_full(CpuTime())
