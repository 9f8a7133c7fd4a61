"""ProbeSession with fakes: the times of readings, the points made of them, and failing probes."""

import time
from collections.abc import Iterator

import pytest

from domain.probes.sample import TrialTags
from domain.probes.watched import StageRole, Watched
from probes._fake import FakeProbe, FakeSink
from probes.base import LabView, ProbeError
from probes.session import MAX_EVENTS_PER_INTERVAL, ProbeSession
from probes.stream.stream import Stream

HOUR_S = 3600.0
FORWARD, RUN_QUEUE = StageRole("forward"), StageRole("run_queue")
TAGS = TrialTags("k3f9x2ab", "b1-1-0", "h1", "tproxy", "http_keepalive", "low")


def view(label: str) -> LabView:
    return LabView(label, {}, {}, {})


@pytest.fixture
def sink() -> FakeSink:
    return FakeSink()


@pytest.fixture
def stream(sink: FakeSink) -> Iterator[Stream]:
    stream = Stream(sink, interval_s=HOUR_S)
    yield stream
    stream.close()


@pytest.fixture
def probes() -> dict[str, FakeProbe]:
    return {name: FakeProbe(name) for name in ("forward", "run_queue")}


@pytest.fixture
def session(probes: dict[str, FakeProbe], stream: Stream) -> Iterator[ProbeSession]:
    session = ProbeSession(probes, stream, "h1", interval_s=HOUR_S)
    yield session
    session.close()


def points(sink: FakeSink, stream: Stream, measurement: str) -> list[str]:
    assert stream.flush(5)
    return [line for line in sink.lines if line.startswith(measurement + ",")]


def test_of_a_slice_with_a_warm_up_only_a_share_of_what_happened_counts(
    session: ProbeSession, probes: dict[str, FakeProbe]
) -> None:
    """All timed events give the duration; the number of events covers the counted requests."""
    session.start(["forward"])
    session.begin_slice(view("a"), TAGS, warm_up_s=0.1)
    probes["forward"].happen("a", 1000, 2000, 3000, 4000)
    seen = session.end_slice([(0.1, 0.4)], share=0.75)
    assert (seen.stages[FORWARD].count, seen.events[FORWARD]) == (4, 3)
    session.begin_slice(view("a"), TAGS)
    probes["forward"].happen("a", 1000, 2000)
    # This probe does not use windows, so their content does not affect it.
    assert session.end_slice(sent=lambda windows: 0.1).events[FORWARD] == 2


def test_a_slice_is_the_growth_between_its_ends(
    session: ProbeSession, probes: dict[str, FakeProbe], stream: Stream, sink: FakeSink
) -> None:
    assert session.start(["forward", "run_queue"]) == {}
    session.begin_slice(view("a"), TAGS)
    probes["forward"].happen("a", 1000, 2000)
    probes["forward"].happen("b", 4000)
    first = session.end_slice()
    probes["forward"].happen("a", 8000)
    session.begin_slice(view("b"), TAGS)
    probes["forward"].happen("b", 16000)
    second = session.end_slice()
    assert (first.stages[FORWARD].count, first.stages[FORWARD].sum_ns, first.stages[RUN_QUEUE].count) == (2, 3000, 0)
    assert (second.stages[FORWARD].count, second.stages[FORWARD].sum_ns) == (1, 16000)
    assert probes["forward"].watches == [None, "a", None, "b", None]
    lines = points(sink, stream, "kernel_latency")
    assert len(lines) == 2  # a stage without growth has no point
    assert lines[0].startswith("kernel_latency,campaign=k3f9x2ab,datapath=tproxy,host=h1,level=low,stage=forward,work")
    assert "count=2i,sum_ns=3000i" in lines[0]
    assert len(points(sink, stream, "kernel_event")) == 3
    assert len(points(sink, stream, "telemetry")) == 2


def test_a_slice_is_read_while_it_runs(probes: dict[str, FakeProbe], stream: Stream, sink: FakeSink) -> None:
    session = ProbeSession(probes, stream, "h1", interval_s=0.01)
    session.start(probes)
    session.begin_slice(view("a"), TAGS)
    probes["forward"].happen("a", 1000)
    deadline = time.monotonic() + 30
    while not points(sink, stream, "kernel_latency") and time.monotonic() < deadline:
        time.sleep(0.01)
    before_the_end = len(points(sink, stream, "kernel_latency"))
    assert before_the_end
    probes["forward"].happen("a", 2000)
    assert session.end_slice().stages[FORWARD].count == 2
    assert len(points(sink, stream, "kernel_latency")) > before_the_end
    session.close()
    assert not probes["forward"].running


