"""Read the output and the log of h2load 1.52. Pure. Invalid output is a failed generator, never a result of 0.

A line of the log is ``start (µs since the epoch) TAB status TAB duration (µs)``. The start is when h2load sent the
*request*. For a connection's first request that is after connect and TLS handshake, so the duration is a service time.
The exact counts are in the summary's parentheses; its times are rounded to three digits.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from domain.trials.histogram import LatencyHistogram

_REQUESTS = re.compile(
    r"^requests: (\d+) total, (\d+) started, (\d+) done, (\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout$",
    re.MULTILINE,
)
_STATUS = re.compile(r"^status codes: (\d+) 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx$", re.MULTILINE)
_TRAFFIC = re.compile(r"^traffic: \S+ \((\d+)\) total, \S+ \((\d+)\) headers .*, \S+ \((\d+)\) data$", re.MULTILINE)
_FIRST_BYTE = re.compile(r"^time to 1st byte:\s+(\S+)\s+(\S+)\s+(\S+)\s+(\S+)\s", re.MULTILINE)
_TIME = re.compile(r"^([0-9]+(?:\.[0-9]+)?)(us|ms|s|min|m|h)$")
_UNIT_US = {"us": 1.0, "ms": 1e3, "s": 1e6, "min": 60e6, "m": 60e6, "h": 3600e6}

# Tolerance for the rounding in the summary, and for the time between h2load's own clock readings.
_ROUNDING, _SLACK_US = 1.05, 1000.0
_LAG_SLACK = 2.0  # if lateness varied by more than twice its mean, only a few connects would be late


class Garbage(ValueError):
    """The text is not valid output of h2load."""


@dataclass(frozen=True)
class Times:
    """One line of times in the summary, in microseconds."""

    low_us: float
    high_us: float
    mean_us: float
    deviation_us: float


@dataclass(frozen=True)
class Summary:
    """The exact counts, and the rounded times from a connection's connect() to its answer's first byte."""

    total: int
    started: int
    done: int
    succeeded: int
    errored: int
    timed_out: int
    received_bytes: int  # after decryption
    body_bytes: int
    first_byte: Times


@dataclass(frozen=True)
class Row:
    """One answered request."""

    start_us: int
    status: int
    duration_us: int

    @property
    def good(self) -> bool:
        """True if the answer's status is a success."""
        return 200 <= self.status < 300

    @property
    def end_us(self) -> int:
        """When the answer was complete, since the epoch."""
        return self.start_us + self.duration_us


def read_summary(text: str) -> Summary:
    """The summary at the end of h2load's output. Raises :class:`Garbage`."""
    found = [pattern.findall(text) for pattern in (_REQUESTS, _STATUS, _TRAFFIC, _FIRST_BYTE)]
    if any(len(one) != 1 for one in found):
        raise Garbage(f"no whole summary: {text.strip()[-200:] or 'nothing at all'}")
    (total, started, done, succeeded, _, errored, timed_out), (good, *_), (received, _, body) = (
        [int(number) for number in one[0]] for one in found[:3]
    )
    if succeeded != good or done > started or succeeded > done:
        raise Garbage(f"its counts disagree: {succeeded} succeeded, {good} 2xx, {done} done of {started}")
    first_byte = Times(*(_us(word) for word in found[3][0]))
    return Summary(total, started, done, succeeded, errored, timed_out, received, body, first_byte)


def _us(word: str) -> float:
    if not (match := _TIME.match(word)):
        raise Garbage(f"{word!r} is not a time")
    return float(match[1]) * _UNIT_US[match[2]]


