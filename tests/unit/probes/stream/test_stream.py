"""The stream: it never blocks and never hides a loss."""

import threading
import time

import pytest

from domain.probes.sample import Point
from domain.probes.telemetry import LossCause, TelemetryAccount
from probes._fake import FakeSink
from probes.stream.sink import SinkError
from probes.stream.stream import NO_SINK
from tests.audit import AuditedStream, unaccounted


def point(number: int) -> Point:
    return Point("traffic", {"host": "h"}, {"value": number}, number)


def fill(stream: AuditedStream, points: int) -> None:
    for number in range(points):
        stream.put(point(number))


@pytest.fixture
def sink() -> FakeSink:
    return FakeSink()


PATIENCE_S = 20.0


class StuckSink(FakeSink):
    """Blocks each write until it is released."""

    def __init__(self) -> None:
        super().__init__()
        self.entered = threading.Event()
        self.go = threading.Event()

    def write(self, lines: str) -> None:
        self.entered.set()
        self.go.wait(2 * PATIENCE_S)
        super().write(lines)


def test_every_point_is_delivered_in_order_and_in_batches(sink: FakeSink) -> None:
    stream = AuditedStream(sink, batch_points=100, interval_s=30)
    fill(stream, 1050)
    assert stream.flush(PATIENCE_S)
    assert stream.account() == TelemetryAccount(produced=1050, delivered=1050)
    assert sink.lines == [point(number).line for number in range(1050)]
    assert max(sink.batches) == 100
    stream.close()
    assert sink.closed


def test_a_partial_batch_leaves_after_the_interval(sink: FakeSink) -> None:
    stream = AuditedStream(sink, interval_s=0.05)
    fill(stream, 3)
    deadline = time.monotonic() + PATIENCE_S
    while len(sink.lines) < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert len(sink.lines) == 3
    stream.close()


def test_points_that_find_the_stream_asleep_wake_it(sink: FakeSink) -> None:
    stream = AuditedStream(sink, interval_s=0.05)
    for number in range(3):
        stream.put(point(number))
        deadline = time.monotonic() + PATIENCE_S
        while len(sink.lines) <= number and time.monotonic() < deadline:
            time.sleep(0.01)
        assert len(sink.lines) == number + 1
        time.sleep(0.1)  # without work, the thread sleeps until it is woken
    stream.close()


def test_a_server_that_is_down_loses_points_and_says_so(sink: FakeSink) -> None:
    sink.fail = SinkError("it is down", again=True)
    stream = AuditedStream(sink, batch_points=10, pause_s=0.001)
    fill(stream, 25)
    account = stream.close(0.1)
    assert account == TelemetryAccount(
        produced=25, delivered=0, lost=25, losses={LossCause.AWAY: 25}, missing="it is down"
    )


def test_a_server_that_comes_back_loses_nothing(sink: FakeSink) -> None:
    sink.fail = SinkError("a moment", again=True)
    stream = AuditedStream(sink, pause_s=0.001, interval_s=0.001)
    fill(stream, 5)
    while sink.tries < 3:
        time.sleep(0.001)
    sink.fail = None
    assert stream.close() == TelemetryAccount(produced=5, delivered=5)


def test_a_full_queue_loses_without_blocking() -> None:
    sink = StuckSink()
    stream = AuditedStream(sink, 10, batch_points=1)
    stream.put(point(0))
    assert sink.entered.wait(PATIENCE_S)
    began = time.monotonic()
    fill(stream, 30)  # nine more fit, next to the one being written
    assert time.monotonic() - began < 5, "the sink is stuck for longer"
    assert stream.account().losses == {LossCause.QUEUE_FULL: 21}
    assert unaccounted(stream.account()) == 0
    assert "more than 10 points" in stream.account().missing
    sink.go.set()
    account = stream.close()
    assert (account.produced, account.delivered, account.lost) == (31, 10, 21)


def test_what_is_stuck_is_queued_when_the_account_is_taken_and_does_not_enter_the_next_one() -> None:
    sink = StuckSink()
    stream = AuditedStream(sink, batch_points=5)
    fill(stream, 12)
    assert sink.entered.wait(PATIENCE_S)
    assert stream.take_account(0.05) == TelemetryAccount(produced=12, queued=12)
    fill(stream, 3)
    assert stream.account() == TelemetryAccount(produced=3, queued=3)
    sink.go.set()
    assert stream.take_account(PATIENCE_S) == TelemetryAccount(produced=3, delivered=3)
    assert stream.totals() == TelemetryAccount(produced=15, delivered=15)
    stream.close()


def test_what_is_left_of_two_accounts_at_the_end_is_lost_in_its_own(sink: FakeSink) -> None:
    sink.fail = SinkError("it is down", again=True)
    stream = AuditedStream(sink, threaded=False)
    fill(stream, 5)
    assert stream.take_account(0.1).queued == 5
    fill(stream, 2)
    assert stream.close(0.1).losses == {LossCause.AWAY: 2}
    assert stream.totals().losses == {LossCause.AWAY: 7}
    assert unaccounted(stream.totals()) == 0


def test_without_a_sink_all_is_counted_lost() -> None:
    stream = AuditedStream.to_influx("")
    fill(stream, 4)
    assert stream.flush(0.1)
    assert stream.close() == TelemetryAccount(produced=4, lost=4, losses={LossCause.OFF: 4}, missing=NO_SINK)
    stream.close()


def test_a_sinks_bug_ends_neither_the_thread_nor_the_account(sink: FakeSink) -> None:
    class Buggy(FakeSink):
        def write(self, lines: str) -> None:
            if "value=0i" in lines:
                raise KeyError("oops")
            super().write(lines)

    stream = AuditedStream(Buggy(), batch_points=2)
    fill(stream, 6)
    account = stream.close()
    assert (account.produced, account.delivered, account.losses) == (6, 5, {LossCause.FAILED: 1})
    assert "oops" in account.missing


def test_points_after_the_end_are_lost(sink: FakeSink) -> None:
    stream = AuditedStream(sink)
    stream.close()
    stream.put(point(1))
    assert stream.account().lost == 1


def test_a_flush_waits_for_what_was_there_and_not_for_what_comes() -> None:
    stream = AuditedStream(FakeSink(), interval_s=3600.0)
    done = threading.Event()

    def produce() -> None:
        while not done.is_set():
            stream.put(point(1))
            time.sleep(0.0005)

    producer = threading.Thread(target=produce)
    producer.start()
    try:
        for _ in range(20):
            stream.put(point(2))
            assert stream.flush(PATIENCE_S)
    finally:
        done.set()
        producer.join()
        stream.close()
