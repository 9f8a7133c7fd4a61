"""``make bench-stream``: telemetry into a real influxd, through the stream and by a plain client, as a ratio.

Both alternate, and deliver such lines in batches of the same size over one kept connection. The plain client has
prepared bodies, no account and no spool. The stream gets the lines point by point, as from probes. The last line is one
JSON object. ``--quick`` makes it tiny, as a smoke test without meaningful figures.
"""

import argparse
import http.client
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from urllib.parse import urlsplit

from domain.probes.sample import (
    BUCKETS,
    Point,
    StageHistogram,
    StageSample,
    TrialTags,
    kernel_event_point,
    kernel_latency_point,
)
from probes.stream.counters import COUNTERS_FILE, DeliveryCounters
from probes.stream.influx import InfluxSink
from probes.stream.spool import Spool
from probes.stream.stream import Stream
from tests.bench.figures import Findings, heading, paired
from tests.orderly import ends_in_order
from tests.servers import private_influxd

BATCH_POINTS = 5_000
GOAL = 0.8
STAGES = ("forward", "rx_steering", "run_queue", "net_rx_softirq")


def points_of(number: int, count: int) -> list[Point]:
    """The lines that probes produce, one histogram to nine events; no two calls make the same point."""
    tags = TrialTags("k3f9x2ab", f"b{number}-1-0", "h1", "tproxy", "http_keepalive", "low")
    histogram = StageHistogram(tuple(int(20 < index < 50) for index in range(BUCKETS)), 90_000, 9_000, 31)
    start_ns = 1_700_000_000_000_000_000 + number * 10**12
    found = []
    for index in range(count):
        stage, at_ns = STAGES[index % len(STAGES)], start_ns + index * 1_000
        if index % 10:
            found.append(kernel_event_point(tags, StageSample(stage, 1500 + index, at_ns, index)))
        else:
            found.append(kernel_latency_point(tags, stage, histogram, at_ns))
    return found


def plain(url: str, bodies: list[bytes]) -> None:
    """Post each body, and read the answer."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc)
    for body in bodies:
        connection.request("POST", "/write?db=showdown&precision=ns", body)
        answer = connection.getresponse()
        answer.read()
        if answer.status != 204:
            raise RuntimeError(f"influxd answered {answer.status}")
    connection.close()


def streamed(stream: Stream, points: list[Point]) -> None:
    """Put each point, and wait until all are delivered."""
    for point in points:
        stream.put(point)
    account = stream.take_account(60)
    if account.delivered != len(points):
        raise RuntimeError(f"not all was delivered: {account}")


def rate(work: Callable[[], None], count: int) -> float:
    """Points per second."""
    began = time.perf_counter()
    work()
    return count / (time.perf_counter() - began)


def compare(url: str, directory: Path, pairs: int, count: int) -> dict[str, list[float]]:
    """Points per second of both, alternating; each delivers separate points."""
    spool = Spool(directory)
    stream = Stream(InfluxSink(url), 2 * count, spool=spool, counters=DeliveryCounters(directory / COUNTERS_FILE))
    found: dict[str, list[float]] = {"stream": [], "plain": []}
    streamed(stream, points_of(0, BATCH_POINTS))  # create the database and open the connection
    for pair in range(1, pairs + 1):
        for arm in ("stream", "plain") if pair % 2 else ("plain", "stream"):
            points = points_of(2 * pair + (arm == "plain"), count)
            if arm == "stream":
                found[arm].append(rate(lambda points=points: streamed(stream, points), count))  # type: ignore[misc]
            else:
                lines = [point.line for point in points]
                starts = range(0, count, BATCH_POINTS)
                bodies = ["\n".join(lines[start : start + BATCH_POINTS]).encode() for start in starts]
                found[arm].append(rate(lambda bodies=bodies: plain(url, bodies), count))  # type: ignore[misc]
    stream.close()
    return found


def main(arguments: list[str]) -> int:
    """Run it; see the module."""
    parser = argparse.ArgumentParser(prog="make bench-stream", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="tiny, to see that it runs")
    quick = parser.parse_args(arguments).quick
    pairs, count = (3, 10_000) if quick else (16, 50_000)
    findings = Findings()
    heading(f"Points into influxd, batches of {BATCH_POINTS}, {pairs} pairs of {count} points")
    with tempfile.TemporaryDirectory(prefix="showdown-bench-") as directory:
        path = Path(directory)
        with private_influxd(path) as url:
            found = compare(url, path / "spool", pairs, count)
    ratio = paired(found["stream"], found["plain"])
    findings.report("points_per_s", ratio, f"points/s of the stream ÷ a plain client (≥ {GOAL})", ratio.ratio >= GOAL)
    for arm, rates in found.items():
        findings.facts[f"{arm}_points_per_s"] = median(rates)
    print()
    print(findings.json())
    return 0


if __name__ == "__main__":
    ends_in_order()
    sys.exit(main(sys.argv[1:]))
