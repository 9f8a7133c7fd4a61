"""One block on this host: labs, origins, datapaths and probes up; warm up; slices; prove; leave.

The runner owns time, warm-up, clean-up and validity. Whatever goes wrong with one datapath makes that trial invalid,
with its reason; the others are measured all the same. Whatever goes wrong with the host ends the attempt.
"""

import hashlib
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext

from domain.campaign import datapath_of
from domain.histogram import LatencyHistogram
from domain.jobs import BlockJob, Phase
from domain.sample import StageHistogram, TrialTags, campaign_event_point, host_cpu_point, traffic_point
from domain.trial import (
    BlockResult,
    Counters,
    CpuTime,
    ProbeReading,
    Reason,
    SliceResult,
    TrialResult,
)
from workers.cpu import CpuMeter
from workers.datapaths.base import DatapathError
from workers.lab import LabSpec
from workers.origin import OriginError
from workers.station import Host, Station
from workers.validity import judge, prove
from workers.workloads.base import GeneratorPlan, TrafficResult

BASELINE_S = 0.5  # of idleness, with every lab standing, before the first slice …
BASELINE_LOOKS = 4  # … again if others were busy just then
MAX_FOREIGN_IDLE_SHARE = 0.05
DRAIN_S = 0.02  # after a slice: what is still on its way belongs to it …
DRAIN_LOOKS = 25  # … for as long as the counters move, but no longer than half a second
PREFLIGHT_S = 3.0  # for a datapath and its origin to answer the first request
MIN_MATCHED = 0.95  # of a stage's starts; below it the stage's percentiles are not figures


class Cancelled(Exception):
    """The block shall end now, without a result."""


