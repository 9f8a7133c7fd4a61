"""Known stages add up to a known mean, and two datapaths' difference to the differences of their stages."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordinator.analysis.kernel.path import StagePath
from domain.probes.place import Place
from domain.probes.watched import StageRole
from domain.probes.window_times import WindowTimes
from domain.service.jobs import HostCapabilities, Variant
from domain.trials.histogram import LatencyHistogram
from tests.unit.coordinator.analysis.watched import (
    DIRECT,
    PATH,
    REQUESTS,
    TPROXY,
    a_trial,
    by_stage,
    parts_of,
    reading,
    reported,
)


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
    assert by_stage(difference.parts) == {("device_hop", "server"): 0.0, ("run_queue", "origin"): 0.0}
    assert by_stage(difference.only_datapath) == {
        ("run_queue", "proxy"): 120.0,
        ("socket_wait", "dut"): pytest.approx(20.0),
        ("proxy_residence", "to_origin"): 250.0,
    }
    assert difference.rest.us == pytest.approx(10, abs=1)


def test_a_stage_that_matched_badly_is_no_figure_and_is_named() -> None:
    bad = reading("rx_steering", "dut", 30.0, matched=0.9)
    report = reported((a_trial("direct", 100, DIRECT), a_trial("tproxy", 500, (*TPROXY, bad))))
    assert report.decompositions[1].left_out == ("rx_steering (dut)",)
    assert ("rx_steering", "dut") not in by_stage(report.decompositions[1].parts)


def test_what_is_not_on_the_way_is_not_in_the_sum() -> None:
    trial = a_trial("direct", 100, (*DIRECT, reading("net_rx_softirq", "", 500.0)))
    assert StageRole("net_rx_softirq") not in parts_of(trial)


def test_what_a_packet_waits_on_its_way_through_the_dut_is_counted_once() -> None:
    """A forwarded packet's queueing is part of forward; a proxy's is not, and there is no forward."""
    queueing = reading("qdisc", "dut", 3, per_request=2)
    forwarded = parts_of(a_trial("direct", 100, (reading("forward", "", 5, per_request=2), queueing)))
    assert forwarded == {StageRole("forward"): pytest.approx(4), StageRole("qdisc", "dut"): pytest.approx(6)}
    assert parts_of(a_trial("tproxy", 100, (queueing,))) == {StageRole("qdisc", "dut"): pytest.approx(6)}


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


def test_the_mean_of_unwatched_slices_is_reported_too() -> None:
    times = {"latency": LatencyHistogram.of({90_000: 5}), "service_time": LatencyHistogram.of({70_000: 5})}
    opened, closed = reported(
        (a_trial("direct", 100, DIRECT, **times), a_trial("tproxy", 500, TPROXY, service_time=times["service_time"]))
    ).decompositions
    assert opened.unwatched_us == pytest.approx(90, rel=1e-2)
    assert closed.unwatched_us == pytest.approx(70, rel=1e-2)


def test_a_generator_that_does_not_separate_them_leaves_the_pace_of_those_moments() -> None:
    """Closed loop: the traffic had four fifths of its pace, so requests took a quarter longer."""
    slowed = a_trial("direct", 100, DIRECT, watched_pace=0.8)
    opened = a_trial("tproxy", 500, TPROXY, watched_pace=0.8, latency=LatencyHistogram.of({500_000: REQUESTS}))
    direct, tproxy = reported((slowed, opened)).decompositions
    assert direct.mean_us == pytest.approx(125, rel=1e-3)
    assert tproxy.mean_us == pytest.approx(500, rel=1e-3)


def test_the_wait_before_the_send_is_a_separate_part() -> None:
    """Open loop: latency starts at the intended send; the stages start at the actual one."""
    window = WindowTimes(requests=50, service_time_ns=50 * 100_000, latency_ns=50 * 300_000)
    late = a_trial("direct", 250, DIRECT, window_times=window)
    closed = a_trial("tproxy", 500, TPROXY, window_times=window.model_copy(update={"latency_ns": None}))
    direct, tproxy = reported((late, closed)).decompositions
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
