"""Reading showdown-traffic: results per target, which target failed, and the reports while it runs."""

import copy
from typing import Any, Literal

import pytest

from domain.loads.load import ClosedLoad, OpenLoad
from domain.loads.profile import Profile
from domain.probes.window_times import WindowTimes
from domain.trials.histogram import LatencyHistogram
from workers.traffic import program, showdown_traffic
from workers.traffic.base import GeneratorPlan, Interval, Schedule, SliceTraffic, Target, sent_within
from workers.traffic.results import read_final
from workers.traffic.showdown_traffic import IntervalReporter, ShowdownTraffic
from workers.traffic.timeline import Timeline

TICKS = {"user": 10, "nice": 1, "system": 5, "idle": 20, "iowait": 1, "irq": 0, "softirq": 2, "steal": 1}
LABELS = {"t0": "direct", "t1": "tproxy"}


def line(target: str, index: int, *, warm_up: bool = False, **changes: Any) -> dict[str, Any]:
    """A slice of 0.2 s that drained 10 ms later."""
    start = index * 300_000_000
    return {
        "type": "slice", "slice": index, "target": target, "warm_up": warm_up, "start_ns": start,
        "length_ns": 200_000_000,
        "drained_ns": start + 210_000_000, "sent": 100, "requests": 100, "errors": 0, "in_flight": 0, "unsent": 0,
        "queued": 3, "delivered": 98, "drain_answers": 2, "late": 0, "censored": 0, "pending_middle": 1,
        "pending_end": 2, "bytes_received": 20_000, "bytes_sent": 5_000, "stalled_ns": 30_000_000,
        "begun_ns": start + 40_000, "host_cpu_ticks": TICKS,
        "latency": {"p50_ns": 50_000, "p90_ns": 60_000, "p99_ns": 70_000, "p999_ns": 80_000, "max_ns": 90_000},
    } | changes  # fmt: skip


def final(**changes: Any) -> dict[str, Any]:
    """The last line of a run over two targets, with a warm-up and one slice on each."""
    hdr = LatencyHistogram.of({50_000: 100}).encode()
    total = {"sent": 100, "requests": 100, "connections": 8, "in_flight": 0, "unsent": 0, "errors": {},
            "censored": 4, "histograms": {"latency": {"hdr": hdr}, "connect": {"hdr": hdr}}}  # fmt: skip
    slices = [line("t0", 0, warm_up=True), line("t1", 1, warm_up=True), line("t1", 2), line("t0", 3)]
    return copy.deepcopy(
        {
            "type": "final", "failure": "", "interrupted": False, "loop": "open", "targets": {"t0": total, "t1": total},
            "threads": [{"share": 0.5, "real_time": True}, {"share": 0.7, "real_time": True}], "slices": slices,
        }
        | changes
    )  # fmt: skip


def test_a_priority_is_that_of_all_threads_and_nothing_in_a_closed_loop() -> None:
    threads = [{"share": 0.5, "real_time": True}, {"share": 0.7, "real_time": False}]
    assert read_final(final(threads=threads), LABELS)["tproxy"].real_time is False
    assert read_final(final(threads=threads, loop="closed"), LABELS)["tproxy"].real_time is None


def test_results_are_by_label_with_a_separate_warm_up() -> None:
    results = read_final(final(), LABELS)
    assert set(results) == {"direct", "tproxy"}
    direct = results["direct"]
    assert [one.warm_up for one in direct.slices] == [True, False]
    assert (direct.requests, direct.bytes_received, direct.connections) == (200, 40_000, 8)
    assert (direct.busiest_thread_share, direct.real_time) == (0.7, True)
    assert direct.timings["latency"].count == 100
    assert (direct.failure, direct.limit, direct.errors) == ("", "", {})
    assert direct.censored == 4
    assert [one.slow for one in direct.slices] == [None, None], "closed loops and older generators report none"
    steps = [line("t0", 0), line("t1", 1, slow="0A1")]
    assert read_final(final(slices=steps), LABELS)["tproxy"].slices[0].slow == "0A1"


