"""The times of windows, and the estimates from them. With fakes and a seeded random source."""

import random
import threading
import time
from collections.abc import Collection

import pytest

from bpf.chain import Hook
from domain.probes.sample import TrialTags
from domain.probes.watched import Passage
from probes._fake import FakeProbe
from probes.base import LabView, Pending
from probes.pace import ATTACHING_S, EVENT_S, LONGEST_S, SHORTEST_S, TAX, WATCHING, Pace
from probes.session import ProbeSession
from probes.windows import Window, Windows, has_ended, passage_of, scale_of
from workers.runner.readings import readings

SATURATED = 2_200_000  # durations per second: 110,000 requests/s of twenty each


def cost_share(pace: Pace, rate: float, windows: int) -> tuple[float, float]:
    """The modelled CPU share of watching, and the share of watched time, over many windows."""
    cost_s = watched_s = passed_s = 0.0
    for _ in range(windows):
        open_s = pace.window_s
        pause_s = pace.pause_s(round(rate * open_s), open_s)
        cost_s += ATTACHING_S + open_s * rate * EVENT_S
        watched_s += open_s
        passed_s += open_s + pause_s
    return cost_s / (passed_s * pace.cpus), watched_s / passed_s


@pytest.mark.parametrize("rate", [SATURATED, 500_000, 150_000])
def test_the_tax_is_kept_at_high_rates(rate: int) -> None:
    share, watched = cost_share(Pace(2, random.Random(1)), rate, 2000)
    assert share == pytest.approx(TAX, rel=0.05)
    assert 0.005 < watched < 0.7


def test_a_slow_machine_is_watched_as_much_more_seldom() -> None:
    """Windows keep their length: both their surroundings and their content take longer."""
    fast, slow = Pace(2, random.Random(1)), Pace(2, random.Random(1))
    for _ in range(50):
        pauses = [
            pace.pause_s(round(SATURATED / 4 * pace.window_s), pace.window_s, times * ATTACHING_S)
            for pace, times in ((fast, 1), (slow, 2))
        ]
    assert slow.window_s == pytest.approx(fast.window_s, rel=0.01)
    assert slow.window_s == pytest.approx(WATCHING * ATTACHING_S / (SATURATED / 4 * EVENT_S), rel=0.01)
    assert pauses[1] > 1.9 * pauses[0]


def test_low_rates_are_watched_nearly_all_the_time() -> None:
    pace = Pace(2, random.Random(1))
    share, watched = cost_share(pace, 20_000, 50)
    assert pace.window_s == LONGEST_S
    assert watched > 0.9
    assert share < TAX


def test_pauses_are_random_and_short_while_nothing_happens() -> None:
    pace = Pace(2, random.Random(1))
    pauses = [pace.pause_s(0, SHORTEST_S) for _ in range(100)]
    assert 0.009 < min(pauses) < 0.015 < 0.025 < max(pauses) < 0.031
    assert pace.window_s == SHORTEST_S


def test_the_scale_is_that_of_the_traffic_and_not_of_the_time() -> None:
    windows = [Window(1.0, 1.1, 100, 200), Window(5.0, 9.0, 500, 600)]
    assert scale_of(windows, (0, 1000)) == 5
    assert scale_of(windows, (0, 150)) == 3  # an interval that ends within a window
    assert scale_of([], (0, 1000)) is None
    assert scale_of(windows, (700, 1000)) is None
    # The first window saw connections being opened: it is neither a sample of the requests nor part of the whole.
    assert scale_of(windows, (0, 1000), [(4.0, 10.0)]) == 9
    assert scale_of(windows, (0, 1000), [(1.05, 10.0)]) == 5


def test_what_began_in_a_window_has_time_to_end() -> None:
    assert has_ended(Pending(), 0)
    assert has_ended(Pending(started=100), 0)
    assert not has_ended(Pending(started=100, unended=1, longest_ns=1000), 0.002)
    assert has_ended(Pending(started=100, unended=1, longest_ns=1000), 0.003)
    # Waits of 10 ms were seen, so another one may take as long or longer.
    assert not has_ended(Pending(started=100, unended=1, longest_ns=10_000_000), 0.039)
    assert has_ended(Pending(started=100, unended=1, longest_ns=10_000_000), 0.041)
    # While too many are open for a figure, wait until they would be discarded.
    assert not has_ended(Pending(started=100, unended=10, longest_ns=1000), 0.099)
    assert has_ended(Pending(started=100, unended=10, longest_ns=1000), 0.1)


def test_probes_without_hooks_are_watched_all_the_slice() -> None:
    probe = FakeProbe()
    probe.start()
    windows = Windows({"fake": probe})
    assert "fake" not in windows
    assert not windows.turn(LabView("a", {}, {}, {}))
    windows.close()


