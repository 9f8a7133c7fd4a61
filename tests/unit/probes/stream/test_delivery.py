"""Delivery of one batch: a bad line loses only itself, and an unavailable sink gets the pause that it asked for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes._fake import FakeSink
from probes.stream.delivery import LONGEST_PAUSE_S, RetryBackoff, post
from probes.stream.sink import SinkError


class Picky(FakeSink):
    """Accepts the good lines of a batch and refuses it for the bad ones, like InfluxDB; it may report their number."""

    def __init__(self, reports_refused: bool = False, whole: bool = False, away_after: int | None = None) -> None:
        super().__init__()
        self.reports_refused, self.whole, self.away_after = reports_refused, whole, away_after

    def write(self, lines: str) -> None:
        if self.away_after is not None and self.tries >= self.away_after:
            raise SinkError("gone", again=True, retry_after_s=7)
        batch = lines.split("\n")
        bad = [line for line in batch if line.startswith("bad")]
        if not bad:
            super().write(lines)
            return
        self.tries += 1
        if not self.whole:
            self.lines += [line for line in batch if line not in bad]
        raise SinkError("unable to parse", again=False, refused=len(bad) if self.reports_refused else None)


@given(st.lists(st.booleans(), max_size=70), st.booleans(), st.booleans())
def test_exactly_the_bad_lines_are_rejected(good: list[bool], reports_refused: bool, whole: bool) -> None:
    sink = Picky(reports_refused, whole)
    lines = [f"{'good' if fine else 'bad'} {number}" for number, fine in enumerate(good)]
    outcome = post(sink, lines)
    assert (outcome.delivered, outcome.rejected, outcome.rest) == (good.count(True), good.count(False), ())
    assert set(sink.lines) == {line for line in lines if line.startswith("good")}


@given(st.lists(st.booleans(), min_size=1, max_size=40), st.integers(0, 30))
def test_what_a_sink_did_not_take_before_it_went_is_left_over(good: list[bool], away_after: int) -> None:
    sink = Picky(whole=True, away_after=away_after)
    lines = [f"{'good' if fine else 'bad'} {number}" for number, fine in enumerate(good)]
    outcome = post(sink, lines)
    assert outcome.delivered + outcome.rejected + len(outcome.rest) == len(lines)
    assert set(sink.lines).isdisjoint(outcome.rest)
    assert list(outcome.rest) == [line for line in lines if line in outcome.rest], "in their order"
    assert (outcome.retry_after_s == 7) is outcome.away is bool(outcome.rest)


def test_one_bad_line_among_thousands_costs_few_writes() -> None:
    sink = Picky()
    assert post(sink, ["good"] * 2500 + ["bad"] + ["good"] * 2499).rejected == 1
    assert sink.tries <= 2 * 13 + 1


class Narrow(FakeSink):
    """A proxy that takes so many lines at once."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most = most

    def write(self, lines: str) -> None:
        if lines.count("\n") >= self.most:
            self.tries += 1
            raise SinkError("answered 413", again=True, too_large=True)
        super().write(lines)


@pytest.mark.parametrize("most", [1, 100, 10_000])
def test_a_batch_that_a_proxy_finds_too_large_is_sent_in_pieces(most: int) -> None:
    lines = [str(number) for number in range(1000)]
    sink = Narrow(most)
    outcome = post(sink, lines)
    assert (outcome.delivered, outcome.rejected, outcome.rest) == (1000, 0, ())
    assert sink.lines == lines


def test_lines_that_a_proxy_never_takes_wait() -> None:
    sink = Narrow(0)
    outcome = post(sink, [str(number) for number in range(1000)])
    assert (outcome.delivered, outcome.rejected, outcome.away) == (0, 0, True)
    assert len(outcome.rest) == 1000
    assert sink.tries == 10, "halved to one line: 1,000, 500, 250 … 1"


def test_a_batch_that_is_bad_altogether_is_not_halved_when_the_server_says_so() -> None:
    sink = Picky(reports_refused=True)
    assert post(sink, ["bad"] * 5000).rejected == 5000
    assert sink.tries == 1


def test_a_line_that_cannot_be_sent_fails_alone() -> None:
    class Encoding(FakeSink):
        def write(self, lines: str) -> None:
            lines.encode()
            super().write(lines)

    outcome = post(Encoding(), ["a", "b\udc80", "c"])
    assert (outcome.delivered, outcome.failed) == (2, 1)
    assert "surrogates not allowed" in outcome.reason


@pytest.mark.parametrize(("asked", "waits"), [(None, 0.5), (0.0, 0.5), (90.0, 90.0), (1e9, 3600.0)])
def test_a_sink_is_left_alone_for_as_long_as_it_asks(asked: float | None, waits: float) -> None:
    now = 100.0
    backoff = RetryBackoff(lambda: now)
    assert backoff.wait_s == 0
    backoff.record_failure(asked)
    assert backoff.wait_s == pytest.approx(waits)
    backoff.record_success()
    assert backoff.wait_s == 0


def test_pauses_double_up_to_a_bound() -> None:
    backoff = RetryBackoff(lambda: 0.0)
    pauses = []
    for _ in range(8):
        backoff.record_failure()
        pauses.append(backoff.wait_s)
    assert pauses == [0.5, 1, 2, 4, 8, LONGEST_PAUSE_S, LONGEST_PAUSE_S, LONGEST_PAUSE_S]


def test_a_hurry_interrupts_the_search_for_bad_lines() -> None:
    sink = Picky(whole=True)
    lines = [f"bad {number}" if number % 10 == 0 else f"good {number}" for number in range(1000)]
    outcome = post(sink, lines, hurry=lambda: sink.tries >= 5)
    assert sink.tries == 5
    assert outcome.delivered + outcome.rejected + len(outcome.rest) == 1000
    assert len(outcome.rest) > 800
    assert not outcome.away
