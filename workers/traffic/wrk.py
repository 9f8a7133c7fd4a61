"""Driver of wrk: the closed-loop generator.

Each connection sends its next request when the last answer came, so the durations are service times, never latency
under load. wrk opens its connections anew for every slice. It takes whole seconds only; SIGINT ends it earlier with
its usual report, which tells how long it really ran.
"""

import json
import math
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from domain.campaign import ClosedLoad
from domain.histogram import LatencyHistogram
from workers import netns as namespaces
from workers.workloads.base import GeneratorPlan, TrafficResult

_SCRIPT = Path(__file__).with_name("wrk.lua")
_POLL_S = 0.05
_GRACE_S = 2.0  # wrk looks every 100 ms whether it shall stop; much later it hangs


class Wrk:
    """wrk with one thread per CPU."""

    name = "wrk"

    def run(
        self, plan: GeneratorPlan, *, netns: str, host: str, port: int, stop: Callable[[], bool] = lambda: False
    ) -> TrafficResult:
        """Run wrk for ``plan.duration_s`` seconds; a failure is in the result."""
        if not isinstance(plan.load, ClosedLoad):
            return TrafficResult(failure=f"wrk makes closed loops only, not {plan.load}")
        seconds = math.ceil(plan.duration_s)
        threads = max(1, min(len(os.sched_getaffinity(0)), plan.load.connections))
        argv = ["wrk", f"-t{threads}", f"-c{plan.load.connections}", f"-d{seconds}s", "--timeout", "2s",
                "-s", str(_SCRIPT), f"http://{host}:{port}{plan.path}"]  # fmt: skip
        before = _children_cpu_s()
        started = time.monotonic()
        failure, output = _run(argv, netns, started + plan.duration_s, stop)
        if failure:
            return TrafficResult(failure=failure)
        share = (_children_cpu_s() - before) / (threads * max(time.monotonic() - started, 1e-9))
        return parse(output, connections=plan.load.connections, busiest_thread_share=share)


def parse(output: str, *, connections: int, busiest_thread_share: float = 0.0) -> TrafficResult:
    """Read what wrk.lua printed. Anything else is a failed generator, never a zero."""
    lines = [line for line in output.splitlines() if line.startswith("SHOWDOWN ")]
    if len(lines) != 1:
        return TrafficResult(failure=f"wrk printed no result: {output.strip()[-200:] or 'nothing at all'}")
    try:
        data: dict[str, Any] = json.loads(lines[0].removeprefix("SHOWDOWN "))
        return TrafficResult(
            duration_s=data["duration_us"] / 1e6,
            requests=int(data["requests"]),
            connections=connections,
            bytes_received=int(data["bytes"]),
            errors={cause: int(count) for cause, count in data["errors"].items() if count},
            service_time=_service_time(data, connections),
            busiest_thread_share=busiest_thread_share,
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        return TrafficResult(failure=f"wrk printed garbage ({error}): {lines[0][:200]}")


def _service_time(data: dict[str, Any], connections: int) -> LatencyHistogram | None:
    """The service times; ``None`` when they cannot be told from what wrk added to them."""
    counts = {int(us): int(count) for us, count in data["latency"]}
    rounds = int(data["requests"]) // connections
    raw = uncorrected(counts, int(data["duration_us"]) // rounds) if rounds else counts
    if sum(raw.values()) != data["requests"]:
        return None
    return LatencyHistogram.of({us * 1000: count for us, count in raw.items()})


def uncorrected(counts: Mapping[int, int], expected_us: int) -> dict[int, int]:
    """The service times (µs → count) without those that wrk makes up for answers slower than ``expected_us``.

    wrk adds, for each time ``n``, one at ``n - expected``, ``n - 2 expected`` … down to ``expected``, as if requests
    had been due in between (wrk 4, stats.c, stats_correct). In a closed loop none was due. The longest times are free
    of additions, so going down from there takes away exactly what was added.
    """
    raw = dict(counts)
    for us in sorted(raw, reverse=True):
        count = raw[us]
        if expected_us <= 0 or us < 2 * expected_us or count <= 0:
            continue
        for added in range(us - expected_us, expected_us, -expected_us):
            if added in raw:
                raw[added] -= count
    return {us: count for us, count in raw.items() if count > 0}


def _run(argv: list[str], netns: str, end: float, stop: Callable[[], bool]) -> tuple[str, str]:
    """Run until ``end`` (monotonic); returns (failure, output), one of them empty."""
    try:
        process = subprocess.Popen(
            # nsenter and setpriv replace themselves; wrk dies with us, and its namespace is swept in any case.
            ["nsenter", f"--net={namespaces.path(netns)}", "setpriv", "--pdeathsig", "KILL", *argv],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
    except OSError as error:
        return f"wrk did not start: {error}", ""
    told = False
    try:
        while True:
            now = time.monotonic()
            try:
                output, _ = process.communicate(timeout=_POLL_S if told else min(_POLL_S, max(end - now, 0.001)))
                break
            except subprocess.TimeoutExpired:
                if stop():
                    return "stopped", ""
            if time.monotonic() > end + _GRACE_S:
                return "wrk did not end in time", ""
            if time.monotonic() >= end and not told:
                told = True
                process.send_signal(signal.SIGINT)
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()
    text = output.decode("utf-8", "replace")
    return (f"wrk exited with {process.returncode}: {text.strip()[-300:]}", "") if process.returncode else ("", text)


def _children_cpu_s() -> float:
    usage = os.times()
    return usage.children_user + usage.children_system