def test_a_rate_counts_what_was_answered_within_the_slice() -> None:
    """Not what was due, and not what was answered while it drained; and a straggler makes no slice longer."""
    _, measured = read_final(final(), LABELS)["direct"].slices
    assert (measured.duration_s, measured.delivered, measured.due, measured.queued) == (0.2, 98, 100, 3)
    assert (measured.requests_per_s, measured.pending_middle, measured.pending_end) == (490, 1, 2)
    straggler = final(loop="closed")
    straggler["slices"][3] |= {"drained_ns": straggler["slices"][3]["start_ns"] + 2_200_000_000, "delivered": 99}
    _, closed = read_final(straggler, LABELS)["direct"].slices
    assert (closed.duration_s, closed.requests_per_s, closed.due, closed.queued) == (0.2, 495, None, None)


def test_the_stall_is_the_mean_of_the_threads() -> None:
    assert [one.stalled_s for one in read_final(final(), LABELS)["tproxy"].slices] == [0.015, 0.015]


def test_a_timeline_is_read_if_the_line_has_one() -> None:
    last_line = final()
    last_line["slices"][3]["timeline"] = {
        "step_ns": 100_000, "requests": [1, 0, 3], "service_time_ns": [10, 0, 30], "latency_ns": [11, 0, 33],
    }  # fmt: skip
    warm_up, measured = read_final(last_line, LABELS)["direct"].slices
    assert warm_up.timeline is None
    assert measured.timeline == Timeline(1e-4, (1, 0, 3), (10, 0, 30), (11, 0, 33))
    del last_line["slices"][3]["timeline"]["latency_ns"]
    closed = read_final(last_line, LABELS)["direct"].slices[1].timeline
    assert closed is not None
    assert closed.within([(0.0, 1.0)]) == WindowTimes(requests=4, service_time_ns=40)


@pytest.mark.parametrize(("slice_s", "step_us"), [(0.3, "100"), (2.0, "100"), (30.0, "1500")])
def test_a_timeline_is_requested_if_probes_watch(slice_s: float, step_us: str) -> None:
    plan = GeneratorPlan("showdown-traffic", OpenLoad(rate_per_s=500), 8)
    for timeline in (False, True):
        schedule = Schedule(("direct",), slice_s, timeline=timeline)
        run = showdown_traffic.Run(plan, [Target("direct", "a", "198.18.0.1", 80)], schedule, bool, lambda _: None)
        argv = run.argv("")
        assert (argv[argv.index("--timeline-us") + 1] == step_us) if timeline else "--timeline-us" not in argv


@pytest.mark.parametrize(
    ("shape", "rates", "options"),
    [
        ("ramp", (1000, 20_000), ["--open", "1000", "--ramp-to", "20000", "--arrival"]),
        ("ramp", (20_000, 1000), ["--open", "20000", "--ramp-to", "1000", "--arrival"]),
        ("steps", (5, 9, 7), ["--open", "5", "--steps", "5,9,7", "--arrival"]),
    ],
)
def test_a_rate_that_changes_is_given_to_the_generator(
    shape: Literal["ramp", "steps"], rates: tuple[int, ...], options: list[str]
) -> None:
    load = OpenLoad(rate_per_s=max(rates), profile=Profile(shape=shape, rates_per_s=rates))
    plan, targets = GeneratorPlan("showdown-traffic", load, 8), [Target("direct", "a", "198.18.0.1", 80)]
    argv = showdown_traffic.Run(plan, targets, Schedule(("direct",), 1.0), bool, lambda _: None).argv("")
    begin = argv.index("--open")
    assert argv[begin : begin + len(options)] == options


def test_an_open_loops_arrivals_and_seed_are_given_to_the_generator() -> None:
    for load, arrival in (
        (OpenLoad(rate_per_s=500), "poisson"),
        (OpenLoad(rate_per_s=5, arrival="constant"), "constant"),
    ):
        plan = GeneratorPlan("showdown-traffic", load, 8, seed=11)
        targets = [Target("direct", "a", "198.18.0.1", 80)]
        argv = showdown_traffic.Run(plan, targets, Schedule(("direct",), 1.0), bool, lambda _: None).argv("")
        assert (argv[argv.index("--arrival") + 1], argv[argv.index("--seed") + 1]) == (arrival, "11")
        assert "--settle-ms" not in argv  # every slice drains alike; the run waits longer for late answers only


