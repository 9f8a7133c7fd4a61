"""Driver of h2load (nghttp2), the generator of HTTP over TLS: one process per slice, with new connections.

Closed loop: each connection has one request in progress (``-m 1``). The durations are service times. The handshakes at
the start of a slice are a separate warm-up. The proof includes them; no figure includes them or their CPU time.

Open loop: h2load's ``--rps`` waits for answers and hides the requests that it then misses (coordinated omission). So
the driver uses its connection mode: one connection per request, one due every period. ``latency`` is from the due time
to the last byte, with TCP connect and TLS handshake (workers/traffic/h2load_output.py). ``service_time`` is from the
actual request. h2load's timer has whole milliseconds and never catches up. So only periods of whole milliseconds are
possible, and a schedule that slipped makes the trial ``generator_saturated``.

h2load does not check bodies. The driver concludes that they are correct from three checks. Before the traffic, the
origin's answer is compared byte by byte over TLS (workers/origins/nginx_tls.py). Every counted status is 2xx. The body
bytes of a slice are its answers times the length of a body; if not, the difference counts as ``corrupt`` answers.
"""

import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from domain.hosts.cpu_time import CpuTime
from domain.hosts.environment import program_environment
from domain.loads.load import ClosedLoad, OpenLoad
from domain.values.texts import error_text
from workers.lab import cpus, limits
from workers.lab import netns as namespaces
from workers.lab.addresses import endpoint
from workers.lab.host_cpu import HostTicks, host_ticks
from workers.traffic import by_slice
from workers.traffic import h2load_output as output
from workers.traffic.base import GeneratorPlan, Interval, Schedule, SliceTraffic, Target, TargetTraffic

OPEN_RATES_PER_S = tuple(rate for rate in range(1, 1001) if 1000 % rate == 0)
"""Rates whose period is a whole number of milliseconds, the resolution of h2load's timer."""
TIMEOUT_S = 2
_POLL_S = 0.01  # also the resolution at which the CPU time of the handshakes is separated from the rest
_GRACE_S = 5.0
_SPARE_FILES = 32  # besides its connections
_HANDSHAKE_S = 0.001  # per connection: added to a slice, because its handshakes are not counted
# On average; the same for all datapaths. While an origin is frozen, h2load starts connections about 6 ms late.
_MAX_LAG_US = 10_000.0


class H2load:
    """h2load with one thread per CPU in closed loops, and one thread in open ones."""

    name = "h2load"
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
        """See the contract. A target on which h2load failed gets no further slice."""
        make = partial(_slice, plan, stop)
        return by_slice.run(make, targets, schedule, stop=stop, report=report)


@dataclass
class Ended:
    """A process that ended: its output, its CPU time, and readings of the host's ticks (monotonic s, ticks)."""

    text: str = ""
    failure: str = ""
    cpu_s: float = 0.0
    ticks: list[tuple[float, HostTicks]] = field(default_factory=list)

    def cpu_between(self, begin_s: float, end_s: float) -> CpuTime:
        """The host's CPU time between the readings that are nearest to the two times."""
        first, last = (min(self.ticks, key=lambda one: abs(one[0] - moment)) for moment in (begin_s, end_s))
        return last[1].since(first[1], last[0] - first[0])


