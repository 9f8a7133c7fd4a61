"""One run of a generator over the labs of a block: counters before, traffic, counters after, evidence.

Every lab has its own counters. So one reading before and one after are enough, however often slices alternate. The
warm-up is part of the run: its traffic is proven, but no figure counts it.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace

from domain.hosts.cpu_time import CpuTime
from domain.probes.sample import host_cpu_point, traffic_point
from domain.service.jobs import Phase
from domain.trials.counters import Counters
from domain.trials.histogram import LatencyHistogram
from domain.trials.trial import Reason, SliceResult
from domain.values.use import Use
from workers.datapaths.base import DatapathError, Metered
from workers.origins.base import OriginError
from workers.runner.cpu import CpuMeter, Recording
from workers.runner.overload import is_carried
from workers.runner.trial_run import Telemetry, TrialRun
from workers.traffic.base import Generator, GeneratorPlan, Interval, Schedule, SliceTraffic, TargetTraffic
from workers.traffic.merge import all_of, by_name, negotiated, sums
from workers.workloads.base import Workload

NOTHING = nullcontext()
DRAIN_S = 0.02  # between two readings of counters before and after traffic, until they no longer change …
DRAIN_LOOKS = 25  # … or half a second has passed


class Cancelled(Exception):
    """The block must end now, without a result."""


@dataclass(frozen=True)
class _Reading:
    """The counters of a datapath and its origin at one time; ``origins`` only if the datapath balances."""

    counters: Counters
    answered: int
    origins: Mapping[str, int]
    named: Mapping[str, int]  # by the origin
    use: Use | None


@dataclass
class Measuring:
    """What the runs of one block share. ``progress`` raises :class:`Cancelled` if the block must end."""

    workload: Workload
    generator: Generator
    plan: GeneratorPlan
    telemetry: Telemetry
    meter: CpuMeter
    progress: Callable[[Phase, str, int], None]
    stop: Callable[[], bool]
    sleep: Callable[[float], None]
    began_s: float
    slices_done: int = 0
    _before: dict[str, _Reading] = field(default_factory=dict)

    def run(
        self,
        trial_runs: Sequence[TrialRun],
        schedule: Schedule,
        *,
        probed: bool = False,
        profiled: bool = False,
        beside: AbstractContextManager[object] = NOTHING,
    ) -> None:
        """Make traffic on the usable trial runs, and add the outcome to their evidence.

        Figures do not count slices that probes watch (``probed``) or in which stacks are sampled or a list is changed
        (``profiled``). ``beside`` is entered while the traffic runs.
        """
        self._before = {s.label: reading for s in trial_runs if s.usable and (reading := self._read(s))}
        usable = [trial_run for trial_run in trial_runs if trial_run.label in self._before]
        order = tuple(label for label in schedule.order if label in self._before)
        if not order:
            return
        by_label = {trial_run.label: trial_run for trial_run in usable}
        self.progress(Phase.WARM_UP if schedule.warm_up_s else Phase.SLICES, order[0], self.slices_done)
        with self.meter.recording() as recording, beside:
            found = self.generator.run(
                self.plan,
                [trial_run.target for trial_run in usable],
                replace(schedule, order=order, timeline=probed),
                stop=self.stop,
                report=lambda interval: self._report(by_label[interval.label], interval),
            )
        if self.stop():
            raise Cancelled
        self.slices_done += len(order)
        for trial_run in usable:
            traffic = found[trial_run.label]
            traffic = replace(traffic, slices=tuple(_with_others(one, recording) for one in traffic.slices))
            self._account(trial_run, traffic, probed=probed, profiled=profiled)
            if not probed and not profiled:
                trial_run.evidence.busiest = recording.busiest
            self._add(trial_run, traffic, probed=probed, profiled=profiled)

    def _add(self, trial_run: TrialRun, traffic: TargetTraffic, *, probed: bool, profiled: bool) -> None:
        """Add the figures of a run that is accounted for, and what proves them."""
        if not probed and not profiled:
            self._count(trial_run, traffic)
        elif probed:
            self._add_watched(trial_run, traffic)
        self._prove(trial_run, counted=not probed and not profiled)
        if traffic.failure:
            trial_run.attachment = None  # the trial is already invalid; more traffic would only take time

    def _read(self, trial_run: TrialRun) -> _Reading | None:
        try:
            trial_run.check_proxies()
            counters, answered = self._drained(trial_run), trial_run.origin.requests()
            origins = {} if counters.origins is None else trial_run.origin.connections()
            named = trial_run.origin.named() if self.workload.counts_by_name else {}
            use = trial_run.attachment.use() if isinstance(trial_run.attachment, Metered) else None
            trial_run.idle_use = trial_run.idle_use or use
        except (DatapathError, OriginError) as error:
            trial_run.fail(error)
            return None
        return _Reading(counters, answered, origins, named, use)

    def _prove(self, trial_run: TrialRun, *, counted: bool) -> None:
        """Add what the datapath's and origin's counters gained; the generator has closed its connections."""
        trial_run.sample_conntrack()
        if (after := self._read(trial_run)) is None:
            return
        before, evidence = self._before[trial_run.label], trial_run.evidence
        evidence.counters = evidence.counters.plus(after.counters.minus(before.counters))
        evidence.origin_requests += after.answered - before.answered
        for address, count in after.origins.items():
            gained = count - before.origins.get(address, 0)
            evidence.origin_connections[address] = evidence.origin_connections.get(address, 0) + gained
        named = {name: count - before.named.get(name, 0) for name, count in after.named.items()}
        evidence.origin_named = sums([evidence.origin_named, named])
        if counted and before.use is not None and after.use is not None:
            grown = after.use.resident_bytes - (trial_run.idle_use or before.use).resident_bytes
            trial_run.used = Use(after.use.cpu_s - before.use.cpu_s, after.use.resident_bytes, grown)

    def _drained(self, trial_run: TrialRun) -> Counters:
        """The counters once they no longer change; a proxy updates some only when its connections close."""
        counters = trial_run.counters()
        for _ in range(DRAIN_LOOKS):
            self.sleep(DRAIN_S)
            earlier, counters = counters, trial_run.counters()
            if counters == earlier:
                break
        return counters

    def _account(self, trial_run: TrialRun, traffic: TargetTraffic, *, probed: bool, profiled: bool) -> None:
        """Add a run's counts and errors to the evidence, including slices that no figure counts."""
        evidence = trial_run.evidence
        if traffic.failure:
            evidence.add_finding(Reason.GENERATOR_FAILED, traffic.failure)
        else:
            evidence.body_problems += tuple(self.workload.check(traffic, trial_run.answer_bytes))
        if traffic.limit:
            evidence.add_finding(Reason.GENERATOR_SATURATED, traffic.limit)
        measured = [one for one in traffic.slices if not one.warm_up]
        evidence.slices += [self._slice(one, probed=probed, profiled=profiled) for one in measured]
        evidence.stalled_s += sum(one.stalled_s for one in measured)
        self._report_cpu(trial_run, measured)
        evidence.generated_requests += traffic.requests
        evidence.generated_bytes += traffic.bytes_received
        evidence.connections += traffic.connections
        evidence.unsent += traffic.unsent
        evidence.negotiated = negotiated([evidence.negotiated, traffic.tls])
        evidence.named = sums([evidence.named, traffic.named])
        for client, requests in traffic.clients.items():
            evidence.clients[client] = evidence.clients.get(client, 0) + requests
        for cause, count in traffic.errors.items():
            evidence.errors[cause] = evidence.errors.get(cause, 0) + count
        evidence.real_time = all_of([evidence.real_time, traffic.real_time])
        evidence.busiest_thread_share = max(evidence.busiest_thread_share, traffic.busiest_thread_share)

    def _count(self, trial_run: TrialRun, traffic: TargetTraffic) -> None:
        """Add the counted slices to the trial's figures."""
        evidence = trial_run.evidence
        for one in traffic.slices:
            if not one.warm_up:
                evidence.add_slice_cpu(one.cpu)
                trial_run.counted_slices.append(one)
        made = sum(one.requests for one in traffic.slices if not one.warm_up)
        trial_run.counted_share = made / traffic.requests if traffic.requests else 1.0
        evidence.censored += traffic.censored
        evidence.slow_steps += [one.slow for one in traffic.slices if not one.warm_up]
        trial_run.timings = by_name([trial_run.timings, traffic.timings], LatencyHistogram.merged)
        evidence.add_times(trial_run.timings)

    def _add_watched(self, trial_run: TrialRun, traffic: TargetTraffic) -> None:
        """Add the latencies of a watched slice, whose parts the probes measure."""
        timings = traffic.timings
        times = timings.get("latency") or timings.get("service_time")
        if times is not None:
            trial_run.watched_latency = _merged(trial_run.watched_latency, times)
        trial_run.watched_slices += [one for one in traffic.slices if not one.warm_up]

    def _slice(self, one: SliceTraffic, *, probed: bool, profiled: bool) -> SliceResult:
        found = SliceResult(
            started_s=one.started_s - self.began_s,
            duration_s=one.duration_s,
            requests=one.requests,
            delivered=one.delivered,
            due=one.due,
            queued=one.queued,
            pending_middle=one.pending_middle,
            pending_end=one.pending_end,
            connections=self.plan.connections,
            bytes_received=one.bytes_received,
            bytes_sent=one.bytes_sent,
            errors=dict(one.errors),
            probed=probed,
            profiled=profiled,
            steal_s=one.cpu.steal_s,
            foreign_s=one.cpu.foreign_s,
            throttled_s=one.cpu.throttled_s,
            latency_p99_ns=one.latency_p99_ns,
        )
        return found.model_copy(update={"carried": is_carried(found, one.cpu)})

    def _report(self, trial_run: TrialRun, interval: Interval) -> None:
        """Report an interval of a running generator: the block's progress, and a point for the charts."""
        self.progress(Phase.SLICES, trial_run.label, self.slices_done + interval.slices_done)
        trial_run.sample_conntrack()
        self.telemetry.put(
            traffic_point(
                trial_run.tags,
                requests_per_s=interval.requests_per_s,
                errors=interval.errors,
                p50_us=None if interval.p50_ns is None else interval.p50_ns / 1e3,
                p99_us=None if interval.p99_ns is None else interval.p99_ns / 1e3,
                time_ns=interval.time_ns,
            )
        )

    def _report_cpu(self, trial_run: TrialRun, slices: Iterable[SliceTraffic]) -> None:
        """Report the host's CPU time of each slice, which is known once the run has ended."""
        to_epoch_ns = time.time_ns() - time.monotonic_ns()
        for one in slices:
            if _passed(one.cpu):
                end_ns = to_epoch_ns + int((one.started_s + one.duration_s) * 1e9)
                self.telemetry.put(host_cpu_point(trial_run.tags, one.cpu, end_ns))


def _with_others(one: SliceTraffic, recording: Recording) -> SliceTraffic:
    """A slice with what only the runner knows of the host's CPU time in it."""
    end_s = one.started_s + one.cpu.wall_s
    return replace(one, cpu=one.cpu.model_copy(update=recording.others(one.started_s, end_s)))


def _merged(known: LatencyHistogram | None, more: LatencyHistogram) -> LatencyHistogram:
    return LatencyHistogram.merged([known, more]) if known else more


def _passed(cpu: CpuTime) -> bool:
    # Ticks are coarse, so a short slice may have none.
    return cpu.idle_s + cpu.user_s + cpu.system_s + cpu.irq_s + cpu.softirq_s + cpu.steal_s > 0
