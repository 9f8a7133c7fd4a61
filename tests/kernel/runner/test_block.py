"""One block with real labs, datapaths, origin and traffic: valid when whole. Broken ones: test_block_broken.py."""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from domain.loads.condition import Condition
from domain.loads.load import ClosedLoad, Load, OpenLoad
from domain.probes.sample import Point
from domain.service.jobs import BlockJob
from domain.trials.block import Block
from domain.trials.trial import TRANSIENT_REASONS, Reason, TrialResult
from probes.profiler import Profiler
from tests.host_noise import in_windows
from tests.kernel.bench import HeldNamespaces, assert_nothing_left, new_tag
from tests.unwatched import NoProbes
from tests.variants import DATAPATHS, WORKLOADS
from workers.lab.cleanup import CleanupRegister
from workers.lab.lab import Lab, built
from workers.lab.spec import LabSpec, lab_tag
from workers.runner.runner import BlockRunner
from workers.runner.trial_run import RunnerContext
from workers.traffic.base import GeneratorPlan, Interval, Schedule, Target, TargetTraffic
from workers.traffic.showdown_traffic import ShowdownTraffic
from workers.traffic.wrk import Wrk
from workers.workloads._own import OPEN_CONNECTIONS

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("kernel")]

SLICE_S = 0.1
TRAFFIC_PACKETS = 50  # of each lab on average: more than eight connections need to be established


@dataclass
class Points:
    """Keeps the points."""

    points: list[Point] = field(default_factory=list)

    def put(self, point: Point) -> None:
        """See Stream."""
        self.points.append(point)


@dataclass
class Saboteur:
    """The own generator; something breaks in a lab before the traffic (``at`` 1), or while it runs (``at`` 2)."""

    labs: dict[str, Lab]
    breaks: dict[str, Callable[[Lab], object]]
    at: int
    when: float = 0.4  # of the traffic's time, for the latter
    then: Callable[[], object] = lambda: None  # while the datapaths are still attached
    name: str = "showdown-traffic"
    own_rates: bool = True
    many_clients: bool = True
    verifies: bool = True

    def run(
        self,
        plan: GeneratorPlan,
        targets: Sequence[Target],
        schedule: Schedule,
        *,
        stop: Callable[[], bool],
        report: Callable[[Interval], None],
    ) -> Mapping[str, TargetTraffic]:
        """See Generator."""
        faults = [threading.Thread(target=fault, args=[self.labs[label]]) for label, fault in self.breaks.items()]
        ended = threading.Event()
        breaking = threading.Thread(target=self._break, args=[faults, schedule, self._packets(), ended])
        breaking.start()
        if self.at == 1:
            breaking.join()
        try:
            return ShowdownTraffic().run(plan, targets, schedule, stop=stop, report=report)
        finally:
            ended.set()
            breaking.join()
            self.then()

    def _break(
        self, faults: Sequence[threading.Thread], schedule: Schedule, before: int, ended: threading.Event
    ) -> None:
        """Break the labs at once, or in the midst of the traffic; on a busy host that takes its time to begin."""
        if self.at == 2 and faults:
            while self._packets() - before < TRAFFIC_PACKETS * len(self.labs) and not ended.wait(0.002):
                pass
            ended.wait(self.when * schedule.slice_s * len(schedule.order))
        for fault in faults:
            fault.start()
        for fault in faults:
            fault.join()

    def _packets(self) -> int:
        return sum(lab.packets() for lab in self.labs.values())


def block_job(
    labels: tuple[str, ...],
    workload: str,
    default: Load,
    loads: dict[str, Load],
    turns: int,
    slice_s: float,
    *,
    profiled: bool,
    between: int,
) -> BlockJob:
    """A block of two slices per datapath and turn, and one for stacks if they are wanted.

    Amid the slices of a turn, the last datapath has so many more ``between``.
    """
    order = (labels + labels[-1:] * between + labels[::-1]) * turns
    block = Block(index=0, workload=workload, level="low", datapaths=labels,
                  load=max(loads.values(), key=str, default=default), loads=loads,
                  order=order + labels * profiled, profiled=len(labels) * profiled,
                  host="test")  # fmt: skip
    return BlockJob(campaign_id="test", campaign_name="test", block_id=new_tag(), attempt=1, lease="x", block=block,
                    slice_s=slice_s, warm_up_s=0, probes=())  # fmt: skip


def runner_context(directory: Path, generator: Saboteur, build_lab: Any) -> RunnerContext:
    """What a block is run with: everything real but telemetry and probes."""
    return RunnerContext(
        name="test",
        register=CleanupRegister(directory / "register"),
        datapaths=DATAPATHS,
        workloads=WORKLOADS,
        generators={"showdown-traffic": generator, "wrk": Wrk()},
        probing=NoProbes(),
        profiling=Profiler(),
        telemetry=Points(),
        build_lab=build_lab,
    )