def _slice(plan: GeneratorPlan, stop: Callable[[], bool], target: Target, seconds: float) -> TargetTraffic:
    threads = min(len(cpus.placement().client), plan.connections) if isinstance(plan.load, ClosedLoad) else 1
    if isinstance(plan.load, OpenLoad) and plan.load.rate_per_s not in OPEN_RATES_PER_S:
        return TargetTraffic(failure=f"h2load has no honest schedule for {plan.load}")
    if limit := _lacking_files(plan):
        return TargetTraffic(failure=limit, limit=limit)
    with tempfile.TemporaryDirectory(prefix="showdown-h2load-") as directory:
        log = Path(directory, "log")
        argv = ["h2load", *plan.options, f"-t{threads}", *_load(plan, seconds), f"--log-file={log}",
                f"https://{endpoint(target.address, target.port)}{plan.path}"]  # fmt: skip
        to_monotonic_s = time.monotonic() - time.time()
        ended = _run(argv, target.netns, seconds + plan.connections * _HANDSHAKE_S, stop)
        if ended.failure:
            return TargetTraffic(failure=ended.failure)
        try:
            summary = output.read_summary(ended.text)
            rows = output.read_log(log.read_text() if log.exists() else "")
            output.agree(summary, rows)
        except ValueError as error:
            return TargetTraffic(failure=f"h2load: {error}")
    answer = len(plan.answer or b"")
    wall_s = ended.ticks[-1][0] - ended.ticks[0][0]
    found = RunOutput(summary, rows, answer, to_monotonic_s, ended)
    one = found.closed(plan.connections) if isinstance(plan.load, ClosedLoad) else found.open(plan.load, seconds)
    return replace(one, busiest_thread_share=ended.cpu_s / (threads * max(wall_s, 1e-9)))


def _lacking_files(plan: GeneratorPlan) -> str:
    """Why h2load cannot open so many connections; empty if it can."""
    needed = plan.connections + _SPARE_FILES
    if not isinstance(plan.load, ClosedLoad) or (files := limits.open_files(needed)) >= needed:
        return ""
    return f"{plan.connections} connections of h2load need {needed} open files, the limit is {files} (ulimit -Hn)"


def _load(plan: GeneratorPlan, seconds: float) -> list[str]:
    if isinstance(plan.load, ClosedLoad):
        milliseconds = round(1000 * (seconds + plan.connections * _HANDSHAKE_S))
        return ["-m1", f"-c{plan.connections}", "-D", f"{milliseconds}ms"]
    due = max(1, round(plan.load.rate_per_s * seconds))
    return ["-m1", f"-c{due}", f"-n{due}", "-r1", f"--rate-period={1000 // plan.load.rate_per_s}ms",
            "-T", f"{TIMEOUT_S}s", "-N", f"{TIMEOUT_S}s"]  # fmt: skip


