"""What was not measured is not zero: stages without a figure, and blocks that some datapath lacks."""

import pytest

from domain.probes.watched import StageRole
from domain.probes.window_times import WindowTimes
from domain.trials.trial import ProbeReading, TrialResult
from tests.unit.coordinator.analysis.watched import DIRECT, TPROXY, a_trial, by_stage, parts_of, reading, reported

WAIT = ("run_queue", "origin")


def waits(us: float, **more: object) -> tuple[ProbeReading, ...]:
    return (reading(*WAIT, us, **more),)


@pytest.mark.parametrize("spoilt", [{"matched": 0.5}, {"events": 0.0}, {"applies": False, "count": 0, "sum_ns": 0}])
def test_a_stage_without_a_figure_in_one_trial_is_a_mean_over_the_others(spoilt: dict[str, object]) -> None:
    """Of 60 µs that one trial of six did not measure, 50 µs were reported; and a difference of 10 µs."""
    blocks = [
        (a_trial("direct", 300, waits(60.0)), a_trial("tproxy", 300, waits(60.0, **(spoilt if index == 2 else {}))))
        for index in range(6)
    ]
    report = reported(*blocks)
    for one in report.decompositions:
        assert [(part.us, part.blocks) for part in one.parts] == [(pytest.approx(60.0), 5)]
    (found,) = report.differences
    assert [(part.us, part.blocks) for part in found.parts] == [(pytest.approx(0.0), 5)]
    assert "run_queue" not in found.sentence


def test_the_sentence_says_of_how_many_pairs_a_stage_is() -> None:
    blocks = [
        (
            a_trial("direct", 300, waits(60.0)),
            a_trial("tproxy", 400 + index, waits(160.0, **({"matched": 0.5} if index == 2 else {}))),
        )
        for index in range(6)
    ]
    (found,) = reported(*blocks).differences
    assert "6 pairs: run_queue (origin) +100 [100, 100] of 5 pairs; the rest" in found.sentence


@pytest.mark.parametrize("measured", [0, 3])
def test_a_stage_that_one_datapath_hardly_measured_is_no_difference(measured: int) -> None:
    blocks = [
        (
            a_trial("direct", 300, waits(60.0)),
            a_trial("tproxy", 400 + index, waits(60.0, **({} if index < measured else {"matched": 0.9}))),
        )
        for index in range(6)
    ]
    report = reported(*blocks)
    direct, tproxy = report.decompositions
    assert by_stage(direct.parts) == {WAIT: 60.0}
    assert (tproxy.parts, tproxy.left_out) == ((), ("run_queue (origin)",))
    (found,) = report.differences
    assert (found.parts, found.only_reference) == ((), ())
    assert found.not_measured == ("run_queue (origin)",)
    assert "not measured in both: run_queue (origin); the rest" in found.sentence
    assert found.rest.us == pytest.approx(found.mean_us.us)


def test_a_stage_that_only_the_reference_has_is_named_as_its_own() -> None:
    blocks = [
        (a_trial("tproxy", 500 + index, TPROXY), a_trial("direct", 100 + 1.1 * index, DIRECT)) for index in range(6)
    ]
    (found,) = reported(*blocks).differences
    assert found.reference == "tproxy"
    assert "only tproxy has proxy_residence (to_origin) 250 [250, 250]" in found.sentence
    shown = sum(part.us for part in found.parts) - sum(part.us for part in found.only_reference) + found.rest.us
    assert shown == pytest.approx(found.mean_us.us, abs=1e-9)


def test_a_watched_stage_without_events_is_zero_in_that_trial_and_absent_without_any() -> None:
    none = {"count": 0, "sum_ns": 0, "events": 0.0, "matched": None}
    blocks = [
        (
            a_trial("direct", 300, waits(0.0, **none)),
            a_trial("tproxy", 400, waits(60.0, **(none if index == 2 else {}))),
        )
        for index in range(6)
    ]
    direct, tproxy = reported(*blocks).decompositions
    assert (direct.parts, direct.left_out) == ((), ())
    assert [(part.us, part.blocks) for part in tproxy.parts] == [(pytest.approx(50.0), 6)]


def test_what_a_stage_leaves_of_its_outer_one_is_not_clamped() -> None:
    """Half of the trials measure 10 µs too little, half 10 µs too much: on average it is nothing."""
    probes = [
        (reading("socket_wait", "dut", 60.0 + error), reading("run_queue", "proxy", 60.0)) for error in (-10, 10) * 3
    ]
    blocks = [(a_trial("direct", 300, DIRECT), a_trial("tproxy", 500, one)) for one in probes]
    tproxy = reported(*blocks).decompositions[1]
    assert by_stage(tproxy.parts)["socket_wait", "dut"] == pytest.approx(0.0, abs=1e-9)


def test_the_send_wait_is_not_clamped() -> None:
    early = WindowTimes(requests=50, service_time_ns=50 * 100_000, latency_ns=50 * 99_000)
    assert parts_of(a_trial("direct", 100, (), window_times=early)) == {StageRole("send_wait"): -1.0}


def test_without_the_inner_stage_the_outer_one_is_no_figure_either() -> None:
    """Its time would be in the outer one in this trial, and in no other."""
    unmatched = (reading("socket_wait", "dut", 70.0), reading("run_queue", "proxy", 60.0, matched=0.5))
    assert parts_of(a_trial("tproxy", 500, unmatched)) == {}
    (only, _) = reported((a_trial("tproxy", 500, unmatched), a_trial("direct", 300, DIRECT))).decompositions
    assert only.left_out == ("run_queue (proxy)", "socket_wait (dut)")


def three(index: int, missing: str = "") -> list[TrialResult]:
    means = {"direct": 100.0, "tproxy": 500.0, "ebpf_redirect": 200.0}
    return [
        a_trial(label, mean + 50 * index, waits(10.0 + index), valid=label != missing) for label, mean in means.items()
    ]


def test_bars_of_all_datapaths_are_of_the_blocks_that_all_have() -> None:
    """A stalled trial of one datapath must not lengthen its bar while its pair is missing."""
    report = reported(*(three(index, "tproxy" if index == 6 else "") for index in range(7)))
    assert {one.datapath: one.trials for one in report.decompositions} == dict.fromkeys(
        ("direct", "tproxy", "ebpf_redirect"), 6
    )
    means = {one.datapath: one.mean_us for one in report.decompositions}
    for found in report.differences:
        assert means[found.datapath] - means[found.reference] == pytest.approx(found.mean_us.us, abs=1e-9)


def test_a_datapath_that_lacks_too_many_blocks_takes_none_from_the_others() -> None:
    report = reported(*(three(index, "tproxy" if index > 2 else "") for index in range(7)))
    bars = {one.datapath: (one.trials, one.compared) for one in report.decompositions}
    assert bars == {"direct": (7, True), "tproxy": (3, False), "ebpf_redirect": (7, True)}
    assert {(one.datapath, one.reference) for one in report.differences} == {("ebpf_redirect", "direct")}


def test_a_mean_of_other_moments_than_the_stages_is_left_out() -> None:
    """One trial sent too few requests in the windows: its mean would be of the whole slice."""
    window = WindowTimes(requests=50, service_time_ns=50 * 120_000)
    blocks = [
        (
            a_trial("direct", 100, DIRECT, window_times=window),
            a_trial("tproxy", 500, TPROXY, window_times=None if index == 0 else window),
        )
        for index in range(6)
    ]
    direct, tproxy = reported(*blocks).decompositions
    assert (direct.trials, tproxy.trials) == (5, 5)
    assert tproxy.mean_us == pytest.approx(120)
