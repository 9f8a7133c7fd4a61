"""``make bench-series``: what a year of telemetry costs InfluxDB in series, memory and disk, before and after.

The load is declared: campaigns a day of the size of the reference campaign. Before, the id of each trial was a tag;
now it is a field. The series of a year are counted exactly from the tags of real points. The same points of one day are
then written to a real influxd in both forms: it states its series, and what it needs of memory and disk is compared.
The last line is one JSON object. ``--quick`` makes it tiny.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import httpx

from deploy.stack.influx import DAYS
from domain.hosts.cpu_time import CpuTime
from domain.loads.metric import Metric
from domain.probes.sample import (
    Point,
    StageSample,
    TrialTags,
    host_cpu_point,
    kernel_event_point,
    kernel_latency_point,
    kernel_work_point,
    telemetry_point,
    traffic_point,
)
from domain.probes.telemetry import TelemetryAccount
from domain.reports.campaign_points import campaign_event_point, campaign_progress_point, trial_point, verdict_point
from domain.reports.report import Verdict
from domain.reports.verdict_words import VerdictWord
from tests.orderly import ends_in_order
from tests.servers import Influxd
from tests.telemetry_points import as_earlier_versions, histogram, trial

CAMPAIGNS_PER_DAY = 20
DAYS_PER_YEAR = 365
BATCH = 10_000
START_NS = 1_700_000_000_000_000_000
DATAPATHS = ("direct", "tproxy", "ebpf_sk_assign", "ebpf_redirect")
LEVELS = ("quarter", "half", "busy", "connections_64", "capacity")
TRIALS = 7  # of each cell: five rounds, and the steps of a search or the blocks of a focus
STAGES = tuple(
    (stage, role)
    for stage in ("qdisc", "device_hop", "notify", "run_queue", "socket_wait")
    for role in ("client", "proxy", "origin")
) + tuple((stage, "") for stage in ("forward", "rx_steering", "net_rx_softirq", "proxy_residence"))
METRICS = (Metric.REQUESTS_PER_S, Metric.CPU_US_PER_REQUEST, Metric.LATENCY_P50_US, Metric.LATENCY_P99_US)


def campaign(number: int) -> Iterator[Point]:
    """A point of each stage and measurement of every trial of a campaign of the size of the reference campaign."""
    name = f"c{number:07d}"
    at_ns = START_NS + number * 10**12
    yield campaign_event_point(name, "h1", "block", "text", at_ns, f"· 2026-11-30 03:21 · nightly · {name}")
    yield telemetry_point(name, "h1", TelemetryAccount(), at_ns)
    yield campaign_progress_point(name, 1, 0, 25, at_ns)
    result, seen = trial("tproxy"), histogram(900, 1500, 40_000)
    for level in LEVELS:
        for place, datapath in enumerate(DATAPATHS):
            for attempt in range(TRIALS):
                at_ns += 10**9
                tags = TrialTags(name, f"{name}-{attempt}-1-{place}", "h1", datapath, "http_keepalive", level)
                yield from _trial(tags, at_ns)
                yield trial_point(tags, result, at_ns)
                for stage, role in STAGES:
                    yield kernel_latency_point(tags, stage, seen, at_ns, role=role)
                    yield kernel_event_point(tags, StageSample(stage, 1500, at_ns, 1, role))
            yield from (_verdict(name, datapath, level, metric, at_ns) for metric in METRICS if datapath != "tproxy")


def _trial(tags: TrialTags, at_ns: int) -> Iterator[Point]:
    yield kernel_work_point(tags, {"packets": 4000}, at_ns)
    yield traffic_point(tags, requests_per_s=1e5, errors=0, p50_us=100, p99_us=900, time_ns=at_ns)
    yield host_cpu_point(tags, CpuTime(user_s=0.5, idle_s=1.5), at_ns)


def _verdict(name: str, datapath: str, level: str, metric: Metric, at_ns: int) -> Point:
    verdict = Verdict(
        datapath=datapath, reference="tproxy", workload="http_keepalive", level=level, metric=metric,
        verdict=VerdictWord.BETTER, pairs=6, ratio=0.5, low=0.4, high=0.6, sentence="half.",
    )  # fmt: skip
    return verdict_point(name, verdict, at_ns)


def series_of(points: Iterator[Point]) -> int:
    """How many series the points make: one for each measurement and set of tags."""
    return len(
        {(point.measurement, *sorted((tag, value) for tag, value in point.tags.items() if value)) for point in points}
    )


def before(number: int) -> Iterator[Point]:
    """The campaign as earlier versions wrote it."""
    return map(as_earlier_versions, campaign(number))


@dataclass(frozen=True)
class Cost:
    """What influxd needed for some campaigns."""

    series: int
    points: int
    memory_bytes: int
    disk_bytes: int
    write_s: float


def measured(directory: Path, index: str, campaigns: int, points_of: Callable[[int], Iterator[Point]]) -> Cost:
    """Write campaigns to a new influxd and ask for its series. Raises ``RuntimeError`` if it refuses points."""
    server = Influxd(directory, index=index)
    server.start()
    try:
        pid = server.process.pid if server.process else 0
        empty = _memory_bytes(pid)
        _ask(server.url, "CREATE DATABASE showdown")
        lines = (point.line for number in range(campaigns) for point in points_of(number))
        written, began = 0, time.perf_counter()
        while batch := list(islice(lines, BATCH)):
            _write(server.url, batch)
            written += len(batch)
        write_s = time.perf_counter() - began
        series = _ask(server.url, "SHOW SERIES EXACT CARDINALITY ON showdown")
        memory = _memory_bytes(pid) - empty
        return Cost(
            series,
            written,
            memory,
            sum(path.stat().st_size for path in directory.rglob("*") if path.is_file()),
            write_s,
        )
    finally:
        server.stop()


def _write(url: str, lines: list[str]) -> None:
    answer = httpx.post(f"{url}/write?db=showdown&precision=ns", content="\n".join(lines), timeout=60, trust_env=False)
    if answer.status_code != httpx.codes.NO_CONTENT:
        raise RuntimeError(f"influxd answered {answer.status_code}: {answer.text[:300]}")


def _ask(url: str, statement: str) -> int:
    answer = httpx.post(f"{url}/query", params={"db": "showdown"}, data={"q": statement}, timeout=60, trust_env=False)
    (result,) = answer.raise_for_status().json()["results"]
    return sum(row[0] for series in result.get("series", ()) for row in series["values"])


def _memory_bytes(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
    return next(int(line.split()[1]) << 10 for line in status.splitlines() if line.startswith("VmRSS:"))


def counted() -> dict[str, float]:
    """The series of a campaign, of a year and of the days that are kept, exactly."""
    facts: dict[str, float] = {}
    for name, points_of in (("before", before), ("now", campaign)):
        one = series_of(points_of(0))
        a_year, kept = one * CAMPAIGNS_PER_DAY * DAYS_PER_YEAR, one * CAMPAIGNS_PER_DAY * DAYS
        facts |= {f"{name}_series_per_campaign": one, f"{name}_series_per_year": a_year, f"{name}_series_kept": kept}
        print(f"{name}: {one:,} series per campaign, {a_year:,} per year, {kept:,} in {DAYS} days")
    return facts


def written(campaigns: int) -> dict[str, float]:
    """What an influxd says and needs."""
    facts: dict[str, float] = {}
    for name, points_of, index in (("before", before, "inmem"), ("now", campaign, "inmem"), ("now", campaign, "tsi1")):
        with tempfile.TemporaryDirectory(prefix="showdown-bench-") as directory:
            cost = measured(Path(directory), index, campaigns, points_of)
        key, rate = f"{name}_{index}", cost.points / cost.write_s
        facts |= {
            f"{key}_series": cost.series,
            f"{key}_memory_bytes": cost.memory_bytes,
            f"{key}_disk_bytes": cost.disk_bytes,
            f"{key}_points_per_s": round(rate),
        }
        print(f"{key}: {cost.series:,} series of {campaigns} campaigns, {cost.memory_bytes >> 20} MiB of memory, "
              f"{cost.disk_bytes >> 20} MiB on disk, {rate:,.0f} points/s")  # fmt: skip
    return facts


def main(arguments: list[str] | None = None) -> None:
    """Run it; see the module."""
    parser = argparse.ArgumentParser(prog="make bench-series", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="tiny, to see that it runs")
    parser.add_argument("--campaigns", type=int, default=CAMPAIGNS_PER_DAY, help="written (default: %(default)s)")
    given = parser.parse_args(arguments)
    print(f"{CAMPAIGNS_PER_DAY} campaigns a day of {len(DATAPATHS) * len(LEVELS)} cells, {TRIALS} trials each")
    facts = {"campaigns_per_day": CAMPAIGNS_PER_DAY, "days_kept": DAYS, **counted()}
    print(json.dumps(facts | written(2 if given.quick else given.campaigns), allow_nan=False))


if __name__ == "__main__":
    ends_in_order()
    main()
