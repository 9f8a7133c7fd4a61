"""Driver of wrk: the closed-loop generator.

Each connection sends its next request when the last answer has arrived, so the durations are service times, never
latency. wrk opens new connections for every slice. It accepts only whole seconds; SIGINT ends it earlier with its usual
report, which has the actual duration.
"""

import json
import math
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from domain.hosts.environment import program_environment
from domain.loads.load import ClosedLoad
from domain.trials.histogram import LatencyHistogram
from domain.values.texts import error_text
from workers.lab import cpus
from workers.lab import netns as namespaces
from workers.lab.addresses import endpoint
from workers.lab.host_cpu import host_ticks
from workers.traffic import by_slice
from workers.traffic.base import GeneratorPlan, Interval, Schedule, SliceTraffic, Target, TargetTraffic

_SCRIPT = Path(__file__).with_name("wrk.lua")
_POLL_S = 0.05
_GRACE_S = 2.0  # wrk checks every 100 ms whether to stop; after this time it hangs


class Wrk:
    """wrk with one thread per CPU, one run of it per slice."""

    name = "wrk"
    own_rates = False
    many_clients = False
    verifies = False

    def run(
        self,
        plan: GeneratorPlan,
        targets: Sequence[Target],
        schedule: Schedule,
        *,
        stop: Callable[[], bool] = lambda: False,
        report: Callable[[Interval], None] = lambda _: None,
    ) -> dict[str, TargetTraffic]:
        """See the contract. A target on which wrk failed gets no further slice."""
        make = partial(_slice, plan, stop)
        return by_slice.run(make, targets, schedule, stop=stop, report=report)


def _slice(plan: GeneratorPlan, stop: Callable[[], bool], target: Target, seconds: float) -> TargetTraffic:
    if not isinstance(plan.load, ClosedLoad):
        return TargetTraffic(failure=f"wrk makes closed loops only, not {plan.load}")
    threads = max(1, min(len(cpus.placement().client), plan.connections))
    argv = ["wrk", f"-t{threads}", f"-c{plan.connections}", f"-d{math.ceil(seconds)}s", "--timeout", "2s",
            "-s", str(_SCRIPT), f"http://{endpoint(target.address, target.port)}{plan.path}"]  # fmt: skip
    before, ticks = _children_cpu_s(), host_ticks()
    started = time.monotonic()
    failure, output = _run(argv, target.netns, started + seconds, stop)
    wall_s = time.monotonic() - started
    if failure:
        return TargetTraffic(failure=failure)
    cpu = host_ticks().since(ticks, wall_s)
    share = (_children_cpu_s() - before) / (threads * max(wall_s, 1e-9))
    result = parse(output, connections=plan.connections, busiest_thread_share=share)
    return replace(result, slices=tuple(replace(s, started_s=started, cpu=cpu) for s in result.slices))


def parse(output: str, *, connections: int, busiest_thread_share: float = 0.0) -> TargetTraffic:
    """Read the result of a slice that wrk.lua printed. Other output is a failed generator, never a result of 0."""
    lines = [line for line in output.splitlines() if line.startswith("SHOWDOWN ")]
    if len(lines) != 1:
        return TargetTraffic(failure=f"wrk printed no result: {output.strip()[-200:] or 'nothing at all'}")
    try:
        data: dict[str, Any] = json.loads(lines[0].removeprefix("SHOWDOWN "))
        errors = {cause: int(count) for cause, count in data["errors"].items() if count}
        service_time = _service_time(data, connections)
        one = SliceTraffic(
            started_s=0.0,
            duration_s=data["duration_us"] / 1e6,
            requests=int(data["requests"]),
            bytes_received=int(data["bytes"]),
            errors=errors,
        )
        return TargetTraffic(
            slices=(one,),
            connections=connections,
            errors=errors,
            timings={"service_time": service_time} if service_time else {},
            busiest_thread_share=busiest_thread_share,
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        return TargetTraffic(failure=f"wrk printed garbage ({error}): {lines[0][:200]}")


def _service_time(data: dict[str, Any], connections: int) -> LatencyHistogram | None:
    """The service times; ``None`` if they cannot be separated from those that wrk added."""
    counts = {int(us): int(count) for us, count in data["latency"]}
    rounds = int(data["requests"]) // connections
    raw = uncorrected(counts, int(data["duration_us"]) // rounds) if rounds else counts
    if sum(raw.values()) != data["requests"]:
        return None
    return LatencyHistogram.of({us * 1000: count for us, count in raw.items()})


def uncorrected(counts: Mapping[int, int], expected_us: int) -> dict[int, int]:
    """The service times (µs → count) without those that wrk adds for answers slower than ``expected_us``.

    For each time ``n``, wrk adds one at ``n - expected``, ``n - 2 expected`` … down to ``expected``, as if requests
    had been due meanwhile (wrk 4, stats.c, stats_correct). In a closed loop none was due. wrk adds nothing to the
    longest times. So a pass from the longest time downwards subtracts exactly what wrk added.
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
            namespaces.entry(netns, argv, cpus.placement().bound("client")),
            env=program_environment(os.environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
    except OSError as error:
        return f"wrk did not start: {error_text(error)}", ""
    is_interrupted = False
    try:
        while True:
            now = time.monotonic()
            try:
                output, _ = process.communicate(
                    timeout=_POLL_S if is_interrupted else min(_POLL_S, max(end - now, 0.001))
                )
                break
            except subprocess.TimeoutExpired:
                if stop():
                    return "stopped", ""
            if time.monotonic() > end + _GRACE_S:
                return "wrk did not end in time", ""
            if time.monotonic() >= end and not is_interrupted:
                is_interrupted = True
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