@pytest.mark.parametrize(
    ("spans", "requests"),
    [
        ([(0.0, 0.4)], 1111), ([(-3.0, 9.0)], 1111), ([(0.1, 0.2)], 10), ([(0.14, 0.26)], 110), ([(0.16, 0.24)], None),
        ([(0.0, 0.1), (0.3, 0.36)], 1001), ([(0.36, 0.4)], None), ([(-0.4, -0.1), (0.4, 2.0)], None), ([], None),
    ],
)  # fmt: skip
def test_a_step_belongs_to_the_span_of_its_middle(spans: list[tuple[float, float]], requests: int | None) -> None:
    counts = (1, 10, 100, 1000)
    found = Timeline(0.1, counts, tuple(7 * count for count in counts)).within(spans)
    assert found == (requests and WindowTimes(requests=requests, service_time_ns=7 * requests))


@pytest.mark.parametrize(
    ("requests", "service_time_s", "sampled"), [(30, 0.49, True), (29, 0.01, False), (100, 0.51, False)]
)
def test_few_or_long_requests_are_no_sample_of_the_traffic(requests: int, service_time_s: float, sampled: bool) -> None:
    """The streams that began in a window are not those that were in progress in it."""
    timeline = Timeline(0.1, (requests,), (round(requests * service_time_s * 1e9),))
    slices = [SliceTraffic(5.0, 0.1, requests, 1, timeline=timeline), SliceTraffic(7.0, 0.1, 1, 1)]
    assert (sent_within(slices, [(5.0, 5.1), (7.0, 7.01)]) is not None) == sampled


def test_busy_cpu_time_is_the_time_until_the_drain_less_idle_time() -> None:
    cpu = read_final(final(), LABELS)["direct"].slices[1].cpu
    assert cpu.wall_s == pytest.approx(0.21)
    assert cpu.idle_s == pytest.approx(0.21)  # iowait is idle
    assert cpu.user_s == pytest.approx(0.11)  # nice is user
    assert cpu.busy_s == pytest.approx(max(0.0, 0.21 * cpu.cpus - 0.21 - 0.01))


def test_a_targets_own_rate_is_passed_to_the_generator() -> None:
    targets = [Target("direct", "a", "198.18.0.1", 80, rate_per_s=123), Target("tproxy", "b", "198.18.0.1", 80)]
    plan = GeneratorPlan("showdown-traffic", OpenLoad(rate_per_s=500), 8)
    run = showdown_traffic.Run(plan, targets, Schedule(("direct", "tproxy"), 0.1), lambda: False, lambda _: None)
    argv = run.argv("")
    assert [text.partition(",port=80")[2] for text in argv if text.startswith("label=")] == [",rate=123", ""]
    assert argv[argv.index("--open") + 1] == "500"


def test_a_target_that_cannot_be_reached_is_the_only_result() -> None:
    last_line = final(failure="target t1 (198.19.1.2:80): Connection refused", slices=[])
    results = read_final(last_line, LABELS)
    assert {label: result.failure for label, result in results.items()} == {
        "tproxy": "target tproxy (198.19.1.2:80): Connection refused"
    }
    assert results["tproxy"].limit == ""


def test_a_target_that_never_answered_leaves_the_others_their_results() -> None:
    last_line = final(failure="target t1 (198.19.1.2:80): no request succeeded; most failed by: timeout")
    last_line["targets"]["t1"] |= {"requests": 0, "errors": {"timeout": 8}, "in_flight": 2, "histograms": {}}
    results = read_final(last_line, LABELS)
    assert results["direct"].requests == 200
    assert results["tproxy"].errors == {"timeout": 8, "unanswered": 2}
    assert results["tproxy"].timings == {}


def test_a_limit_of_the_generator_is_reported_for_its_target() -> None:
    last_line = final(failure="target t0 (198.19.0.2:80): Cannot assign requested address; give more source addresses")
    results = read_final(last_line, LABELS)
    assert results["direct"].limit.startswith("target direct (198.19.0.2:80): Cannot assign")
    assert results["tproxy"].limit == ""