def test_a_stage_that_the_lab_lacks_is_reported_and_not_watched() -> None:
    class Elsewhere(FakeProbe):
        def applies(self, lab: LabView) -> bool:
            return lab.label != "a"

    probes = {"forward": Elsewhere("forward"), "run_queue": FakeProbe("run_queue")}
    session = ProbeSession(probes, None, "h1")
    session.start(probes)
    session.begin_slice(LabView("a", {}, {}, {}), TrialTags("k3f9x2ab", "b1-1-0", "h1", "tproxy", "w", "low"))
    seen = session.end_slice()
    assert set(seen.absent) == {"forward"}
    assert {key.stage for key in seen.stages} == {"run_queue"}
    assert "a" not in probes["forward"].watches
    session.close()


@pytest.mark.parametrize("windowed", [True, False])
def test_a_stage_that_the_datapath_bypasses_is_reported_and_not_watched(windowed: bool) -> None:
    probes = {"forward": FakeProbe("forward"), "run_queue": FakeProbe("run_queue")}
    session = ProbeSession(probes, None, "h1", windowed=windowed)
    session.start(probes)
    lab = LabView("a", {}, {}, {}, bypassed_stages=frozenset({"forward"}))
    session.begin_slice(lab, TrialTags("k3f9x2ab", "b1-1-0", "h1", "ebpf_xdp", "w", "low"))
    seen = session.end_slice()
    assert set(seen.absent) == {"forward"}
    assert {key.stage for key in seen.stages} == {"run_queue"}
    assert "a" not in probes["forward"].watches
    session.close()


class NoChain:
    """A chain that loads nothing on this host."""

    def __init__(self, hooks: object, *, gated: bool) -> None:
        assert gated

    def attach(self, tracepoints: Collection[str]) -> None:
        assert not tracepoints


def test_windows_do_not_turn_to_what_passes_by(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("probes.windows.Chain", NoChain)

    class Hooked(FakeProbe):
        def take_hooks(self) -> tuple[Hook, ...]:
            return (Hook("t", 0, 0, 0),)

    probe = Hooked("forward")
    probe.start()
    windows = Windows({"forward": probe})
    assert windows.turn(LabView("a", {}, {}, {}))
    assert not windows.turn(LabView("a", {}, {}, {}, bypassed_stages=frozenset({"forward"})))


def test_a_window_ends_on_request() -> None:
    stop = threading.Event()
    stop.set()
    windows = Windows({})
    windows.turn(LabView("a", {}, {}, {}))
    began_s = time.monotonic()
    seen = windows.watch(10.0, stop, lambda: 7.0)
    assert time.monotonic() - began_s < 5
    assert (seen.passed_from, seen.passed_to, seen.started) == (7.0, 7.0, 0)


def test_the_pace_is_that_within_the_windows_over_that_of_the_traffic() -> None:
    windows = [Window(1.0, 1.1, 1000, 1080), Window(5.0, 5.1, 5000, 5080), Window(9.95, 10.2, 0, 5000)]
    # A thousand packets per second, eight hundred while probes were attached; the last window is outside the traffic.
    passage = passage_of(windows, (0, 10_000), [(0.0, 10.0)])
    assert passage.pace == pytest.approx(0.8)
    assert passage.plus(passage).pace == pytest.approx(0.8)
    assert passage_of([], (0, 10_000), [(0.0, 10.0)]).pace is None
    assert Passage().pace is None


def test_the_first_window_is_as_long_as_the_traffic_before_it_allows() -> None:
    pace = Pace(2, random.Random(1))
    pace.expect(250_000)
    assert SHORTEST_S <= pace.window_s < 0.01
    pace.expect(5_000)
    assert 0.1 < pace.window_s < 0.2
    pace.expect(0)
    assert pace.window_s == LONGEST_S


def test_a_window_opens_when_attaching_is_over_and_closes_before_anything_is_detached() -> None:
    log: list[str] = []

    class Slow(Windows):
        def _attach(self, tracepoints: Collection[str]) -> None:
            time.sleep(0.01)
            log.append("attached")

    windows = Slow({})
    began_s = time.monotonic()
    seen = windows.watch(0.001, threading.Event(), lambda: 0.0)
    # As long as attaching took, and once more for the traffic to recover.
    assert log == ["attached"]
    assert seen.begin_s - began_s >= 0.02


@pytest.mark.parametrize("windowed", [True, False])
def test_a_probe_that_does_not_see_the_labs_ip_version_is_absent_for_that_reason(windowed: bool) -> None:
    class OfIpv4(FakeProbe):
        ip_versions = frozenset({4})

    probes = {"work": OfIpv4("work"), "run_queue": FakeProbe("run_queue")}
    session = ProbeSession(probes, None, "h1", windowed=windowed)
    session.start(probes)
    for version, absent in ((6, {"work": "the probe does not see IPv6"}), (4, {})):
        lab = LabView("a", {}, {}, {}, ip_version=version)
        session.begin_slice(lab, TrialTags("k3f9x2ab", "b1-1-0", "h1", "direct", "w", "low"))
        seen = session.end_slice()
        assert seen.absent == absent
        assert ("work" in {key.stage for key in seen.stages}) == (version == 4)
        missing = [one for one in readings(seen) if not one.applies]
        assert [(one.stage, one.why_absent) for one in missing] == list(absent.items())
    session.close()