@dataclass(frozen=True)
class RunOutput:
    """The output of one run, from which the traffic is computed."""

    summary: output.Summary
    rows: list[output.Row]
    answer_bytes: int
    to_monotonic_s: float
    ended: Ended

    def closed(self, connections: int) -> TargetTraffic:
        """A closed loop: the ramp, in which connections are opened, is a warm-up; the rest is the slice."""
        since_us, established = output.all_established(self.rows, connections)
        begin_us = self._begin_us
        end_us = self.rows[-1].end_us if self.rows else begin_us
        since_us = max(since_us, begin_us)
        counted = [row for row in self.rows if row.end_us > since_us]
        ramp = len(self.rows) - len(counted)
        errors = self._errors(connections)
        if established < connections:
            errors["unanswered"] = connections - established
        received = self.summary.received_bytes
        ramp_bytes = received * ramp // len(self.rows) if self.rows else 0
        slices = (self._part(begin_us, since_us, ramp, ramp_bytes, warm_up=True),
                  self._part(since_us, end_us, len(counted), received - ramp_bytes, errors=errors))  # fmt: skip
        return TargetTraffic(
            slices=slices,
            connections=established,
            errors=errors,
            timings={"service_time": output.service_times(counted)},
        )

    def open(self, load: OpenLoad, seconds: float) -> TargetTraffic:
        """An open loop: one connection per request; the rate is over the schedule."""
        summary, errors = self.summary, self._errors(0)
        if summary.total > summary.started:
            errors["connect"] = summary.total - summary.started
        times = output.open_times(self.rows, summary, 1e6 / load.rate_per_s)
        timings, limit = {"service_time": output.service_times(self.rows)}, times.doubt
        if times.latency is not None:
            timings["latency"] = times.latency
            if times.lag_us > _MAX_LAG_US:
                limit = f"h2load was late by {times.lag_us / 1e3:.1f} ms on average"
        begin_us = self._begin_us
        part = self._part(begin_us, begin_us + round(seconds * 1e6), len(self.rows), summary.received_bytes,
                          errors=errors)  # fmt: skip
        whole = self.ended.ticks[0][0], self.ended.ticks[-1][0]
        return TargetTraffic(
            slices=(self._carried(replace(part, cpu=self.ended.cpu_between(*whole)), begin_us, seconds),),
            connections=summary.started,
            errors=errors,
            timings=timings,
            limit=limit,
        )

    @property
    def _begin_us(self) -> int:
        """The first request, in microseconds since the epoch; without one, the start of h2load."""
        started_us = round((self.ended.ticks[0][0] - self.to_monotonic_s) * 1e6)
        return min((row.start_us for row in self.rows), default=started_us)

    def _carried(self, part: SliceTraffic, begin_us: int, seconds: float) -> SliceTraffic:
        """With how much of an open loop's schedule was answered at the slice's middle and at its end."""
        due = self.summary.total
        by_middle, by_end = (
            sum(row.good and row.end_us <= begin_us + share * seconds * 1e6 for row in self.rows)
            for share in (0.5, 1.0)
        )
        return replace(
            part, due=due, delivered=by_end, pending_middle=max(0, due // 2 - by_middle), pending_end=due - by_end
        )

    def _errors(self, cut_off: int) -> dict[str, int]:
        """Errors by cause. Up to ``cut_off`` answers may be partial, because the slice ended meanwhile."""
        summary = self.summary
        bad = summary.done - summary.succeeded
        surplus = summary.body_bytes - summary.succeeded * self.answer_bytes
        lost = max(0, summary.started - summary.done - cut_off)
        counts = {"status": bad, "timeout": summary.timed_out, "failed": lost}
        if not bad and not 0 <= surplus <= cut_off * self.answer_bytes:
            counts["corrupt"] = max(1, -(-abs(surplus) // max(1, self.answer_bytes)))
        return {cause: count for cause, count in counts.items() if count}

    def _part(
        self, begin_us: int, end_us: int, requests: int, received: int, *,
        warm_up: bool = False, errors: dict[str, int] | None = None,
    ) -> SliceTraffic:  # fmt: skip
        begin_s, end_s = (moment / 1e6 + self.to_monotonic_s for moment in (begin_us, end_us))
        return SliceTraffic(
            started_s=begin_s,
            duration_s=max(0.0, end_s - begin_s),
            requests=requests,
            bytes_received=received,
            errors=errors or {},
            cpu=self.ended.cpu_between(begin_s, end_s),
            warm_up=warm_up,
        )


def _run(argv: list[str], netns: str, seconds: float, stop: Callable[[], bool]) -> Ended:
    """Run h2load to its end, which comes at the latest after ``seconds`` and its timeouts."""
    ended = Ended(ticks=[(time.monotonic(), host_ticks())])
    deadline = time.monotonic() + seconds + TIMEOUT_S + _GRACE_S
    with tempfile.TemporaryFile() as said:
        try:
            process = subprocess.Popen(
                namespaces.entry(netns, argv, cpus.placement().bound("client")),
                env=program_environment(os.environ), stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT,
            )  # fmt: skip
        except OSError as error:
            return replace(ended, failure=f"h2load did not start: {error_text(error)}")
        try:
            while (status := _reap(process, ended)) is None:
                if stop():
                    return replace(ended, failure="stopped")
                if time.monotonic() > deadline:
                    return replace(ended, failure="h2load did not end in time")
                time.sleep(_POLL_S)
                ended.ticks.append((time.monotonic(), host_ticks()))
        finally:
            if process.returncode is None:
                process.kill()
                process.wait()
        said.seek(0)
        ended.text = said.read().decode("utf-8", "replace")
    if status:
        ended.failure = f"h2load exited with {status}: {ended.text.strip()[-300:]}"
    return ended


def _reap(process: "subprocess.Popen[bytes]", ended: Ended) -> int | None:
    """The process's exit status, or ``None`` while it runs. Unlike Popen.poll, this also records its CPU time."""
    pid, status, usage = os.wait4(process.pid, os.WNOHANG)
    if not pid:
        return None
    process.returncode = os.waitstatus_to_exitcode(status)
    ended.cpu_s = usage.ru_utime + usage.ru_stime
    return process.returncode