def test_events_are_bounded(
    session: ProbeSession, probes: dict[str, FakeProbe], stream: Stream, sink: FakeSink
) -> None:
    session.start(["forward"])
    session.begin_slice(view("a"), TAGS)
    probes["forward"].happen("a", *range(1000, 1000 + 3 * MAX_EVENTS_PER_INTERVAL), time_ns=10**18)
    session.end_slice()
    lines = points(sink, stream, "kernel_event")
    assert len(lines) == MAX_EVENTS_PER_INTERVAL
    assert len({line.rsplit(" ", 1)[1] for line in lines}) == len(lines)  # none overwrites another


def test_probes_are_compiled_once_and_stopped_when_not_wanted(
    session: ProbeSession, probes: dict[str, FakeProbe]
) -> None:
    session.start(["forward", "run_queue"])
    session.start(["forward"])
    session.start(["forward", "run_queue"])
    assert (probes["forward"].starts, probes["run_queue"].starts) == (1, 2)
    session.start([])
    assert not probes["forward"].running


def test_a_probe_that_cannot_start_leaves_the_others_running(stream: Stream) -> None:
    probes = {"forward": FakeProbe("forward"), "broken": FakeProbe("broken", broken="no BTF")}
    session = ProbeSession(probes, stream, "h1")
    assert session.start(["broken", "forward", "unheard_of"]) == {
        "broken": "no BTF",
        "unheard_of": "this host has no probe 'unheard_of'",
    }
    session.begin_slice(view("a"), TAGS)
    probes["forward"].happen("a", 1000)
    assert list(session.end_slice().stages) == [FORWARD]
    session.close()


def test_a_probe_that_breaks_in_a_slice_is_left_out_and_named(
    session: ProbeSession, probes: dict[str, FakeProbe]
) -> None:
    session.start(["forward", "run_queue"])
    session.begin_slice(view("a"), TAGS)
    probes["forward"].happen("a", 1000)
    probes["run_queue"].running = False
    assert list(session.end_slice().stages) == [FORWARD]
    assert "was not started" in session.failed["run_queue"]
    session.begin_slice(view("a"), TAGS)
    assert list(session.end_slice().stages) == [FORWARD]


def test_without_a_stream_the_slices_are_still_measured(probes: dict[str, FakeProbe]) -> None:
    session = ProbeSession(probes, None, "h1")
    session.start(["forward"])
    session.begin_slice(view("a"), TAGS)
    probes["forward"].happen("a", 1000, unmatched=1)
    growth = session.end_slice().stages[FORWARD]
    assert (growth.count, growth.started, growth.matched) == (1, 2, 0.5)
    assert session.end_slice() == Watched()
    session.close()
    session.close()


def test_a_fake_that_was_not_started_says_so() -> None:
    with pytest.raises(ProbeError):
        FakeProbe().read()


def test_events_and_work_are_reported_for_the_slice(
    session: ProbeSession, probes: dict[str, FakeProbe], stream: Stream, sink: FakeSink
) -> None:
    """One in four is measured; work before the slice does not count."""
    probe = probes["forward"]
    probe.every, probe.work = 4, {"packets": 100}
    session.start(["forward"])
    session.begin_slice(view("a"), TAGS)
    probe.happen("a", 1000, 2000, 3000)
    probe.work = {"packets": 107, "wakeups": 2}
    first = session.end_slice()
    assert (first.events, first.work) == ({FORWARD: 12.0}, {"packets": 7.0, "wakeups": 2.0})
    session.begin_slice(view("a"), TAGS)
    probe.happen("a", 1000)
    both = first.plus(session.end_slice())
    assert (both.events, both.work) == ({FORWARD: 16.0}, {"packets": 7.0, "wakeups": 2.0})
    assert both.stages[FORWARD].sum_ns == 7000
    (work,) = points(sink, stream, "kernel_work")
    assert "packets=7i,wakeups=2i" in work
