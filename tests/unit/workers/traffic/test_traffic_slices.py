"""The generator's slices: targets in turn, their own rates, late answers, and requests in flight at the end."""

import os
import time

import pytest

from tests.host_noise import in_windows
from tests.unit.workers.traffic.traffic_rig import good, load, origin, target

pytestmark = pytest.mark.usefixtures("both_builds")


def test_targets_take_turns_and_are_reported_per_slice() -> None:
    with origin() as one, origin() as two:
        run = good(
            *("--workload", "http_keepalive", "--closed", "--connections", "4", "--warm-up-ms", "20"),
            *("--duration-ms", "300", "--slice-ms", "50", "--order", "a,b,b,a"),
            *("--target", target(one.ports["http"], "a"), "--target", target(two.ports["http"], "b")),
        )
    final = run.final
    assert [s["target"] for s in final["slices"]] == ["a", "b", "a", "b", "b", "a", "a", "b"]
    assert [s["warm_up"] for s in final["slices"]] == [True, True] + [False] * 6
    assert [s["slice"] for s in run.of("slice")] == list(range(8))
    for label, server in (("a", one), ("b", two)):
        result = final["targets"][label]
        mine = [s for s in final["slices"] if s["target"] == label]
        assert result["requests"] == sum(s["requests"] for s in mine if not s["warm_up"])
        assert server.final["requests"] == sum(s["requests"] for s in mine)
        assert result["connections"] == server.final["connections"] == 4  # they stay open
        assert result["active_ns"] == 150_000_000
    for before, after in zip(final["slices"], final["slices"][1:], strict=False):
        assert before["start_ns"] + before["length_ns"] <= before["drained_ns"] <= after["start_ns"]


@in_windows
def test_the_hosts_cpu_time_is_read_at_the_slices_borders() -> None:
    with origin() as server:
        run = good(
            *("--workload", "tcp_rr", "--closed", "--connections", "8", "--duration-ms", "1000", "--slice-ms", "250"),
            *("--target", target(server.ports["tcp"], "a"), "--target", target(server.ports["tcp"], "b")),
        )
    final = run.final
    for label, result in final["targets"].items():
        ticks = result["host_cpu_ticks"]
        mine = [s for s in final["slices"] if s["target"] == label]
        assert ticks == {kind: sum(s["host_cpu_ticks"][kind] for s in mine) for kind in ticks}
        elapsed_s = sum(s["drained_ns"] - s["start_ns"] for s in mine) / 1e9
        idle_s = (ticks["idle"] + ticks["iowait"]) / final["ticks_per_s"]
        busy_s = elapsed_s * (os.cpu_count() or 1) - idle_s
        # Half of the generator's CPU time belongs to each target. Each reading is in whole ticks, four per slice.
        assert busy_s > 0.8 * final["threads"][0]["cpu_s"] / 2 - 0.1
        assert idle_s < elapsed_s * (os.cpu_count() or 1) + 0.1


@in_windows
def test_all_targets_get_the_same_poisson_schedule() -> None:
    with origin() as server:
        run = good(
            *("--workload", "http_keepalive", "--open", "2000", "--arrival", "poisson", "--connections", "16"),
            *("--duration-ms", "400", "--slice-ms", "50", "--seed", "9"),
            *("--target", target(server.ports["http"], "a"), "--target", target(server.ports["http"], "b")),
        )
    targets = run.final["targets"]
    assert targets["a"]["sent"] == targets["b"]["sent"] == pytest.approx(400, abs=80)
    per_slice = [[s["sent"] for s in run.final["slices"] if s["target"] == label] for label in "ab"]
    assert per_slice[0] == per_slice[1]
    assert len(set(per_slice[0])) > 1


@in_windows
def test_a_target_may_have_its_own_rate() -> None:
    with origin() as server:
        run = good(
            *("--workload", "tcp_rr", "--open", "2000", "--connections", "16", "--warm-up-ms", "50"),
            *("--duration-ms", "400", "--slice-ms", "50"),
            *("--target", target(server.ports["tcp"], "a"), "--target", target(server.ports["tcp"], "b", rate="500")),
        )
    targets = run.final["targets"]
    assert (targets["a"]["sent"], targets["b"]["sent"]) == (400, 100)
    assert {s["sent"] for s in run.final["slices"] if s["target"] == "b"} == {25}  # its warm-up too


@pytest.mark.parametrize("load_of", [("--closed",), ("--open", "100", "--ramp-to", "200")])
def test_a_targets_own_rate_needs_an_even_open_loop(load_of: tuple[str, ...]) -> None:
    run = load("--workload", "tcp_rr", *load_of, "--duration-ms", "10", "--target", target(1, rate="5"))
    assert run.code == 2
    assert "rate= needs --open" in run.final["failure"]


@in_windows
def test_late_answers_count_for_their_own_slice() -> None:
    """An origin that stalls longer than the drain answers requests of a slice while the next slice runs."""
    with origin("--stall-ms", "120", "--stall-every-ms", "200") as frozen, origin() as swift:
        run = good(
            *("--workload", "http_keepalive", "--open", "500", "--connections", "50", "--drain-ms", "5"),
            *("--duration-ms", "800", "--slice-ms", "50"),
            *("--target", target(frozen.ports["http"], "frozen"), "--target", target(swift.ports["http"], "swift")),
        )
    targets = run.final["targets"]
    assert targets["frozen"]["late"] > 0
    assert targets["frozen"]["late"] == sum(s["late"] for s in run.final["slices"] if s["target"] == "frozen")
    assert targets["swift"]["late"] == 0
    for label in targets:
        assert targets[label]["requests"] + targets[label]["unsent"] == 200
        assert all(s["sent"] == s["requests"] for s in run.final["slices"])


@in_windows
def test_requests_in_flight_at_the_end_are_counted() -> None:
    with origin("--stall-ms", "900", "--stall-every-ms", "1000") as server:
        time.sleep(max(0.0, (1000 - time.monotonic() * 1000 % 1000 - 20) / 1000))  # just before it freezes
        run = load(
            *("--workload", "http_keepalive", "--open", "500", "--connections", "10", "--duration-ms", "200"),
            *("--settle-ms", "50", "--target", target(server.ports["http"])),
        )
    result = run.one
    assert result["in_flight"] == 10  # each connection's request
    assert result["requests"] + result["in_flight"] + result["unsent"] == 100
    assert result["queued"] >= result["unsent"] > 50
