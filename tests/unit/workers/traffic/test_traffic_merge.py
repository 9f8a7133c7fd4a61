"""Merging the results of several clients: it equals recording all in one place, and the order does not matter."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.hosts.cpu_time import CpuTime
from domain.trials.histogram import LatencyHistogram
from workers.traffic.base import SliceTraffic, TargetTraffic
from workers.traffic.merge import merged, merged_line, merged_targets
from workers.traffic.timeline import Timeline

CPU = CpuTime(wall_s=0.2, cpus=2, user_s=0.1, system_s=0.1, idle_s=0.2)
SLICES = 3
Sample = tuple[int, int, int, int, str]
"""(client, slice, latency_ns, bytes, error or none) of one request."""

samples = st.lists(
    st.tuples(
        st.integers(0, 3),
        st.integers(0, SLICES - 1),
        st.integers(10, 10**10),
        st.integers(0, 10**6),
        st.sampled_from(["", "", "", "reset", "timeout"]),
    ),
    max_size=60,
)


def timeline(taken: Sequence[Sample]) -> Timeline:
    """A timeline of four steps; a request's latency modulo 4 is the step in which it was sent."""
    steps = [[one[2] for one in taken if one[2] % 4 == step and not one[4]] for step in range(4)]
    times = tuple(map(sum, steps))
    return Timeline(0.05, tuple(map(len, steps)), times, tuple(2 * one for one in times))


def recorded(taken: Sequence[Sample]) -> TargetTraffic:
    """The record of some requests by one client; the first slice is a warm-up."""
    slices = []
    for number in range(SLICES):
        mine = [one for one in taken if one[1] == number]
        causes = [one[4] for one in mine if one[4]]
        slices.append(
            SliceTraffic(
                started_s=float(number), duration_s=0.2, requests=len(mine) - len(causes),
                bytes_received=sum(one[3] for one in mine), bytes_sent=2 * sum(one[3] for one in mine),
                errors={"any": len(causes)} if causes else {}, cpu=CPU, warm_up=number == 0, begun_s=number + 0.001,
                timeline=timeline(mine) if number else None,
            )
        )  # fmt: skip
    timed = LatencyHistogram()
    for one in taken:
        if one[1] and not one[4]:
            timed.record(one[2])
    causes = [one[4] for one in taken if one[4]]
    return TargetTraffic(
        slices=tuple(slices),
        connections=len({one[2] for one in taken}),
        errors={cause: causes.count(cause) for cause in sorted(set(causes))},
        unsent=sum(one[2] % 2 for one in taken),
        timings={"latency": timed} if timed.count else {},
        busiest_thread_share=0.5,
    )


def parts_of(taken: Sequence[Sample]) -> dict[str, TargetTraffic]:
    return {f"client {k + 1} of 4": recorded([one for one in taken if one[0] == k]) for k in range(4)}


@settings(deadline=None, max_examples=40)
@given(samples)
def test_merging_parts_equals_recording_all_in_one_place(taken: list[Sample]) -> None:
    parts, whole = parts_of(taken), recorded(taken)
    got = merged(parts)
    assert replace(got, clients={}) == replace(whole, connections=sum(part.connections for part in parts.values()))
    assert got.clients == {name: part.requests for name, part in parts.items()}
    for percentile in (50, 99, 99.9) if "latency" in whole.timings else ():
        assert got.timings["latency"].percentile_ns(percentile) == whole.timings["latency"].percentile_ns(percentile)


@settings(deadline=None, max_examples=40)
@given(samples, st.permutations(range(4)))
def test_the_order_of_the_parts_does_not_matter(taken: list[Sample], order: list[int]) -> None:
    parts = parts_of(taken)
    names = list(parts)
    assert merged({names[k]: parts[names[k]] for k in order}) == merged(parts)


@settings(deadline=None, max_examples=40)
@given(samples)
def test_merging_in_two_steps_is_merging_at_once(taken: list[Sample]) -> None:
    a, b, c, d = parts_of(taken).values()
    pairs = merged({"client 1": merged({"1": a, "2": b}), "client 2": merged({"1": c, "2": d})})
    assert replace(pairs, clients={}) == replace(merged(parts_of(taken)), clients={})


def one_slice(**changes: Any) -> TargetTraffic:
    usual = SliceTraffic(started_s=1.0, duration_s=0.2, requests=100, bytes_received=1, cpu=CPU, begun_s=1.0001)
    return TargetTraffic(slices=(replace(usual, **changes),), busiest_thread_share=changes.get("requests", 0) / 1e3)


@pytest.mark.parametrize(
    ("parts", "all_have_it"), [((True, True), True), ((True, False), False), ((None, None), None), ((None, True), True)]
)
def test_the_priority_is_that_of_all_clients(parts: tuple[bool | None, ...], all_have_it: bool | None) -> None:
    named = {f"client {at} of 2": replace(one_slice(), real_time=part) for at, part in enumerate(parts, 1)}
    assert merged(named).real_time is all_have_it


def test_the_hosts_cpu_time_and_the_busiest_thread_are_taken_once() -> None:
    got = merged({"client 1 of 2": one_slice(requests=200), "client 2 of 2": one_slice(requests=300)})
    assert got.slices[0].cpu == CPU
    assert got.slices[0].requests == 500
    assert (got.busiest_thread_share, got.limit, got.failure) == (0.3, "", "")


