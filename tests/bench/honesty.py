"""An origin that freezes: the generators' latencies compared with the schedule's."""

import math
import re
import subprocess
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path

from domain.trials.histogram import LatencyHistogram
from tests.bench.figures import Findings, at_percentile, heading, ratio_to, stalled_latencies
from tests.bench.plans import opened
from tests.bench.stage import PATH, labs, run
from workers.lab import netns
from workers.lab.lab import Lab

RATE_PER_S = 500
OWN_CONNECTIONS = 1000  # more than fall due during a freeze, so that each request leaves when it is due
PEER_CONNECTIONS = 16
MAX_P99_ERROR = 0.05
MAX_P50_NS = 2_000_000  # for requests outside the freezes


@dataclass(frozen=True)
class Freeze:
    """An origin that is frozen for ``stall_ms`` of every ``every_ms``; measured over several whole periods."""

    stall_ms: int
    every_ms: int
    periods: int = 1

    def __str__(self) -> str:
        return f"{self.stall_ms} ms of every {self.every_ms} ms"

    @property
    def seconds(self) -> float:
        """The duration of a run."""
        return self.every_ms * self.periods / 1000


FREEZES = (Freeze(1000, 6000), Freeze(300, 1500, 2), Freeze(100, 1000, 3))


@dataclass(frozen=True)
class Seen:
    """The p50 and p99 of one run in nanoseconds, and the p99 of the schedule."""

    p50_ns: float
    p99_ns: float
    schedule_p99_ns: float = 0.0


def honesty(findings: Findings, freezes: tuple[Freeze, ...], repeats: int) -> None:
    """p99 of ours ÷ the schedule's, for each freeze pattern, with wrk's and h2load's figures for comparison."""
    heading(f"A frozen origin, {RATE_PER_S} requests/s: p50 / p99 in ms (* at full speed: it cannot hold a rate)")
    for freeze in freezes:
        with labs(["direct"], stall_ms=freeze.stall_ms, stall_every_ms=freeze.every_ms) as running_labs:
            lab = running_labs["direct"]
            ours: list[Seen] = []
            peers: dict[str, Seen | str] = {}
            for index in range(repeats):
                beside = _Beside(lab, freeze.seconds) if index == 0 else None
                ours.append(_ours(lab, freeze))
                peers |= {"h2load": beside.result()} if beside else {}
            peers["wrk *"] = _wrk(lab, freeze.seconds)
        _print(findings, freeze, ours, peers)


def _print(findings: Findings, freeze: Freeze, ours: list[Seen], peers: dict[str, Seen | str]) -> None:
    ratio = ratio_to([one.p99_ns / one.schedule_p99_ns for one in ours], 1.0)
    p50_ns = max(one.p50_ns for one in ours)
    print(f"  {freeze}: the schedule says p99 = {ours[0].schedule_p99_ns / 1e6:.1f}")
    for name, seen in {"showdown-traffic": Seen(p50_ns, ours[0].p99_ns), **peers}.items():
        text = seen if isinstance(seen, str) else f"{seen.p50_ns / 1e6:9.2f} / {seen.p99_ns / 1e6:9.2f}"
        print(f"    {name:<18} {text}")
    key = f"honesty_p99_{freeze.stall_ms}ms_of_{freeze.every_ms}ms"
    findings.report(key, ratio, "p99 of ours ÷ the schedule's (within 5 %)", abs(ratio.ratio - 1) <= MAX_P99_ERROR)
    findings.facts[f"{key}_p50_ms"] = p50_ns / 1e6
    findings.goals[f"{key}_p50_unharmed"] = p50_ns <= MAX_P50_NS


def _ours(lab: Lab, freeze: Freeze) -> Seen:
    measured = run("ours", lab, opened(RATE_PER_S, OWN_CONNECTIONS), freeze.seconds)
    start_ns = round(measured.traffic.slices[0].started_s * 1e9)
    latencies = stalled_latencies(
        start_ns, RATE_PER_S, freeze.every_ms * freeze.periods, freeze.stall_ms, freeze.every_ms
    )
    return _seen(measured.traffic.timings["latency"], at_percentile(latencies, 99))


def _wrk(lab: Lab, seconds: float) -> Seen | str:
    url = f"http://{lab.server_address}:{lab.origin_port}{PATH}"
    argv = ["wrk", "-t1", f"-c{PEER_CONNECTIONS}", f"-d{math.ceil(seconds)}s", "--latency", url]
    return read_wrk(_talk(lab, argv, seconds))


def _talk(lab: Lab, argv: list[str], seconds: float) -> str:
    """The output of another generator in the lab's client; empty if it failed."""
    entry = ["nsenter", f"--net={netns.path(lab.client_ns)}", *argv]
    try:
        done = subprocess.run(entry, capture_output=True, text=True, timeout=3 * seconds + 10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout if done.returncode == 0 else ""


def read_wrk(text: str) -> Seen | str:
    """wrk's "Latency Distribution", as it prints it."""
    units = {"us": 1e3, "ms": 1e6, "s": 1e9, "m": 60e9}
    found = {p: float(n) * units[unit] for p, n, unit in re.findall(r"^\s+(\d+)%\s+([\d.]+)(us|ms|s|m)$", text, re.M)}
    return Seen(found["50"], found["99"]) if {"50", "99"} <= set(found) else "gave no result"


def _seen(histogram: LatencyHistogram, schedule_p99_ns: float = 0.0) -> Seen:
    return Seen(histogram.percentile_ns(50) or 0, histogram.percentile_ns(99) or 0, schedule_p99_ns)


class _Beside:
    """h2load with ``--rps``, at the same rate and the same time as ours: together they ask 1,000 times a second."""

    def __init__(self, lab: Lab, seconds: float) -> None:
        self._lab, self._seconds = lab, seconds
        self._found: Seen | str = "gave no result (is nghttp2-client installed?)"
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        url = f"http://{self._lab.server_address}:{self._lab.origin_port}{PATH}"
        with tempfile.TemporaryDirectory(prefix="showdown-h2load-") as directory:
            log = Path(directory, "log")
            argv = ["h2load", "--h1", f"-c{PEER_CONNECTIONS}", f"-n{round(RATE_PER_S * self._seconds)}",
                    f"--rps={RATE_PER_S / PEER_CONNECTIONS}", f"--log-file={log}", url]  # fmt: skip
            if _talk(self._lab, argv, self._seconds) and log.exists():
                self._found = read_h2load(log.read_text())

    def result(self) -> Seen | str:
        """Its output, after its end."""
        self._thread.join()
        return self._found


def read_h2load(text: str) -> Seen | str:
    """h2load's log: start in µs since the epoch, status, time of the answer in µs; one line per request."""
    times = sorted(int(fields[2]) for fields in map(str.split, text.splitlines()) if len(fields) == 3)
    if not times:
        return "gave no result (its log is empty)"
    return Seen(at_percentile(times, 50) * 1e3, at_percentile(times, 99) * 1e3)
