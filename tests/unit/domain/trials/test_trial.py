"""Trials: figures, validity, sums, and the stored format that every version must load."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from domain.hosts.cpu_time import CpuTime
from domain.trials.block import Block
from domain.trials.counters import Counters
from domain.trials.histogram import LatencyHistogram
from domain.trials.trial import REASON_CLASSES, TRANSIENT_REASONS, Finding, Reason, ReasonClass, TrialResult, Validity
from tests import ROOT

DATA = ROOT / "tests" / "data" / "trial_result_v1.json"


def test_a_result_of_version_1_loads_forever() -> None:
    result = TrialResult.model_validate_json(DATA.read_text())
    assert result.schema_version == 1
    assert (result.datapath, result.function, result.level) == ("ebpf_redirect#2", "forward", "medium")
    assert result.requests_per_s == pytest.approx(110_000)
    assert result.cpu_us_per_request == pytest.approx((3.11 - 0.0201) * 1e6 / 221_100)
    assert result.validity.reasons == (Reason.STEAL,)
    assert result.service_time is not None
    assert result.service_time.count == 1000
    assert result.service_time.percentile_ns(50) == pytest.approx(80_000, rel=1e-3)
    assert result.proof is not None
    assert result.proof.counters.connections is None
    assert result.slices[1].errors == {"timeout": 3}


def test_nothing_of_it_is_lost_when_it_is_written_again() -> None:
    result = TrialResult.model_validate_json(DATA.read_text())
    assert_kept(json.loads(DATA.read_text()), json.loads(result.model_dump_json()))


def assert_kept(old: Any, written: Any) -> None:
    """All stored fields load unchanged; newer fields have defaults."""
    if isinstance(old, dict):
        assert set(old) <= set(written)
        for key, value in old.items():
            assert_kept(value, written[key])
    elif isinstance(old, list):
        assert len(old) == len(written)
        for one, other in zip(old, written, strict=True):
            assert_kept(one, other)
    else:
        assert old == written


def test_an_unknown_version_or_field_is_refused() -> None:
    data = json.loads(DATA.read_text())
    for change in ({"schema_version": 2}, {"nosuch": 1}, {"requests": -1}, {"latency": "garbage"}):
        with pytest.raises(ValidationError):
            TrialResult.model_validate(data | change)


def trial(**changes: object) -> TrialResult:
    base = {"datapath": "d", "function": "forward", "workload": "w", "level": "l", "validity": {}}
    return TrialResult.model_validate(base | {"duration_s": 2, "requests": 100} | changes)


def test_figures_without_data_are_none_never_zero() -> None:
    assert trial().requests_per_s == 50
    assert trial(requests=0).requests_per_s is None
    assert trial(duration_s=0).requests_per_s is None
    assert trial().cpu_us_per_request is None  # no CPU time was measured


def test_requests_per_s_are_those_answered_within_the_slices() -> None:
    assert trial(delivered=90, due=110, queued=0).requests_per_s == 45
    assert (trial(delivered=90, due=110, queued=11).queued_share, trial().queued_share) == (0.1, None)
    assert trial(delivered=0).requests_per_s == 0  # all answers came too late: that is a rate
    assert (trial().lag_p99_us, trial().cpus_used, trial().cautions) == (None, None, ())
    assert trial(cpu=CpuTime(wall_s=2, cpus=2, idle_s=1.02)).cpus_used == pytest.approx(1.49)


def test_cpu_per_request_leaves_the_idle_and_the_stolen_out() -> None:
    # The ticks saw only 0.3 s of work; the time neither idle nor stolen is exact.
    cpu = CpuTime(wall_s=2, cpus=2, user_s=0.1, system_s=0.2, steal_s=0.5, idle_s=3)
    assert cpu.busy_s == pytest.approx(0.5)
    assert trial(cpu=cpu).cpu_us_per_request == pytest.approx(5000)
    in_open_loop = {"cpu": cpu, "latency": LatencyHistogram.of({1000: 100})}
    assert trial(**in_open_loop, idle_cpu_s_per_s=0.1).cpu_us_per_request == pytest.approx(3000)
    assert trial(**in_open_loop, idle_cpu_s_per_s=1).cpu_us_per_request == pytest.approx(-15_000)  # not cut off at zero


def test_a_closed_loop_has_no_idle_time_to_take_off() -> None:
    cpu = CpuTime(wall_s=2, cpus=2, idle_s=0.1)
    assert trial(cpu=cpu, idle_cpu_s_per_s=0.1).cpu_us_per_request == trial(cpu=cpu).cpu_us_per_request


def validity(*reasons: Reason) -> Validity:
    return Validity(findings=tuple(Finding(reason=r, detail="x") for r in reasons))


def test_validity() -> None:
    assert validity().valid
    assert validity().environment == ()
    assert not validity(Reason.STEAL).valid
    found = validity(Reason.BYPASSED, Reason.STEAL, Reason.OVERLOADED, Reason.INTERFERENCE).environment
    assert [one.reason for one in found] == [Reason.STEAL, Reason.INTERFERENCE]
    assert validity(Reason.STEAL, Reason.BYPASSED, Reason.STEAL).reasons == (Reason.STEAL, Reason.BYPASSED)
    # A finding that the datapath was not in the path must never count as host noise.
    assert TRANSIENT_REASONS.isdisjoint({Reason.BYPASSED, Reason.LEAKED, Reason.WRONG_CLIENT_ADDRESS, Reason.CORRUPT})


def test_every_reason_speaks_of_the_environment_of_the_proof_or_of_the_outcome() -> None:
    assert set(REASON_CLASSES) == set(Reason)
    outcomes = {one for one, kind in REASON_CLASSES.items() if kind is ReasonClass.OUTCOME}
    assert outcomes == {Reason.OVERLOADED, Reason.ERRORS, Reason.NO_REQUESTS}
    assert {Reason.STEAL, Reason.INTERFERENCE, Reason.THROTTLED, Reason.GENERATOR_SATURATED} == TRANSIENT_REASONS


def test_a_blocks_labs_are_built_in_the_recorded_order() -> None:
    fields = {"index": 0, "workload": "w", "level": "l", "load": "closed(4)", "host": "h1",
              "datapaths": ("direct", "tproxy"), "order": ("direct", "tproxy")}  # fmt: skip
    assert Block.model_validate(fields).build_order == ("direct", "tproxy")  # a plan of an earlier version
    assert Block.model_validate(fields | {"build": ("tproxy", "direct")}).build_order == ("tproxy", "direct")
    with pytest.raises(ValueError, match="build: name each datapath"):
        Block.model_validate(fields | {"build": ("tproxy",)})


numbers = st.none() | st.integers(0, 10**12)
counters = st.builds(
    Counters, packets=numbers, bytes=numbers, connections=numbers, leaked_packets=st.integers(0, 10**6)
)


@given(counters, counters)
def test_counters_grow_and_add_up(one: Counters, other: Counters) -> None:
    both = one.plus(other)
    grown = both.minus(one)
    for name in ("packets", "bytes", "connections"):
        a, b = getattr(one, name), getattr(other, name)
        known = a is not None and b is not None
        assert getattr(both, name) == (a + b if known else None)
        assert getattr(grown, name) == (b if known else None)
    assert grown.leaked_packets == other.leaked_packets


def test_a_counter_that_went_backwards_did_not_grow() -> None:
    assert Counters(packets=5, leaked_packets=1).minus(Counters(packets=9, leaked_packets=2)) == Counters(packets=0)


def test_cpu_times_add_up() -> None:
    one = CpuTime(wall_s=1, cpus=2, user_s=0.5, steal_s=0.1)
    both = one.plus(one)
    assert (both.wall_s, both.cpus, both.user_s, both.steal_s) == (2, 2, 1, 0.2)


def test_connections_by_origin_add_up_and_grow() -> None:
    one, other = Counters(origins={"a": 1, "b": 2}), Counters(origins={"b": 3, "c": 4})
    assert one.plus(other).origins == {"a": 1, "b": 5, "c": 4}
    assert one.plus(other).minus(one).origins == {"a": 0, "b": 3, "c": 4}
    assert one.plus(Counters()).origins == Counters().plus(one).origins == one.origins
    assert one.minus(Counters()).origins == one.origins
    assert Counters().minus(one).origins is None
    assert Counters(origins={"a": 1}).minus(Counters(origins={"a": 5})).origins == {"a": 0}