@pytest.mark.parametrize(
    "changes",
    [{"targets": {}}, {"targets": []}, {"threads": None}, {"slices": [{}]}, {"failure": None}, {"interrupted": True},
     {"failure": "no memory", "slices": []}],
)  # fmt: skip
def test_an_invalid_line_is_a_failed_generator_on_every_target(changes: dict[str, Any]) -> None:
    results = read_final(final(**changes), LABELS)
    assert set(results) == {"direct", "tproxy"}
    for result in results.values():
        assert result.failure
        assert result.requests == 0


def test_a_histogram_that_cannot_be_read_is_a_failed_generator() -> None:
    last_line = final()
    last_line["targets"]["t0"]["histograms"]["latency"]["hdr"] = "garbage"
    assert all("garbage" in result.failure for result in read_final(last_line, LABELS).values())


def test_each_short_slice_is_reported_and_a_warm_up_is_not() -> None:
    reported: list[Interval] = []
    reporter = IntervalReporter(Schedule(("tproxy", "direct"), 0.2, 0.2), LABELS, reported.append)
    for one in (line("t0", 0, warm_up=True), line("t1", 2), {"type": "second"}, line("t0", 3, delivered=0, latency={})):
        reporter.take(one)
    assert [(i.label, i.slices_done, i.requests_per_s, i.p99_ns) for i in reported] == [
        ("tproxy", 1, 490.0, 70_000),
        ("direct", 2, 0.0, None),
    ]


def test_long_slices_are_reported_for_each_second_of_a_single_target() -> None:
    reported: list[Interval] = []
    reporter = IntervalReporter(Schedule(("direct", "tproxy"), 5.0), LABELS, reported.append)
    some = {"sent": 1000, "requests": 1000, "errors": {"reset": 2}, "service_time": {"p50_ns": 5, "p99_ns": 9}}
    none = {"sent": 0, "requests": 0, "errors": {}, "service_time": {}}
    reporter.take({"type": "second", "t_s": 1.0, "targets": {"t0": some, "t1": none}})
    reporter.take({"type": "second", "t_s": 2.0, "targets": {"t0": some, "t1": some}})
    reporter.take({"type": "second", "t_s": 4.0, "targets": {"t0": none, "t1": some}})
    assert [(i.label, i.requests_per_s, i.errors) for i in reported] == [("direct", 1000.0, 2), ("tproxy", 500.0, 2)]


def run_with(monkeypatch: pytest.MonkeyPatch, argv: list[str], **how: Any) -> str:
    """The failure of a run with another program instead of the generator."""
    monkeypatch.setattr(showdown_traffic.Run, "argv", lambda self, *_: argv)
    plan = GeneratorPlan(program.NAME, ClosedLoad(connections=1), 1)
    target = Target("direct", "none", "127.0.0.1", 1)
    results = ShowdownTraffic().run(plan, [target], Schedule(("direct",), 0.1), **how)
    assert results["direct"].requests == 0
    return results["direct"].failure


@pytest.mark.parametrize(
    ("argv", "failure"),
    [
        (["/nonexistent"], "ended with status 127 and no result"),
        (["true"], "ended with status 0 and no result"),
        (["echo", "hello"], "printed garbage"),
        (["echo", "[]"], "printed garbage"),
        (["echo", '{"type":"final"}'], "printed garbage"),
        (["sh", "-c", "kill -9 $$"], "ended with status -9 and no result"),
    ],
)
def test_a_generator_that_fails_is_never_a_zero(monkeypatch: pytest.MonkeyPatch, argv: list[str], failure: str) -> None:
    assert failure in run_with(monkeypatch, argv)


def test_a_generator_that_hangs_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(showdown_traffic, "GRACE_S", 0.1)
    assert "did not end in time" in run_with(monkeypatch, ["sleep", "60"])


def test_it_ends_the_generator_when_stop_is_true(monkeypatch: pytest.MonkeyPatch) -> None:
    assert run_with(monkeypatch, ["sleep", "60"], stop=lambda: True) == "stopped"