def measure(
    directory: Path,
    labels: tuple[str, ...],
    breaks: dict[str, Callable[[Lab], object]] | None = None,
    *,
    at: int = 2,
    profiled: bool = False,
    load: Load | None = None,
    loads: dict[str, Load] | None = None,
    workload: str = "http_keepalive",
    ip_version: int = 4,
    turns: int = 2,
    slice_s: float = SLICE_S,
    when: float = 0.4,
    between: int = 0,
    prepare: Callable[[Lab], object] = lambda lab: None,
    then: Callable[[], object] = lambda: None,
) -> dict[str, TrialResult]:
    """Run the block of :func:`block_job`, and call each of ``breaks`` with its lab before or during the traffic.

    ``prepare`` is called with each lab as it is built, ``then`` when the traffic has ended.
    """
    labs, held = dict[str, Lab](), HeldNamespaces()

    @contextmanager
    def build(spec: LabSpec, register: CleanupRegister) -> Iterator[Lab]:
        with built(spec, register) as lab:
            labs[lab.label] = lab
            held.add(*lab.namespaces)
            prepare(lab)
            yield lab

    default = load or ClosedLoad(connections=8, condition=Condition(ip_version=ip_version))
    job = block_job(labels, workload, default, loads or {}, turns, slice_s, profiled=profiled, between=between)
    generator = Saboteur(labs, breaks or {}, at, when, then)
    host = runner_context(directory, generator, build)
    try:
        return {trial.datapath: trial for trial in BlockRunner(job, host).run().trials}
    finally:
        assert_nothing_left(lab_tag(job.block_id, 1), held, directory / "register")


def reasons(trial: TrialResult) -> set[Reason]:
    """Why the trial is invalid, host noise apart."""
    return set(trial.validity.reasons) - TRANSIENT_REASONS


@in_windows
def test_four_datapaths_side_by_side_are_valid_with_proof(tmp_path: Path) -> None:
    labels = ("direct", "tproxy", "ebpf_sk_assign", "ebpf_redirect")
    trials = measure(tmp_path, labels)
    assert tuple(trials) == labels
    for label, trial in trials.items():
        assert reasons(trial) == set(), (label, trial.validity)
        assert trial.requests > 100
        assert trial.proof is not None
        assert trial.proof.accounted >= 0.99
        assert trial.proof.origin_requests is not None
        assert 0.99 <= trial.proof.origin_requests / trial.requests <= 1.01 + 16 / trial.requests
        assert trial.service_time is not None
        assert trial.service_time.count == pytest.approx(trial.requests, rel=0.02)
        assert trial.cpu.busy_s > 0
        assert trial.cpu_us_per_request is not None


@in_windows
def test_stacks_show_whose_time_it_was(tmp_path: Path) -> None:
    trials = measure(tmp_path, ("direct", "tproxy"), profiled=True, slice_s=0.2)
    seen = {label: trial.stacks for label, trial in trials.items()}
    for label, stacks in seen.items():
        assert reasons(trials[label]) == set()
        assert stacks is not None, trials[label].notes
        # A fifth of a second on a host that has nothing else to do is a few hundred samples; on a busy one, fewer.
        assert stacks.samples > 20
        assert {"client", "server", "softirq"} <= set(stacks.counts)
        assert any("sendto" in stack for stack in stacks.counts["client"])
        assert any(stack.startswith("net_rx_action_[k]") for stack in stacks.counts["softirq"])
    assert seen["direct"] is not None
    assert seen["tproxy"] is not None
    assert "dut" not in seen["direct"].counts
    assert any("tcp_" in stack for stack in seen["tproxy"].counts["dut"])


@in_windows
def test_each_datapath_gets_its_own_rate_and_overload_is_not_the_generators_fault(tmp_path: Path) -> None:
    rates = {"direct": 2_000, "tproxy": 1_500, "ebpf_sk_assign": 400_000}  # the last is more than any host forwards
    loads = {label: OpenLoad(rate_per_s=rate, arrival="constant") for label, rate in rates.items()}
    slice_s = 0.2  # what is too much needs time to queue
    trials = measure(tmp_path, tuple(rates), loads=loads, slice_s=slice_s)
    for label in ("direct", "tproxy"):
        trial = trials[label]
        assert reasons(trial) == set(), trial.validity
        assert trial.requests == pytest.approx(rates[label] * 4 * slice_s, rel=0.01)
        assert trial.latency is not None
        assert trial.latency.count == trial.requests
        assert trial.in_flight == OPEN_CONNECTIONS
        assert trial.generator == "showdown-traffic with real-time priority (SCHED_RR)"
    assert not trials["ebpf_sk_assign"].validity.valid
    too_much = trials["ebpf_sk_assign"].validity
    assert Reason.OVERLOADED in too_much.reasons, too_much
    assert Reason.GENERATOR_SATURATED not in too_much.reasons, "the host was full, so a late generator is no accident"


@in_windows
def test_one_datapath_twice_has_two_labs(tmp_path: Path) -> None:
    trials = measure(tmp_path, ("direct", "direct#2"))
    assert {label: reasons(trial) for label, trial in trials.items()} == {"direct": set(), "direct#2": set()}
