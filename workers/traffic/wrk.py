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
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from domain.campaign import ClosedLoad
from domain.histogram import LatencyHistogram
from workers import netns as namespaces
from workers.cpu import host_ticks
from workers.workloads.base import GeneratorPlan, Interval, Schedule, SliceTraffic, Target, TargetTraffic

_SCRIPT = Path(__file__).with_name("wrk.lua")
_POLL_S = 0.05
_GRACE_S = 2.0  # wrk looks every 100 ms whether it shall stop; much later it hangs


class Wrk:
    """wrk with one thread per CPU, one run of it per slice."""

    name = "wrk"
    own_rates = False
    many_clients = False

    def run(
        self,
        plan: GeneratorPlan,
        targets: Sequence[Target],
        schedule: Schedule,
        *,
        stop: Callable[[], bool] = lambda: False,
        tell: Callable[[Interval], None] = lambda _: None,
    ) -> dict[str, TargetTraffic]:
        """See the contract. A target on which wrk failed gets no further slice."""
        by_label = {target.label: target for target in targets}
        results = {target.label: TargetTraffic() for target in targets}
        warm_up = tuple(by_label) if schedule.warm_up_s else ()
        for index, label in enumerate(warm_up + schedule.order):
            if results[label].failure:
                continue
            warming = index < len(warm_up)
            seconds = schedule.warm_up_s if warming else schedule.slice_s
            one = _slice(plan, by_label[label], seconds, stop, warm_up=warming)
            results[label] = _plus(results[label], one, warm_up=warming)
            if stop():
                return {name: replace(result, failure="stopped") for name, result in results.items()}
            if one.slices and not warming:
                tell(_interval(label, index + 1 - len(warm_up), one))
        return results


def _slice(
    plan: GeneratorPlan, target: Target, seconds: float, stop: Callable[[], bool], *, warm_up: bool
) -> TargetTraffic:
    if not isinstance(plan.load, ClosedLoad):
        return TargetTraffic(failure=f"wrk makes closed loops only, not {plan.load}")
    threads = max(1, min(len(os.sched_getaffinity(0)), plan.connections))
    argv = ["wrk", f"-t{threads}", f"-c{plan.connections}", f"-d{math.ceil(seconds)}s", "--timeout", "2s",
            "-s", str(_SCRIPT), f"http://{target.address}:{target.port}{plan.path}"]  # fmt: skip
    before, ticks = _children_cpu_s(), host_ticks()
    started = time.monotonic()
    failure, output = _run(argv, target.netns, started + seconds, stop)
    wall_s = time.monotonic() - started
    if failure:
        return TargetTraffic(failure=failure)
    cpu = host_ticks().since(ticks, wall_s)
    share = (_children_cpu_s() - before) / (threads * max(wall_s, 1e-9))
    result = parse(output, connections=plan.connections, busiest_thread_share=share)
    return replace(result, slices=tuple(replace(s, started_s=started, cpu=cpu, warm_up=warm_up) for s in result.slices))


def _plus(total: TargetTraffic, one: TargetTraffic, *, warm_up: bool) -> TargetTraffic:
    timings = dict(total.timings)
    for name, histogram in {} if warm_up else one.timings.items():
        timings[name] = LatencyHistogram.merged([timings[name], histogram]) if name in timings else histogram
    return TargetTraffic(
        slices=total.slices + one.slices,
        connections=total.connections + one.connections,
        errors={cause: total.errors.get(cause, 0) + one.errors.get(cause, 0) for cause in {*total.errors, *one.errors}},
        timings=timings,
        busiest_thread_share=max(total.busiest_thread_share, one.busiest_thread_share),
        failure=one.failure,
    )


def _interval(label: str, done: int, one: TargetTraffic) -> Interval:
    (traffic,), times = one.slices, one.timings.get("service_time")
    return Interval(
        label=label,
        slices_done=done,
        time_ns=time.time_ns(),
        requests_per_s=traffic.requests / traffic.duration_s if traffic.duration_s else 0.0,
        errors=sum(traffic.errors.values()),
        p50_ns=times.percentile_ns(50) if times else None,
        p99_ns=times.percentile_ns(99) if times else None,
    )


def parse(output: str, *, connections: int, busiest_thread_share: float = 0.0) -> TargetTraffic:
    """Read what wrk.lua printed about a slice. Anything else is a failed generator, never a zero."""
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