class BlockRunner:
    """Runs one claimed attempt. ``progress(phase, label, slices_done)`` is told where it stands."""

    def __init__(
        self,
        job: BlockJob,
        host: Host,
        *,
        progress: Callable[[Phase, str, int], None] = lambda *_: None,
        stop: Callable[[], bool] = lambda: False,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        meter: CpuMeter | None = None,
    ) -> None:
        self.job, self.host = job, host
        self._progress, self._stop, self._clock, self._sleep = progress, stop, clock, sleep
        self._workload = host.workloads[job.block.workload]
        self._generator = host.generators[self._plan(1.0).generator]
        self._cpu = meter or CpuMeter()
        self._began = clock()

    def run(self) -> BlockResult:
        """Measure the block. Raises :class:`Cancelled`, or whatever kept the labs from being built."""
        with ExitStack() as stack:
            self._tell(Phase.PREPARE)
            stations = [self._set_up(stack, position) for position in range(len(self.job.block.datapaths))]
            self._compare_offloads(stations)
            self._cpu.own_netns = {inode for s in stations for inode in s.lab.view().netns.values()}
            self._warm_up(stations)
            idle = self._idle_baseline(stations)
            self._run_slices(stations)
            self._tell(Phase.FINISH)
            trials = tuple(self._conclude(station, idle) for station in stations)
        return BlockResult(host=self.host.name, trials=trials, wall_s=self._clock() - self._began)

    def _tell(self, phase: Phase, label: str = "", done: int = 0) -> None:
        if self._stop():
            raise Cancelled
        self._progress(phase, label, done)

    def _plan(self, duration_s: float) -> GeneratorPlan:
        return self._workload.plan(self.job.block.load, duration_s)

    # --- set-up ---------------------------------------------------------------------------------------------

    def _set_up(self, stack: ExitStack, position: int) -> Station:
        job, label = self.job, self.job.block.datapaths[position]
        spec = LabSpec(lab_tag(job.block_id, job.attempt), label, position, job.campaign_id, job.block_id)
        lab = stack.enter_context(self.host.build_lab(spec, self.host.ledger))
        tags = TrialTags(
            campaign=job.campaign_id,
            run=f"{job.block_id}-{job.attempt}-{position}",
            host=self.host.name,
            datapath=label,
            workload=job.block.workload,
            level=job.block.level,
        )
        station = Station(label=label, lab=lab, origin=self.host.origin(lab), tags=tags)
        station.origin.start()
        try:
            station.attachment = stack.enter_context(self.host.datapaths[datapath_of(label)].attached(lab))
            self._preflight(station)
        except (DatapathError, OriginError, OSError) as error:
            station.attachment = None
            station.evidence.against(Reason.DATAPATH_FAILED, f"{type(error).__name__}: {error}")
        return station

    def _preflight(self, station: Station) -> None:
        """Ask through the datapath until it answers. Raises ``OSError`` after a while."""
        deadline = self._clock() + PREFLIGHT_S
        lab = station.lab
        while True:
            try:
                who = self.host.ask(lab, "/whoami")
                break
            except OSError:
                if self._clock() > deadline:
                    raise
                self._tell(Phase.PREPARE, station.label)
                self._sleep(0.01)
        address, _, label = who.body.partition(" ")
        if address != lab.client_address:
            station.evidence.against(Reason.WRONG_CLIENT_ADDRESS, f"the origin saw {address}, not {lab.client_address}")
        elif label != station.label:
            station.evidence.against(Reason.BYPASSED, f"the origin of {label!r} answered")
        station.answer_bytes = self.host.ask(lab, self._plan(1.0).path).total_bytes

    def _compare_offloads(self, stations: list[Station]) -> None:
        for station in stations:
            station.evidence.offloads = dict(station.lab.offloads)
            station.evidence.expected_offloads = dict(stations[0].lab.offloads)

    # --- traffic --------------------------------------------------------------------------------------------

    def _warm_up(self, stations: list[Station]) -> None:
        if not self.job.warm_up_s:
            return
        for station in filter(lambda s: s.usable, stations):
            self._tell(Phase.WARM_UP, station.label)
            self._traffic(station, self.job.warm_up_s)
        self._sleep(DRAIN_S)

    def _idle_baseline(self, stations: list[Station]) -> float:
        """Busy CPU seconds per second while the labs stand idle: what the host does anyway.

        What others do just then would be taken off every figure of the block, so it is looked at like a slice.
        """
        for _ in range(BASELINE_LOOKS):
            before = self._cpu.snapshot()
            self._sleep(BASELINE_S)
            idle = self._cpu.snapshot().since(before)
            if idle.foreign_s <= MAX_FOREIGN_IDLE_SHARE * idle.wall_s * idle.cpus:
                break
        else:
            for station in stations:
                detail = f"other processes used {idle.foreign_s:.2f} s of CPU in {idle.wall_s:.1f} s of idleness"
                station.evidence.against(Reason.INTERFERENCE, detail)
        return idle.busy_s / idle.wall_s if idle.wall_s else 0.0

    def _run_slices(self, stations: list[Station]) -> None:
        by_label = {station.label: station for station in stations}
        self._event("block", f"{self.job.block.workload} {self.job.block.level}, block {self.job.block.index}")
        for done, label in enumerate(self.job.block.order):
            self._tell(Phase.SLICES, label, done)
            if by_label[label].usable:
                self._slice(by_label[label], probed=done >= len(self.job.block.order) - self.job.block.probed)

    def _slice(self, station: Station, *, probed: bool) -> None:
        evidence = station.evidence
        try:
            counters, answered = self._counters(station), station.origin.requests()
            with self._watching(station) if probed else nullcontext():
                started, before = self._clock(), self._cpu.snapshot()
                result = self._traffic(station, self.job.slice_s)
                cpu = self._cpu.snapshot().since(before)
            self._account(station, result, started, cpu, probed=probed)
            evidence.counters = evidence.counters.plus(self._drained(station).minus(counters))
            evidence.origin_requests += station.origin.requests() - answered
            if result.failure:
                station.attachment = None  # the trial is lost already: further slices would only take time
        except DatapathError as error:
            evidence.against(Reason.DATAPATH_FAILED, str(error))
            station.attachment = None
        except OriginError as error:
            evidence.against(Reason.DATAPATH_FAILED, f"the origin failed: {error}")
            station.attachment = None

    @contextmanager
    def _watching(self, station: Station) -> Iterator[None]:
        """Turn the probes to the lab for one slice; what they saw is part of the evidence."""
        self.host.probing.begin_slice(station.lab.view(), station.tags)
        try:
            yield
        finally:
            seen = station.evidence.stages
            for stage, histogram in self.host.probing.end_slice().items():
                seen[stage] = seen.get(stage, StageHistogram()).plus(histogram)

    def _traffic(self, station: Station, duration_s: float) -> TrafficResult:
        lab = station.lab
        result = self._generator.run(
            self._plan(duration_s), netns=lab.client_ns, host=lab.server_address, port=lab.origin_port, stop=self._stop
        )
        if self._stop():
            raise Cancelled
        return result

    def _account(
        self,
        station: Station,
        result: TrafficResult,
        started: float,
        cpu: CpuTime,
        *,
        probed: bool,
    ) -> None:
        evidence = station.evidence
        if result.failure:
            evidence.against(Reason.GENERATOR_FAILED, result.failure)
        for problem in self._workload.check(result, station.answer_bytes) if not result.failure else ():
            evidence.body_problems += (problem,)
        evidence.slices.append(
            SliceResult(
                started_s=started - self._began,
                duration_s=result.duration_s,
                requests=result.requests,
                connections=result.connections,
                bytes_received=result.bytes_received,
                errors=result.errors,
                probed=probed,
            )
        )
        evidence.busiest_thread_share = max(evidence.busiest_thread_share, result.busiest_thread_share)
        if not probed:
            evidence.cpu = evidence.cpu.plus(cpu)
            station.latency += [result.latency] if result.latency else []
            station.service_time += [result.service_time] if result.service_time else []
        self._publish(station, result, cpu)

    def _counters(self, station: Station) -> Counters:
        if station.attachment is None:
            raise DatapathError("the datapath is not attached")
        return station.attachment.counters()

    def _drained(self, station: Station) -> Counters:
        """The counters once they stand still: a proxy counts some things only as its connections close."""
        counters = self._counters(station)
        for _ in range(DRAIN_LOOKS):
            self._sleep(DRAIN_S)
            earlier, counters = counters, self._counters(station)
            if counters == earlier:
                break
        return counters

    # --- telemetry ------------------------------------------------------------------------------------------

    def _publish(self, station: Station, result: TrafficResult, cpu: CpuTime) -> None:
        now_ns = time.time_ns()
        times = result.latency or result.service_time
        p50, p99 = (times.percentile_ns(50), times.percentile_ns(99)) if times else (None, None)
        self.host.telemetry.put(
            traffic_point(
                station.tags,
                requests_per_s=result.requests / result.duration_s if result.duration_s else 0.0,
                errors=sum(result.errors.values()),
                p50_us=None if p50 is None else p50 / 1e3,
                p99_us=None if p99 is None else p99 / 1e3,
                time_ns=now_ns,
            )
        )
        self.host.telemetry.put(host_cpu_point(station.tags, cpu, now_ns))

    def _event(self, title: str, text: str) -> None:
        self.host.telemetry.put(campaign_event_point(self.job.campaign_id, self.host.name, title, text, time.time_ns()))

    # --- the end --------------------------------------------------------------------------------------------

    def _conclude(self, station: Station, idle_cpu_s_per_s: float) -> TrialResult:
        evidence = station.evidence
        evidence.wrong_clients = tuple(station.origin.wrong_clients())
        proof = prove(evidence)
        return TrialResult(
            datapath=station.label,
            function=self.host.datapaths[datapath_of(station.label)].function,
            workload=self.job.block.workload,
            level=self.job.block.level,
            slices=tuple(evidence.slices),
            duration_s=sum(s.duration_s for s in evidence.counted),
            requests=sum(s.requests for s in evidence.counted),
            errors=evidence.errors,
            cpu=evidence.cpu,
            idle_cpu_s_per_s=idle_cpu_s_per_s,
            latency=LatencyHistogram.merged(station.latency) if station.latency else None,
            service_time=LatencyHistogram.merged(station.service_time) if station.service_time else None,
            proof=proof,
            validity=judge(evidence, proof),
            probes=tuple(_reading(stage, histogram) for stage, histogram in evidence.stages.items()),
            offloads=dict(evidence.offloads),
            generator=self._generator.name,
        )


def _reading(stage: str, histogram: StageHistogram) -> ProbeReading:
    trusted = histogram.matched is None or histogram.matched >= MIN_MATCHED
    return ProbeReading(
        stage=stage,
        count=histogram.count,
        sum_ns=histogram.sum_ns,
        p50_ns=histogram.percentile_ns(50) if trusted else None,
        p99_ns=histogram.percentile_ns(99) if trusted else None,
        max_ns=histogram.max_ns,
        matched=histogram.matched,
        lost=histogram.lost,
    )


def lab_tag(block_id: str, attempt: int) -> str:
    """Six characters for device names, the same for the same attempt and different for others (BLAKE2)."""
    return hashlib.blake2s(f"{block_id}/{attempt}".encode(), digest_size=3).hexdigest()
