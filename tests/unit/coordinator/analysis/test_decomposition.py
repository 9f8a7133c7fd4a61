"""Known stages add up to a known mean, and two datapaths' difference to the differences of their stages."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

import probes.catalog
from coordinator.analysis.decomposition import parts_us
from coordinator.analysis.path import StagePath
from coordinator.analysis.report import build_report
from coordinator.scheduling.records import AttemptRecord
from domain.campaign import Campaign, read_campaign
from domain.histogram import LatencyHistogram
from domain.jobs import HostCapabilities, Variant
from domain.place import Place
from domain.registry import discover
from domain.report import CampaignReport, StagePart
from domain.trial import BlockResult, Finding, ProbeReading, Reason, SliceResult, TrialResult, Validity
from domain.watched import StageRole
from domain.window_times import WindowTimes
from probes.base import Probe

REQUESTS = 1000
PATH = StagePath({one.stage: one.place for one in discover(probes.catalog, Probe).values() if one.place})
Readings = tuple[ProbeReading, ...]


def a_campaign() -> Campaign:
    return read_campaign(
        {
            "name": "t",
            "datapaths": ["direct", "tproxy"],
            "levels": {"low": "closed(8)"},
            "probes": ["run_queue"],
            "seed": 7,
        }
    )


def reading(stage: str, role: str, us: float, per_request: float = 1.0, **more: object) -> ProbeReading:
    """One in ten was measured."""
    count = round(per_request * REQUESTS / 10)
    events = per_request * REQUESTS
    fields = {"stage": stage, "role": role, "count": count, "sum_ns": round(us * 1000) * count, "events": events}
    return ProbeReading.model_validate({"matched": 1.0, **fields, **more})


def a_trial(label: str, mean_us: float, probes: Readings, *, valid: bool = True, **more: object) -> TrialResult:
    watched = SliceResult(started_s=1, duration_s=1, requests=REQUESTS, connections=8, bytes_received=1, probed=True)
    counted = watched.model_copy(update={"probed": False, "requests": 5 * REQUESTS})
    found = () if valid else (Finding(reason=Reason.BYPASSED, detail="x"),)
    return TrialResult.model_validate(
        {
            "datapath": label,
            "function": "steer",
            "workload": "http_keepalive",
            "level": "low",
            "slices": (counted, watched),
            "duration_s": 1.0,
            "requests": 5 * REQUESTS,
            "validity": Validity(findings=found),
            "probes": probes,
            "watched_latency": LatencyHistogram.of({round(mean_us * 1000): REQUESTS}),
            **more,
        }
    )


def reported(*blocks: tuple[TrialResult, TrialResult], path: StagePath = PATH) -> CampaignReport:
    attempts = [
        AttemptRecord(
            index,
            f"k3f9x2ab-{index}",
            "http_keepalive",
            "low",
            1,
            "one",
            "done",
            "",
            True,
            BlockResult(host="one", trials=trials, wall_s=1),
        )
        for index, trials in enumerate(blocks)
    ]
    return build_report(a_campaign(), {"id": "k3f9x2ab"}, attempts, path)


DIRECT: Readings = (reading("device_hop", "server", 3.0, 2.0), reading("run_queue", "origin", 10.0))
TPROXY: Readings = (
    reading("device_hop", "server", 3.0, 2.0),
    reading("run_queue", "origin", 10.0),
    reading("run_queue", "proxy", 60.0, 2.0),
    reading("socket_wait", "dut", 70.0, 2.0),
    reading("proxy_residence", "to_origin", 250.0),
)


def by_stage(parts: tuple[StagePart, ...]) -> dict[tuple[str, str], float]:
    return {(part.stage, part.role): part.us for part in parts}


def test_a_mean_is_the_sum_of_its_stages_and_the_rest() -> None:
    report = reported((a_trial("direct", 100, DIRECT), a_trial("tproxy", 500, TPROXY, work={"packets_dut": 4000.0})))
    direct, tproxy = report.decompositions
    assert (direct.datapath, direct.trials, direct.mean_us) == ("direct", 1, pytest.approx(100, rel=1e-3))
    assert by_stage(direct.parts) == {("device_hop", "server"): 6.0, ("run_queue", "origin"): 10.0}
    assert direct.unattributed_us == pytest.approx(84, rel=2e-3)
    # 70 µs of socket wait, twice; 60 µs of each belong to the run queue.
    assert by_stage(tproxy.parts)[("run_queue", "proxy")] == 120.0
    assert by_stage(tproxy.parts)[("socket_wait", "dut")] == pytest.approx(20.0)
    total = sum(part.us for part in tproxy.parts) + tproxy.unattributed_us
    assert total == pytest.approx(tproxy.mean_us)
    assert tproxy.work_per_request == {"packets_dut": 4.0}
    assert [part.stage for part in tproxy.parts] == sorted(
        (part.stage for part in tproxy.parts),
        key=("device_hop", "run_queue", "socket_wait", "proxy_residence").index,
    )


def test_waits_of_kernel_threads_are_the_hosts_and_no_part_of_a_request() -> None:
    hosts = (reading("run_queue", "kworker", 40.0), reading("run_queue", "ksoftirqd", 40.0, matched=0.5))
    (direct, *_) = reported((a_trial("direct", 100, (*DIRECT, *hosts)), a_trial("tproxy", 500, TPROXY))).decompositions
    assert set(by_stage(direct.parts)) == {("device_hop", "server"), ("run_queue", "origin")}
    assert direct.left_out == ()


def test_a_difference_is_the_sum_of_the_stages_differences() -> None:
    blocks = [
        (a_trial("direct", 100 + drift, DIRECT), a_trial("tproxy", 500 + drift, TPROXY)) for drift in (0, 1, 5, 9)
    ]
    (difference,) = reported(*blocks).differences
    assert (difference.datapath, difference.reference, difference.pairs) == ("tproxy", "direct", 4)
    assert difference.mean_us.us == pytest.approx(400, abs=1)
    assert by_stage(difference.parts) == {
        ("device_hop", "server"): 0.0,
        ("run_queue", "origin"): 0.0,
        ("run_queue", "proxy"): 120.0,
        ("socket_wait", "dut"): pytest.approx(20.0),
        ("proxy_residence", "to_origin"): 250.0,
    }
    assert difference.unattributed_us == pytest.approx(10, abs=1)
    # Both datapaths of a block have the same drift, so the interval is narrow.
    assert difference.mean_us.low_us is not None
    assert difference.mean_us.high_us is not None
    assert difference.mean_us.high_us - difference.mean_us.low_us < 2
    assert difference.sentence == (
        "A mean request of tproxy takes 400 µs longer than one of direct at low load (closed(8)) of http_keepalive: "
        "proxy_residence 250 (to_origin), run_queue 120 (proxy), socket_wait 20 (dut), unattributed 10."
    )


def test_each_role_of_a_stage_that_differs_is_named() -> None:
    other = (
        reading("socket_wait", "dut", 500.0),
        reading("socket_wait", "server", 100.0),
        reading("qdisc", "dut", 5.0),
    )
    mine = (reading("socket_wait", "dut", 900.0), reading("socket_wait", "server", 20.0), reading("qdisc", "dut", 6.0))
    (difference,) = reported((a_trial("direct", 1000, other), a_trial("tproxy", 1400, mine))).differences
    assert difference.sentence.endswith(": socket_wait 320 (dut 400, server -80), unattributed 79.")


def test_a_stage_that_matched_badly_is_no_figure_and_is_named() -> None:
    bad = reading("rx_steering", "dut", 30.0, matched=0.9)
    report = reported((a_trial("direct", 100, DIRECT), a_trial("tproxy", 500, (*TPROXY, bad))))
    assert report.decompositions[1].left_out == ("rx_steering (dut)",)
    assert ("rx_steering", "dut") not in by_stage(report.decompositions[1].parts)


def test_what_is_not_on_the_way_is_not_in_the_sum() -> None:
    trial = a_trial("direct", 100, (*DIRECT, reading("net_rx_softirq", "", 500.0)))
    assert StageRole("net_rx_softirq") not in parts_us(trial, PATH)


def test_what_a_packet_waits_on_its_way_through_the_dut_is_counted_once() -> None:
    """A forwarded packet's queueing is part of forward; a proxy's is not, and there is no forward."""
    queueing = reading("qdisc", "dut", 3, per_request=2)
    forwarded = parts_us(a_trial("direct", 100, (reading("forward", "", 5, per_request=2), queueing)), PATH)
    assert forwarded == {StageRole("forward"): pytest.approx(4), StageRole("qdisc", "dut"): pytest.approx(6)}
    assert parts_us(a_trial("tproxy", 100, (queueing,)), PATH) == {StageRole("qdisc", "dut"): pytest.approx(6)}


def test_invalid_and_unwatched_trials_decompose_nothing() -> None:
    unwatched = a_trial("tproxy", 500, TPROXY, watched_latency=None)
    report = reported((a_trial("direct", 100, DIRECT, valid=False), unwatched))
    assert (report.decompositions, report.differences) == ((), ())


def test_the_mean_is_of_the_requests_that_were_sent_while_the_probes_looked() -> None:
    window = WindowTimes(requests=50, service_time_ns=50 * 120_000)
    direct, tproxy = reported(
        (
            a_trial("direct", 100, DIRECT, window_times=window, watched_pace=0.8),
            a_trial("tproxy", 500, TPROXY, window_times=window.model_copy(update={"latency_ns": 50 * 700_000})),
        )
    ).decompositions
    assert direct.mean_us == pytest.approx(120)
    assert tproxy.mean_us == pytest.approx(700)
    assert direct.unwatched_us is None


def test_what_requests_took_while_nobody_looked_stands_beside_it() -> None:
    times = {"latency": LatencyHistogram.of({90_000: 5}), "service_time": LatencyHistogram.of({70_000: 5})}
    opened, closed = reported(
        (a_trial("direct", 100, DIRECT, **times), a_trial("tproxy", 500, TPROXY, service_time=times["service_time"]))
    ).decompositions
    assert opened.unwatched_us == pytest.approx(90, rel=1e-2)
    assert closed.unwatched_us == pytest.approx(70, rel=1e-2)


def test_a_generator_that_does_not_tell_them_apart_leaves_the_pace_of_those_moments() -> None:
    """Closed loop: the traffic had four fifths of its pace, so requests took a quarter longer."""
    slowed = a_trial("direct", 100, DIRECT, watched_pace=0.8)
    opened = a_trial("tproxy", 500, TPROXY, watched_pace=0.8, latency=LatencyHistogram.of({500_000: REQUESTS}))
    direct, tproxy = reported((slowed, opened)).decompositions
    assert direct.mean_us == pytest.approx(125, rel=1e-3)
    assert tproxy.mean_us == pytest.approx(500, rel=1e-3)


def test_the_wait_before_the_send_is_a_part_of_its_own() -> None:
    """Open loop: latency starts at the intended send; the stages start at the actual one."""
    window = WindowTimes(requests=50, service_time_ns=50 * 100_000, latency_ns=50 * 300_000)
    late = a_trial("direct", 250, DIRECT, window_times=window)
    direct, tproxy = reported((late, a_trial("tproxy", 500, TPROXY))).decompositions
    assert direct.parts[0].stage == "send_wait"
    assert by_stage(direct.parts)["send_wait", ""] == pytest.approx(200, rel=2e-3)
    assert direct.unattributed_us == pytest.approx(84, rel=1e-2)
    assert ("send_wait", "") not in by_stage(tproxy.parts)


@given(st.lists(st.floats(0.1, 5000), min_size=1, max_size=9), st.floats(1, 10_000))
def test_the_sum_always_comes_out(stages_us: list[float], mean_us: float) -> None:
    """For any measurement, the remainder is what the stages do not explain, or explain twice."""
    names = (
        "qdisc",
        "device_hop",
        "forward",
        "rx_steering",
        "notify",
        "run_queue",
        "socket_wait",
        "splice_work",
        "connect",
    )
    probes = tuple(reading(name, "dut", us) for name, us in zip(names, stages_us, strict=False))
    (found,) = reported((a_trial("direct", mean_us, probes), a_trial("tproxy", 1, (), valid=False))).decompositions
    assert math.fsum(part.us for part in found.parts) + found.unattributed_us == pytest.approx(found.mean_us, abs=1e-6)


def a_host(name: str, **places: Place | None) -> HostCapabilities:
    return HostCapabilities(
        host=name, probes=tuple(Variant(name=stage, stage=stage, place=place) for stage, place in places.items())
    )


def test_the_path_is_what_the_hosts_probes_declare_in_its_order() -> None:
    path = StagePath.of(
        [
            a_host("one", zebra=Place(order=20), ant=Place(order=20), early=Place(order=5), beside=None),
            a_host("two", late=Place(order=99), early=Place(order=999)),
        ]
    )
    assert path.stages == ("send_wait", "early", "ant", "zebra", "late")
    assert path.holds("ant", "dut")
    assert not path.holds("beside", "")
    assert not path.holds("unheard_of", "")


def test_a_probe_that_the_coordinator_never_heard_of_takes_its_declared_place() -> None:
    """It comes between its neighbours, is taken off the stage that contains it, and its host's roles are left out."""
    inner = Place(order=75, within={"dut": StageRole("socket_wait", "dut")}, host_roles=("kworker",))
    path = StagePath({**PATH.places, "lock_wait": inner})
    probes = (*TPROXY, reading("lock_wait", "dut", 5.0), reading("lock_wait", "kworker", 50.0))
    (found,) = reported(
        (a_trial("tproxy", 500, probes), a_trial("direct", 1, (), valid=False)), path=path
    ).decompositions
    assert by_stage(found.parts)["lock_wait", "dut"] == 5.0
    assert by_stage(found.parts)["socket_wait", "dut"] == pytest.approx(15.0)
    assert ("lock_wait", "kworker") not in by_stage(found.parts)
    stages = [part.stage for part in found.parts]
    assert stages.index("run_queue") < stages.index("lock_wait") < stages.index("socket_wait")


def test_where_no_host_declares_a_place_the_time_is_unattributed() -> None:
    report = reported((a_trial("direct", 100, DIRECT), a_trial("tproxy", 500, TPROXY)), path=StagePath())
    assert [one.parts for one in report.decompositions] == [(), ()]
    assert report.decompositions[1].unattributed_us == pytest.approx(500, rel=1e-3)