@pytest.mark.parametrize("changes", [{"started_s": 1.001}, {"duration_s": 0.3}, {"warm_up": True}])
def test_clients_with_different_slices_have_failed(changes: dict[str, Any]) -> None:
    got = merged({"client 1 of 2": one_slice(), "client 2 of 2": one_slice(**changes)})
    assert got.failure.startswith("slice 0 was 0.200000 s from 1.000000 s for client 1 of 2")
    assert got.requests == 0


def test_a_client_that_ended_early_is_named() -> None:
    short = TargetTraffic()
    assert merged({"client 1 of 2": one_slice(), "client 2 of 2": short}).failure == (
        "client 1 of 2 had 1 slices, client 2 of 2 0"
    )


def test_clients_that_begin_far_apart_are_a_limit_with_the_latest_named() -> None:
    late = merged({"client 1 of 2": one_slice(begun_s=1.0301), "client 2 of 2": one_slice()})
    assert late.limit == (
        "the clients began their slices 30.0 ms apart in the median, at most 30.0 ms; client 1 of 2 was the latest"
    )
    assert late.failure == ""
    assert merged({"a": one_slice(begun_s=1.019), "b": one_slice()}).limit == "", (
        "19 ms are within a tenth of the slice"
    )
    (usual,) = one_slice().slices
    rarely = replace(one_slice(), slices=(usual, usual, replace(usual, begun_s=1.1)))
    assert merged({"a": rarely, "b": replace(one_slice(), slices=(usual,) * 3)}).limit == "", (
        "one late slice of three must not raise the median"
    )
    assert merged({"a": one_slice(begun_s=1.3, warm_up=True), "b": one_slice(warm_up=True)}).limit == ""


def test_a_client_that_stalled_is_named_and_its_stall_is_no_mean() -> None:
    got = merged({"client 1 of 2": one_slice(), "client 2 of 2": one_slice(stalled_s=0.05)})
    assert got.limit == "client 2 of 2 stalled for 50 ms of 0.2 s"
    assert got.slices[0].stalled_s == 0.05, "the stall must not be averaged over the other clients"


def test_failures_and_limits_name_their_client() -> None:
    good = one_slice()
    assert merged({"client 1 of 2": replace(good, limit="no ports"), "client 2 of 2": good}).limit == (
        "client 1 of 2: no ports"
    )
    got = merged({"client 1 of 2": replace(good, failure="interrupted"), "client 2 of 2": good})
    assert got.failure == "client 1 of 2: interrupted"
    of_other = replace(good, failure="client 1 of 2 failed")
    got = merged({"client 1 of 2": replace(good, failure="no memory"), "client 2 of 2": of_other})
    assert got.failure == "client 1 of 2: no memory", "a client's own failure must precede the reports of others"
    reported = "client 2 of 2 ended no slice for 2.6 s while the others waited"
    both = dict.fromkeys(("client 1 of 2", "client 2 of 2"), replace(good, failure=reported))
    assert merged(both).failure == reported


def test_a_client_without_a_request_has_failed() -> None:
    got = merged({"client 1 of 2": one_slice(requests=100), "client 2 of 2": one_slice(requests=0)})
    assert got.failure == "client 2 of 2 completed no request, where all together completed 100"
    few = merged({"client 1 of 2": one_slice(requests=3), "client 2 of 2": one_slice(requests=0)})
    assert few.failure == "", "with so few requests it may be chance"


def test_a_target_that_one_client_cannot_reach_is_the_only_result() -> None:
    refused = {"tproxy": TargetTraffic(failure="target tproxy: Connection refused")}
    of_other = dict.fromkeys(("direct", "tproxy"), TargetTraffic(failure="client 2 of 2 failed"))
    got = merged_targets({"client 1 of 2": of_other, "client 2 of 2": refused})
    assert {label: one.failure for label, one in got.items()} == {
        "tproxy": "client 2 of 2: target tproxy: Connection refused"
    }
    both = merged_targets({name: {"direct": one_slice()} for name in ("client 1 of 2", "client 2 of 2")})
    assert both["direct"].requests == 200


def test_lines_of_running_clients_are_added_up_and_their_times_merged() -> None:
    def reported(value_ns: int, **more: Any) -> dict[str, Any]:
        times = LatencyHistogram.of({value_ns: 100}).encode()
        return {"requests": 100, "sent": 101, "latency": {"p99_ns": value_ns, "hdr": times}, **more}

    lines = [{"type": "slice", "slice": 4, **reported(ns, errors=errors)} for ns, errors in ((1000, 1), (9000, 2))]
    line = merged_line(lines)
    assert (line["requests"], line["sent"], line["errors"], line["slice"]) == (200, 202, 3, 4)
    assert line["latency"]["p50_ns"] == pytest.approx(1000, rel=0.01)
    assert line["latency"]["p99_ns"] == pytest.approx(9000, rel=0.01)
    seconds = [{"type": "second", "t_s": 1.0, "targets": {"t0": reported(ns, errors={"reset": 1})}} for ns in (10, 20)]
    line = merged_line(seconds)
    assert (line["t_s"], line["targets"]["t0"]["errors"], line["targets"]["t0"]["requests"]) == (1.0, {"reset": 2}, 200)
