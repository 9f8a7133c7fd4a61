"""Runs one block on this host: sets up labs, origins, datapaths and probes, makes traffic, and proves it.

The runner owns time, warm-up, clean-up and validity. A failure of one datapath makes its trial invalid, with the
reason; the others are still measured. A failure of the host ends the attempt.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial

from domain.hosts.placement import priority_text
from domain.loads.duration import WATCHED_SLICE_S, WATCHED_WARM_UP_S
from domain.loads.load import OpenLoad
from domain.probes.sample import TrialTags
from domain.probes.stacks import Stacks
from domain.probes.watched import Span
from domain.reports.campaign_points import campaign_event_point, trial_points
from domain.service.jobs import BlockJob, Phase
from domain.trials.trial import BlockResult, Reason, TrialResult
from domain.values.names import datapath_of
from probes.base import ProbeError
from workers.datapaths.base import DatapathError, Tracking
from workers.lab.conditions import spec_fields
from workers.lab.endpoints import ClientEndpoint
from workers.lab.spec import LabSpec, lab_tag
from workers.origins.base import OriginError
from workers.runner.baseline import idle_baseline
from workers.runner.beside import conclude_attack, run_counted, run_one, run_uncounted
from workers.runner.cpu import CpuMeter
from workers.runner.declared import declared
from workers.runner.measurement import Cancelled, Measuring
from workers.runner.readings import readings
from workers.runner.refusal import refusal_of
from workers.runner.trial_run import RunnerContext, TrialRun
from workers.runner.validity import judge, prove
from workers.traffic.base import Schedule, sent_within

UNACCOUNTED = "no cgroup accounts for CPU time here: foreign processes that live less than half a second may be missed"
PREFLIGHT_S = 3.0  # for a datapath and its origin to answer the first request


class BlockRunner:
    """Runs one claimed attempt. Calls ``progress(phase, label, slices_done)`` as it goes on."""

    def __init__(
        self,
        job: BlockJob,
        host: RunnerContext,
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
        self._plan = replace(self._workload.plan(job.block.load, job.block.parameters), seed=job.block.index)
        self._generator = host.generators[self._plan.generator]
        if job.block.loads and not self._generator.own_rates:
            raise ValueError(f"{self._generator.name} cannot give each datapath its own rate")
        if job.block.clients > 1 and not self._generator.many_clients:
            raise ValueError(f"{self._generator.name} loads a lab from one client only")
        # All labs of a campaign have the same offloads: what one datapath or the condition excludes is off in all.
        all_labels = (*job.block.datapaths, *job.block.beside)
        excluded = (host.datapaths[datapath_of(label)].disabled_offloads for label in all_labels)
        self._disabled_offloads = job.block.condition.without.union(*excluded)
        self._meter = meter
        self._cpu = meter or CpuMeter()
        self._began = clock()
        self._notes: tuple[str, ...] = ()

    def run(self) -> BlockResult:
        """Measure the block. Raises :class:`Cancelled`, or ``LabError`` if a lab cannot be built."""
        with ExitStack() as stack:
            self._report(Phase.PREPARE)
            self._account(stack)
            built = self.job.block.build_order
            trial_runs = [self._set_up(stack, position, label) for position, label in enumerate(built)]
            self._expect(trial_runs)
            self._cpu.own_netns = {inode for s in trial_runs for inode in s.lab.view().netns.values()}
            idle = self._idle_baseline(trial_runs)
            self._run_traffic(trial_runs)
            self._report(Phase.FINISH)
            trials = {trial_run.label: self._conclude(trial_run, idle) for trial_run in trial_runs}
        for trial_run in trial_runs:
            trial, since_s = trials[trial_run.label], self._clock() - self._began
            for point in trial_points(trial_run.tags, trial, time.time_ns(), since_s):
                self.host.telemetry.put(point)
        ordered = tuple(trials[label] for label in self.job.block.datapaths)
        return BlockResult(host=self.host.name, trials=ordered, wall_s=self._clock() - self._began)

    def _account(self, stack: ExitStack) -> None:
        """Join a group, so that everything outside it is foreign, however short its life."""
        tag = lab_tag(self.job.block_id, self.job.attempt)
        group = stack.enter_context(self.host.own_group(tag, self.host.register))
        if self._meter is None:
            self._cpu = CpuMeter(group=group)
            self._notes = () if group else (UNACCOUNTED,)

    def _report(self, phase: Phase, label: str = "", done: int = 0) -> None:
        if self._stop():
            raise Cancelled
        self._progress(phase, label, done)

    # --- set-up ---------------------------------------------------------------------------------------------

    def _set_up(self, stack: ExitStack, position: int, label: str) -> TrialRun:
        job, clients = self.job, self.job.block.clients
        tag = lab_tag(job.block_id, job.attempt)
        condition, disabled = job.block.condition, self._disabled_offloads
        own = (tag, label, position, job.campaign_id, job.block_id, clients, disabled)
        event, sources = self._plan.event, self._plan.sources
        spec = LabSpec(*own, sources=sources, health=event.check if event else None, **spec_fields(condition))
        lab = stack.enter_context(self.host.build_lab(spec, self.host.register))
        datapath = self.host.datapaths[datapath_of(label)]
        lab.client_endpoint = datapath.client_endpoint(lab)
        tags = TrialTags(
            campaign=job.campaign_id,
            run=f"{job.block_id}-{job.attempt}-{job.block.datapaths.index(label)}",
            host=self.host.name,
            datapath=label,
            workload=job.block.workload,
            level=job.block.level,
        )
        origin, rate = self.host.origin(self._workload, self._plan, lab), job.block.rate_per_s(label)
        applied = stack.enter_context(self.host.apply_condition(lab, condition))
        trial_run = TrialRun(label=label, lab=lab, origin=origin, tags=tags, applied=applied, rate_per_s=rate)
        trial_run.declare(datapath, self._workload, self._generator)
        if clients > 1 and job.block.probed:
            trial_run.notes.append(f"probes see the router of {clients} clients as the client")
        if refusal := refusal_of(datapath, self._workload, self._generator, spec, condition):
            trial_run.evidence.add_finding(*refusal)
            return trial_run
        trial_run.origin.start()
        try:
            trial_run.attachment = stack.enter_context(datapath.attached(lab))
            for client in lab.client_endpoints:
                self._preflight(trial_run, client)
        except (DatapathError, OriginError, OSError) as error:
            trial_run.fail(error)
        return trial_run

    def _preflight(self, trial_run: TrialRun, client: ClientEndpoint) -> None:
        """Send requests through the datapath, as one client, until one is answered. Raises ``OSError``."""
        deadline = self._clock() + PREFLIGHT_S
        while True:
            try:
                greeting = trial_run.origin.greet(client)
                break
            except OSError:
                if self._clock() > deadline:
                    raise
                self._report(Phase.PREPARE, trial_run.label)
                self._sleep(0.01)
        if (seen := greeting.client_address) != client.expected_source:
            detail = f"the origin saw {seen}, not {client.expected_source}"
            trial_run.evidence.add_finding(Reason.WRONG_CLIENT_ADDRESS, detail)
        elif greeting.label != trial_run.label:
            detail = f"the origin of {greeting.label or 'an unknown lab'!r} answered"
            trial_run.evidence.add_finding(Reason.BYPASSED, detail)
        trial_run.answer_bytes = greeting.answer_bytes

    def _expect(self, trial_runs: list[TrialRun]) -> None:
        load = self.job.block.load
        for trial_run in trial_runs:
            trial_run.evidence.rate_changes = isinstance(load, OpenLoad) and load.profile is not None
            trial_run.evidence.offloads = dict(trial_run.lab.offloads)
            trial_run.evidence.expected_offloads = trial_runs[0].evidence.offloads
            trial_run.evidence.condition = self.job.block.condition
            tracking = self.host.datapaths[datapath_of(trial_run.label)].tracking
            trial_run.evidence.passes_netfilter = tracking is not Tracking.NEVER
            trial_run.evidence.expect_tracked = tracking.expects_conntrack(self.job.block.condition)

    # --- traffic --------------------------------------------------------------------------------------------

    def _idle_baseline(self, trial_runs: list[TrialRun]) -> float:
        proceed = partial(self._report, Phase.PREPARE)
        idle_s_per_s, problem = idle_baseline(self._cpu, self.job.attempt, self._sleep, proceed)
        for trial_run in trial_runs if problem else ():
            trial_run.evidence.add_finding(Reason.INTERFERENCE, problem)
        return idle_s_per_s

    def _run_traffic(self, trial_runs: list[TrialRun]) -> None:
        """Run all counted slices at once, then one run per watched or profiled slice, as probes watch one lab."""
        job, block = self.job, self.job.block
        text = f"{block.workload} {block.level}, block {block.index}"
        event = campaign_event_point(job.campaign_id, self.host.name, "block", text, time.time_ns(), job.listed_as)
        self.host.telemetry.put(event)
        measuring = Measuring(
            workload=self._workload,
            generator=self._generator,
            plan=self._plan,
            telemetry=self.host.telemetry,
            meter=self._cpu,
            progress=self._report,
            stop=self._stop,
            sleep=self._sleep,
            began_s=self._began,
        )
        counted = len(block.order) - block.probed - block.profiled
        schedule = Schedule(block.order[:counted], job.slice_s, job.warm_up_s)
        run_counted(measuring, trial_runs, schedule, attacked=bool(block.condition.spoofed_per_s))
        run_uncounted(measuring, trial_runs, block.condition)
        by_label = {trial_run.label: trial_run for trial_run in trial_runs}
        for position, label in enumerate(block.order[counted:]):
            trial_run = by_label[label]
            if not trial_run.usable:
                continue
            if position < block.probed:
                slice_s, warm_up_s = max(job.slice_s, WATCHED_SLICE_S), min(job.warm_up_s, WATCHED_WARM_UP_S)
                with self._watching(trial_run, warm_up_s):
                    run_one(measuring, trial_run, Schedule((label,), slice_s, warm_up_s), probed=True)
            else:
                with self._profiling(trial_run):
                    run_one(measuring, trial_run, Schedule((label,), job.slice_s), profiled=True)

    @contextmanager
    def _watching(self, trial_run: TrialRun, warm_up_s: float) -> Iterator[None]:
        """Let the probes watch the lab for one slice, and add what they saw to the evidence."""
        before, requests = len(trial_run.watched_slices), trial_run.evidence.generated_requests
        bypassed_stages = self.host.datapaths[datapath_of(trial_run.label)].bypassed_stages
        self.host.probing.begin_slice(
            replace(trial_run.lab.view(), bypassed_stages=bypassed_stages), trial_run.tags, warm_up_s
        )
        try:
            yield
        finally:
            evidence = trial_run.evidence
            slices, made = trial_run.watched_slices[before:], evidence.generated_requests - requests
            counted = sum(one.requests for one in slices)

            def sent(windows: Sequence[Span]) -> float:
                times = sent_within(slices, windows)
                return times.requests / counted if times else 0.0

            traffic = [(one.started_s, one.started_s + one.duration_s) for one in slices]
            share = counted / made if made else 1.0
            evidence.watched = evidence.watched.plus(self.host.probing.end_slice(traffic, share, sent))

    @contextmanager
    def _profiling(self, trial_run: TrialRun) -> Iterator[None]:
        """Sample stacks for one slice. If that fails, the trial stays valid and notes the reason."""
        profiling = self.host.profiling
        try:
            profiling.watch(trial_run.lab.view())
        except ProbeError as error:
            trial_run.notes.append(str(error))
            yield
            return
        try:
            yield
        finally:
            taken = profiling.take()
        trial_run.stacks = taken.plus(trial_run.stacks or Stacks()).bounded()

    # --- the end --------------------------------------------------------------------------------------------

    def _conclude(self, trial_run: TrialRun, idle_cpu_s_per_s: float) -> TrialResult:
        evidence = trial_run.evidence
        trial_run.sample_conntrack()
        evidence.ballast_packets = trial_run.applied.ballast_packets()
        evidence.losses = trial_run.applied.losses()
        datapath = self.host.datapaths[datapath_of(trial_run.label)]
        conclude_attack(trial_run, datapath)
        evidence.wrong_clients = tuple(trial_run.origin.wrong_clients())
        proof = prove(evidence)
        own = declared(self._workload, trial_run, idle_cpu_s_per_s, self._began)
        return TrialResult(
            datapath=trial_run.label,
            function=datapath.function,
            role=datapath.role,
            over=datapath.over,
            workload=self.job.block.workload,
            level=self.job.block.level,
            slices=tuple(evidence.slices),
            **evidence.sums,
            errors=evidence.errors,
            cpu=evidence.cpu,
            idle_cpu_s_per_s=idle_cpu_s_per_s,
            **trial_run.times,
            proof=proof,
            validity=judge(evidence, proof),
            probes=readings(evidence.watched),
            work=dict(evidence.watched.work),
            watched_pace=evidence.watched.passage.pace or None,
            stacks=trial_run.stacks,
            notes=(*trial_run.lab.notes, *trial_run.notes, *self._notes),
            offloads=dict(evidence.offloads),
            surroundings=evidence.surroundings,
            figures=own.figures,
            series=own.series,
            in_flight=self._plan.in_flight,
            generator=f"{self._generator.name}{priority_text(evidence.real_time)}",
        )