def read_log(text: str) -> list[Row]:
    """The log's rows, ordered by their end. Raises :class:`Garbage` for an invalid or truncated line."""
    rows = []
    if text and not text.endswith("\n"):
        raise Garbage("the log's last line is cut off")
    for line in text.splitlines():
        try:
            start_us, status, duration_us = (int(word) for word in line.split("\t")[:3])
        except ValueError:
            raise Garbage(f"a line of the log is {line[:80]!r}") from None
        if start_us <= 0 or duration_us < 0:
            raise Garbage(f"a line of the log is {line[:80]!r}")
        rows.append(Row(start_us, status, duration_us))
    return sorted(rows, key=lambda row: row.end_us)


def agree(summary: Summary, rows: Sequence[Row]) -> None:
    """Raises :class:`Garbage` unless log and summary have the same number of answers."""
    good = sum(row.good for row in rows)
    if good != summary.succeeded:
        raise Garbage(f"the log has {good} answers, the summary {summary.succeeded}")


def all_established(rows: Sequence[Row], connections: int) -> tuple[int, int]:
    """When the most connections first had a request in progress (µs since the epoch), and how many they were.

    Each connection has one request at a time. Once all connections have one in progress, all have done their handshake.
    The time before is the ramp. ``(0, 0)`` without rows.
    """
    # An answer ends before the next request begins, but both times are truncated to whole microseconds.
    events = sorted([(row.start_us, 1) for row in rows] + [(row.end_us, -1) for row in rows])
    established = most = since_us = 0
    for time_us, change in events:
        established += change
        if established > most:
            most, since_us = established, time_us
            if most >= connections:
                break
    return since_us, most


def service_times(rows: Sequence[Row]) -> LatencyHistogram:
    """The durations of answers with status 2xx."""
    return LatencyHistogram.of(Counter(row.duration_us * 1000 for row in rows if row.good))


@dataclass(frozen=True)
class OpenTimes:
    """Latency from the intended send, or why it is unknown, and how late connects began on average."""

    latency: LatencyHistogram | None
    lag_us: float = 0.0
    doubt: str = ""


def open_times(rows: Sequence[Row], summary: Summary, period_us: float) -> OpenTimes:
    """Latency of one request per connection, a connection due every ``period_us``: due → last byte of the answer.

    The log has the end of each answer, but not when its connection was due. So the n-th answer is paired with the n-th
    due time. That is exact if answers come in the order of the schedule, and the mean is always right. Of all pairings
    this one has the smallest maximum and deviation. h2load's summary has the times from connect() to first byte, per
    connection. If they exceed those of the pairing, the order was lost, and there is no latency.

    The start of the schedule is the latest one that the log allows with the summary's shortest time. Its error is at
    most what the fastest answer that was sent in time took longer than that.
    """
    if not rows or len(rows) != summary.total or summary.succeeded != summary.total:
        return OpenTimes(None)  # which of the due requests have no answer is not in the log
    reported = summary.first_byte
    after_us = [end_us - index * period_us for index, end_us in enumerate(sorted(row.end_us for row in rows))]
    origin_us = min(after_us) - reported.low_us
    latencies_us = [one - origin_us for one in after_us]
    mean_us = sum(latencies_us) / len(latencies_us)
    deviation_us = (sum((one - mean_us) ** 2 for one in latencies_us) / len(latencies_us)) ** 0.5
    # The lag of the connects is in the latencies, but not in the times that h2load reports.
    lag_us = max(0.0, mean_us - reported.mean_us)
    for what, own_us, paired_us in (
        ("longest time to a first byte", reported.high_us, max(latencies_us)),
        ("deviation of the first bytes", reported.deviation_us, deviation_us),
    ):
        if own_us > _ROUNDING * paired_us + _SLACK_US + _LAG_SLACK * lag_us:
            doubt = f"h2load's {what} is {own_us / 1e3:.1f} ms, its log explains {paired_us / 1e3:.1f} ms"
            return OpenTimes(None, doubt=f"{doubt}: the order was lost, and with it the intended sends")
    latency = LatencyHistogram.of(Counter(round(one) * 1000 for one in latencies_us))
    return OpenTimes(latency, lag_us)
