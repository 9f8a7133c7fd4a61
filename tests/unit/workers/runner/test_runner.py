"""The runner with fakes: order, warm-up, evidence, and that no failure becomes a number."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from itertools import chain, repeat
from pathlib import Path
from typing import Any, ClassVar

import pytest

from domain.condition import Condition, parse_condition
from domain.counters import Counters
from domain.cpu_time import CpuTime
from domain.histogram import LatencyHistogram
from domain.jobs import BlockJob, Phase
from domain.load import ClosedLoad, Load, OpenLoad
from domain.sample import Point, StageHistogram, TrialTags
from domain.stacks import Stacks
from domain.trial import Block, Reason, TrialResult, WindowTimes
from domain.watched import Span, StageRole, Watched
from probes.base import LabView, ProbeError
from workers.datapaths.base import Datapath, DatapathError, Tracking
from workers.lab.endpoints import ClientEndpoint
from workers.lab.host_cpu import HostTicks
from workers.lab.spec import LabSpec
from workers.origins.nginx import Greeting
from workers.runner.cpu import CpuMeter, CpuSnapshot
from workers.runner.measurement import Cancelled
from workers.runner.runner import BlockRunner
from workers.runner.trial_run import RunnerContext
from workers.traffic.base import GeneratorPlan, Interval, Schedule, SliceTraffic, Target, TargetTraffic, Timeline
from workers.workloads.http_keepalive import HttpKeepalive
from workers.workloads.udp_rr import UdpRr

ANSWER_BYTES = 150


@dataclass
class World:
    """What the fakes share: every lab's traffic, and the faults that a test switches on."""

    requests: dict[str, int] = field(default_factory=dict)
    log: list[str] = field(default_factory=list)
    faults: dict[str, Any] = field(default_factory=dict)
    labs_standing: int = 0
    bypassed_stages: dict[str, frozenset[str]] = field(default_factory=dict)
    without: dict[str, frozenset[str]] = field(default_factory=dict)


class FakeLab:
    def __init__(self, spec: LabSpec, world: World) -> None:
        self.spec, self.label, self.world = spec, spec.label, world
        self.client_ns, self.client_address = spec.label, "198.18.0.2"
        self.server_address, self.origin_port, self.run_dir = "198.19.0.2", 80, Path("/nonexistent")
        self.client_endpoint = ClientEndpoint(
            self.client_ns, self.server_address, self.origin_port, expected_source=self.client_address
        )
        places = [(self.client_ns, self.client_address)]
        if spec.clients > 1:
            places = [(f"{spec.label}-{n}", f"198.18.100.{10 + n}") for n in range(1, spec.clients + 1)]
        self.client_endpoints = tuple(
            replace(self.client_endpoint, netns=place, expected_source=address) for place, address in places
        )
        self.notes: list[str] = []
        world.without[spec.label] = spec.disabled_offloads
        self.offloads = world.faults.get(("offloads", spec.label), {"gro": True})

    def view(self) -> LabView:
        return LabView(label=self.label, devices={}, netns={"client": 1}, tasks={})


class FakeOrigin:
    def __init__(self, lab: Any) -> None:
        self.lab = lab

    def start(self) -> None:
        self.lab.world.log.append(f"origin {self.lab.label}")

    def greet(self, ends: ClientEndpoint | None = None) -> Greeting:
        faults, lab = self.lab.world.faults, self.lab
        self.lab.world.log.append(f"greet {(ends or lab.client_endpoint).netns}")
        if faults.get(("ask", lab.label)):
            raise ConnectionError("no answer")
        expected = f"{(ends or lab.client_endpoint).expected_source} {lab.label}"
        address, _, label = faults.get(("whoami", lab.label), expected).partition(" ")
        return Greeting(address, label, ANSWER_BYTES)

    def requests(self) -> int:
        return self.lab.world.requests.get(self.lab.label, 0)

    def connections(self) -> dict[str, int]:
        return {}

    def wrong_clients(self) -> list[str]:
        return self.lab.world.faults.get(("wrong", self.lab.label), [])


@dataclass
class FakeAttachment:
    world: World
    label: str

    def counters(self) -> Counters:
        if self.world.faults.get(("gone", self.label)):
            raise DatapathError("the proxy is gone")
        seen = 0 if self.world.faults.get(("bypass", self.label)) else self.world.requests.get(self.label, 0)
        return Counters(packets=seen, bytes=None, connections=None)


class FakeDatapath(Datapath):
    name: ClassVar[str] = "fake"
    function: ClassVar[str] = "forward"
    summary: ClassVar[str] = "Counts what the fake generator says it sent."

    requires: ClassVar[tuple[str, ...]] = ()

    def client_endpoint(self, lab: Any) -> ClientEndpoint:
        return lab.client_endpoint  # type: ignore[no-any-return]

    def attach(self, lab: Any, stack: ExitStack) -> FakeAttachment:
        if lab.world.faults.get(("attach", lab.label)):
            raise DatapathError("the proxy did not start")
        return FakeAttachment(lab.world, lab.label)


class FakeGenerator:
    """A thousand requests per slice, warm-up or not, half of the host's CPU busy meanwhile."""

    name = "showdown-traffic"
    own_rates = True
    many_clients = True

    def __init__(self, world: World) -> None:
        self.world = world

    def run(
        self,
        plan: GeneratorPlan,
        targets: Sequence[Target],
        schedule: Schedule,
        *,
        stop: Callable[[], bool],
        tell: Callable[[Interval], None],
    ) -> dict[str, TargetTraffic]:
        results = {target.label: TargetTraffic() for target in targets}
        told = {label: self.world.faults.get(("generator", label)) for label in results}
        warm_up = tuple(results) if schedule.warm_up_s else ()
        for index, label in enumerate(warm_up + schedule.order):
            warming = index < len(warm_up)
            own = {target.label: target.rate_per_s for target in targets}[label]
            self.world.log.append(f"rate {label} {own or plan.load}")
            self.world.log.append(f"traffic {label} {schedule.warm_up_s if warming else schedule.slice_s}")
            if told[label] is None:
                self.world.requests[label] = self.world.requests.get(label, 0) + 1000
                results[label] = self._plus(results[label], warming)
            if not warming:
                tell(Interval(label, index + 1 - len(warm_up), 1, 1000.0, 0, 10, 20))
        return {label: told[label] or result for label, result in results.items()}

    def _plus(self, total: TargetTraffic, warm_up: bool) -> TargetTraffic:
        steal = self.world.faults.get("steal_ticks", 0) / 100
        cpu = CpuTime(wall_s=1, cpus=2, user_s=0.5, system_s=0.3, softirq_s=0.2, steal_s=steal, idle_s=1.0 - steal)
        line = None if warm_up else self.world.faults.get("timeline")
        one = SliceTraffic(1.0, 1.0, 1000, 150_000, cpu=cpu, warm_up=warm_up, timeline=line)
        known = total.timings.get("service_time")
        times = LatencyHistogram.of({100_000: 1000 + (known.count if known else 0)})
        timings = total.timings if warm_up else {"service_time": times, **self.world.faults.get("timings", {})}
        return replace(total, slices=(*total.slices, one), connections=4, timings=timings)


@dataclass
class FakeAround:
    """Tracks what a test says, or what the condition asks for; every request walks the ballast."""

    lab: Any
    condition: Condition

    def conntrack_entries(self) -> int | None:
        told = self.lab.world.faults.get(("tracked", self.lab.label), 4 if self.condition.conntrack else 0)
        tracked: int | None = next(told) if isinstance(told, Iterator) else told
        return tracked

    def ballast_packets(self) -> int | None:
        walked = self.lab.world.faults.get(("walked", self.lab.label), self.lab.world.requests.get(self.lab.label, 0))
        return walked if self.condition.ballast_rules else None


@dataclass
class FakeProbing:
    world: World

    def begin_slice(self, lab: LabView, tags: TrialTags, warm_up_s: float = 0.0) -> None:
        self.world.log.append(f"begin {lab.label} {tags.run} after {warm_up_s} s")
        self.world.bypassed_stages[lab.label] = lab.bypassed_stages

    def end_slice(
        self, traffic: Sequence[Span] = (), share: float = 1.0, sent: Callable[[Sequence[Span]], float] | None = None
    ) -> Watched:
        self.world.log.append(f"end {share}")
        key = StageRole("run_queue", "proxy")
        windows = self.world.faults.get("windows", ())
        if sent:
            self.world.log.append(f"sent {sent(windows)}")
        return Watched({key: StageHistogram(sum_ns=5)}, {key: 4.0}, {"packets": 7.0}, windows=windows)


@dataclass
class FakeProfiling:
    world: World

    def watch(self, lab: LabView) -> None:
        if self.world.faults.get("profiler"):
            raise ProbeError("on-CPU stacks: no perf events here")
        self.world.log.append(f"profile {lab.label}")

    def take(self) -> Stacks:
        return Stacks({"dut": {"main;read_[k]": 3}}, hertz=997)


@dataclass
class FakeTelemetry:
    points: list[Point] = field(default_factory=list)

    def put(self, point: Point) -> None:
        self.points.append(point)


class FakeMeter(CpuMeter):
    """A second passes between snapshots, half of it busy, of which the first slices' ``steal`` is stolen."""

    def __init__(self, faults: dict[str, Any]) -> None:
        super().__init__()
        self.faults, self.snapshots = faults, 0

    def snapshot(self) -> CpuSnapshot:
        self.snapshots += 1
        n = self.snapshots
        steal = n * self.faults.get("steal_ticks", 0)
        host = HostTicks(cpus=2, user=50 * n, system=30 * n, irq=0, softirq=20 * n, steal=steal, idle=100 * n)
        others = min(n, self.faults.get("foreign_until", n)) * self.faults.get("foreign_ticks", 0)
        return CpuSnapshot(float(n), host, {(1, 1): others})


@pytest.fixture
def world() -> World:
    return World()


def job(
    order: tuple[str, ...] = ("fake", "fake#2", "fake#2", "fake"),
    probed: int = 0,
    profiled: int = 0,
    workload: str = "http_keepalive",
    load: Load | None = None,
    loads: dict[str, Load] | None = None,
    clients: int = 1,
) -> BlockJob:
    load = load or ClosedLoad(connections=4)
    block = Block(index=3, workload=workload, level="low", load=load, loads=loads or {},
                  datapaths=("fake", "fake#2"), order=order, probed=probed, profiled=profiled, host="h1",
                  clients=clients)  # fmt: skip
    return BlockJob(campaign_id="k1", campaign_name="c", block_id="k1-3", attempt=2, lease="l", block=block, slice_s=1,
                    warm_up_s=0.5, probes=("run_queue",))  # fmt: skip


def run(
    world: World, plan: dict[str, Any] | None = None, telemetry: "FakeTelemetry | None" = None, **how: Any
) -> dict[str, TrialResult]:
    @contextmanager
    def build(spec: LabSpec, register: object) -> Iterator[Any]:
        world.labs_standing += 1
        world.log.append(f"lab {spec.tag} {spec.label}")
        try:
            yield FakeLab(spec, world)
        finally:
            world.labs_standing -= 1

    @contextmanager
    def impose(lab: Any, condition: Condition) -> Iterator[FakeAround]:
        world.log.append(f"impose {condition} {lab.label}")
        yield FakeAround(lab, condition)

    host = RunnerContext(
        name="h1",
        register=None,  # type: ignore[arg-type]
        datapaths={"fake": FakeDatapath()},
        workloads={"http_keepalive": HttpKeepalive(), "udp_rr": UdpRr()},
        generators={"showdown-traffic": FakeGenerator(world)},
        probing=FakeProbing(world),
        profiling=FakeProfiling(world),
        telemetry=telemetry or FakeTelemetry(),
        build_lab=build,
        impose=impose,
        origin=lambda workload, plan, lab: FakeOrigin(lab),
    )
    # Each look at the clock costs a tenth of a second: deadlines pass, and nothing really sleeps.
    ticks = iter(range(1_000_000))
    runner = BlockRunner(
        job(**plan or {}),
        host,
        clock=lambda: next(ticks) / 10,
        sleep=lambda _: None,
        meter=FakeMeter(world.faults),
        **how,
    )
    try:
        return {trial.datapath: trial for trial in runner.run().trials}
    finally:
        assert world.labs_standing == 0


def reasons(trials: dict[str, TrialResult]) -> dict[str, set[Reason]]:
    return {label: set(trial.validity.reasons) for label, trial in trials.items()}


def test_slices_run_in_the_planned_order_after_warm_up(world: World) -> None:
    trials = run(world)
    traffic = [line for line in world.log if line.startswith("traffic")]
    assert traffic == ["traffic fake 0.5", "traffic fake#2 0.5", "traffic fake 1.0", "traffic fake#2 1.0",
                       "traffic fake#2 1.0", "traffic fake 1.0"]  # fmt: skip
    assert reasons(trials) == {"fake": set(), "fake#2": set()}
    for trial in trials.values():
        assert trial.requests == 2000  # the warm-up is not counted
        assert trial.requests_per_s == pytest.approx(1000)
        assert trial.proof is not None
        assert trial.proof.accounted == pytest.approx(1)
        assert trial.proof.requests == 3000  # … but proven
        assert trial.service_time is not None
        assert trial.service_time.count == 2000
        assert trial.latency is None
        assert trial.probes == ()


def test_each_datapath_may_have_a_rate_of_its_own(world: World) -> None:
    rates = {"fake": OpenLoad(rate_per_s=900), "fake#2": OpenLoad(rate_per_s=400)}
    run(world, plan={"load": rates["fake"], "loads": rates})
    assert {line for line in world.log if line.startswith("rate")} == {"rate fake 900", "rate fake#2 400"}


def test_without_rates_of_their_own_all_have_the_blocks_load(world: World) -> None:
    run(world)
    assert {line for line in world.log if line.startswith("rate")} == {"rate fake closed(4)", "rate fake#2 closed(4)"}


def test_a_generator_that_knows_one_rate_only_is_not_given_several(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FakeGenerator, "own_rates", False)
    rates = {"fake": OpenLoad(rate_per_s=900), "fake#2": OpenLoad(rate_per_s=400)}
    with pytest.raises(ValueError, match="a rate of its own"):
        run(world, plan={"load": rates["fake"], "loads": rates})


def test_a_block_names_the_rate_of_every_datapath_or_of_none() -> None:
    one = OpenLoad(rate_per_s=900)
    for loads in ({"fake": one}, {"fake": one, "fake#2": ClosedLoad(connections=4)}):
        with pytest.raises(ValueError, match="loads"):
            job(load=one, loads=loads)


def test_stacks_are_sampled_in_slices_of_their_own_that_nobody_counts(world: World) -> None:
    order = ("fake", "fake#2", "fake#2", "fake", "fake", "fake#2")
    trials = run(world, plan={"order": order, "probed": 2, "profiled": 2})
    assert [line for line in world.log if line.startswith("profile")] == ["profile fake", "profile fake#2"]
    for trial in trials.values():
        assert [(s.probed, s.profiled) for s in trial.slices] == [(False, False), (True, False), (False, True)]
        assert (trial.requests, trial.duration_s, trial.watched_requests) == (1000, 1.0, 1000)
        assert trial.stacks == Stacks({"dut": {"main;read_[k]": 3}}, hertz=997)
        assert trial.proof is not None
        assert trial.proof.requests == 5000  # both warm-ups included


def test_without_a_profiler_the_trial_stands_and_says_why(world: World) -> None:
    world.faults["profiler"] = True
    trials = run(world, plan={"order": ("fake", "fake#2", "fake", "fake#2"), "profiled": 2})
    for trial in trials.values():
        assert trial.validity.valid
        assert (trial.stacks, trial.notes) == (None, ("on-CPU stacks: no perf events here",))


def test_watched_slices_are_proven_and_told_but_not_counted(world: World) -> None:
    order = ("fake", "fake#2", "fake#2", "fake")
    trials = run(world, plan={"order": order, "probed": 2})
    assert [line for line in world.log if line.startswith("begin")] == [
        "begin fake#2 k1-3-2-1 after 0.05 s",
        "begin fake k1-3-2-0 after 0.05 s",
    ]
    # As many requests in the warm-up as in the slice: half of the traffic is what counts.
    assert [line for line in world.log if line.startswith("end")] == ["end 0.5"] * 2
    assert [line for line in world.log if line.startswith("traffic")][-4:] == [
        f"traffic {label} {seconds}" for label in ("fake#2", "fake") for seconds in (0.05, 1.0)
    ]
    for trial in trials.values():
        assert [s.probed for s in trial.slices] == [False, True]
        assert (trial.requests, trial.duration_s, trial.cpu.wall_s) == (1000, 1.0, 1.0)
        assert trial.service_time is not None
        assert trial.service_time.count == 1000
        assert trial.proof is not None
        assert trial.proof.requests == 4000
        reading = trial.probes[0]
        assert (reading.stage, reading.role, reading.sum_ns, reading.events) == ("run_queue", "proxy", 5, 4.0)
        assert trial.work == {"packets": 7.0}
        assert trial.watched_requests == 1000
        assert trial.watched_latency is not None
        assert trial.watched_latency.count == 1000


def test_what_requests_took_while_the_probes_looked_is_told_apart(world: World) -> None:
    """Slices begin at 1 s. A window is of the requests that were sent in it, whatever of the slice it is."""
    world.faults["timeline"] = Timeline(0.1, (10, 20, 30, 40), (100, 200, 300, 400), (1000, 2000, 3000, 4000))
    world.faults["windows"] = ((0.5, 0.6), (1.1, 1.2), (1.3, 1.9))
    order = ("fake", "fake#2", "fake#2", "fake")
    for trial in run(world, plan={"order": order, "probed": 2}).values():
        assert trial.window_times == WindowTimes(requests=60, service_time_ns=600, latency_ns=6000)
    # Of a thousand in the slice; the probes scale by it what they counted.
    assert [line for line in world.log if line.startswith("sent")] == ["sent 0.06"] * 2
    world.faults["windows"] = ((2.1, 2.2),)
    assert all(trial.window_times is None for trial in run(world, plan={"order": order, "probed": 2}).values())
    world.faults |= {"windows": ((1.0, 2.0),), "timeline": None}
    assert all(trial.window_times is None for trial in run(world, plan={"order": order, "probed": 2}).values())


def test_points_are_told_while_the_generator_runs(world: World) -> None:
    told = FakeTelemetry()
    done: list[tuple[Phase, str, int]] = []
    run(world, plan={"order": ("fake", "fake#2"), "probed": 0}, telemetry=told, progress=lambda *at: done.append(at))
    traffic = [point for point in told.points if point.measurement == "traffic"]
    assert [(point.tags["datapath"], point.fields["p99_us"]) for point in traffic] == [("fake", 0.02), ("fake#2", 0.02)]
    assert [at for at in done if at[0] == Phase.SLICES] == [(Phase.SLICES, "fake", 1), (Phase.SLICES, "fake#2", 2)]


def test_every_trial_is_told_to_telemetry_once_and_invalid_ones_without_figures(world: World) -> None:
    told = FakeTelemetry()
    world.faults["bypass", "fake#2"] = True
    run(world, telemetry=told)
    points = {point.tags["datapath"]: point for point in told.points if point.measurement == "trial"}
    assert len([point for point in told.points if point.measurement == "trial"]) == len(points) == 2
    assert (points["fake"].fields["valid"], points["fake#2"].fields["reasons"]) == (1, "bypassed")
    assert points["fake"].tags["run"] == "k1-3-2-0"
    assert "requests_per_s" in points["fake"].fields
    assert "requests_per_s" not in points["fake#2"].fields


def test_a_datapath_that_cannot_carry_the_workload_gives_no_number(world: World) -> None:
    trials = run(world, plan={"workload": "udp_rr"})
    assert reasons(trials) == {label: {Reason.DATAPATH_FAILED, Reason.NO_REQUESTS} for label in ("fake", "fake#2")}
    assert "fake carries tcp, not udp" in trials["fake"].validity.findings[0].detail
    assert not [line for line in world.log if line.startswith("traffic")]


def test_what_a_datapath_cannot_have_no_lab_has_and_probes_are_told_what_passes_them_by(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FakeDatapath, "disabled_offloads", frozenset({"tso"}))
    monkeypatch.setattr(FakeDatapath, "bypassed_stages", frozenset({"forward"}))
    run(world, {"order": ("fake", "fake#2"), "probed": 1})
    assert world.without == {"fake": {"tso"}, "fake#2": {"tso"}}
    assert world.bypassed_stages == {"fake#2": {"forward"}}


def test_labs_of_an_attempt_share_a_tag_and_runs_are_named(world: World) -> None:
    run(world, plan={"probed": 4})
    tags = {line.split()[1] for line in world.log if line.startswith("lab ")}
    assert len(tags) == 1
    assert "begin fake k1-3-2-0 after 0.05 s" in world.log


@pytest.mark.parametrize(
    ("fault", "value", "reason"),
    [
        (("attach", "fake"), True, Reason.DATAPATH_FAILED),
        (("ask", "fake"), True, Reason.DATAPATH_FAILED),
        (("bypass", "fake"), True, Reason.BYPASSED),
        (("gone", "fake"), True, Reason.DATAPATH_FAILED),
        (("whoami", "fake"), "203.0.113.9 fake", Reason.WRONG_CLIENT_ADDRESS),
        (("whoami", "fake"), "198.18.0.2 fake#2", Reason.BYPASSED),
        (("wrong", "fake"), ["203.0.113.9"], Reason.WRONG_CLIENT_ADDRESS),
        (("generator", "fake"), TargetTraffic(failure="wrk exited with 1"), Reason.GENERATOR_FAILED),
        (("generator", "fake"), TargetTraffic(), Reason.NO_REQUESTS),
        (("generator", "fake"), TargetTraffic(errors={"corrupt": 1}), Reason.CORRUPT),
        (("generator", "fake"), TargetTraffic(unsent=1), Reason.GENERATOR_SATURATED),
        (("generator", "fake"), TargetTraffic(limit="no source port left"), Reason.GENERATOR_SATURATED),
        (("offloads", "fake#2"), {"gro": False}, Reason.OFFLOAD_MISMATCH),
    ],
)
def test_a_fault_of_one_datapath_spoils_its_trial_only(world: World, fault: object, value: object, reason: str) -> None:
    world.faults[fault] = value
    found = reasons(run(world))
    broken = fault[1]
    assert reason in found.pop(broken)
    assert list(found.values()) == [set()]


def test_no_traffic_through_a_datapath_that_failed(world: World) -> None:
    world.faults["attach", "fake"] = True
    trials = run(world)
    assert not [line for line in world.log if line.startswith("traffic fake ")]
    assert trials["fake"].requests_per_s is None
    assert trials["fake"].cpu_us_per_request is None


def test_a_stop_ends_the_block_and_removes_the_labs(world: World) -> None:
    seen: list[Phase] = []
    with pytest.raises(Cancelled):
        run(world, progress=lambda phase, *_: seen.append(phase), stop=lambda: Phase.WARM_UP in seen)
    assert Phase.SLICES not in seen
    assert "lab" in world.log[0]


def test_cpu_per_request_is_host_wide_less_the_idle_baseline(world: World) -> None:
    # Two slices of one second: 2 s busy, of which the idle labs' 1 s per second is taken off: nothing is left.
    trial = run(world)["fake"]
    assert trial.cpu.busy_s == pytest.approx(2.0)
    assert trial.cpu.softirq_s == pytest.approx(0.4)
    assert trial.idle_cpu_s_per_s == pytest.approx(1.0)
    assert trial.cpu_us_per_request == pytest.approx(0.0)


def test_others_at_work_while_the_labs_idle_spoil_the_baseline(world: World) -> None:
    # 15 ticks a second of two CPUs: 7.5 % is little beside traffic, but would be taken off every figure.
    world.faults["foreign_ticks"] = 15
    trials = run(world)
    assert reasons(trials) == {"fake": {Reason.INTERFERENCE}, "fake#2": {Reason.INTERFERENCE}}
    assert "idleness" in trials["fake"].validity.findings[0].detail


@pytest.mark.parametrize(("looks", "found"), [(15, set()), (16, {Reason.INTERFERENCE})])
def test_a_second_attempt_waits_longer_for_others_to_end(world: World, looks: int, found: set[Reason]) -> None:
    # Two snapshots a look: the sixteenth and last look of a second attempt begins with the thirty-first.
    world.faults |= {"foreign_ticks": 100, "foreign_until": 2 * looks}
    assert reasons(run(world)) == {"fake": found, "fake#2": found}


@pytest.mark.parametrize(("fault", "reason"), [("steal_ticks", "steal"), ("foreign_ticks", "interference")])
def test_the_weather_is_a_transient_reason(world: World, fault: str, reason: str) -> None:
    world.faults[fault] = 30
    for trial in run(world).values():
        assert trial.validity.reasons == (reason,)
        assert trial.validity.transient


def test_every_client_is_asked_for_before_the_traffic_and_told_to_the_generator(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[str, ...]] = []
    usual = FakeGenerator.run

    def run_noting(self: FakeGenerator, plan: Any, targets: Sequence[Target], schedule: Any, **how: Any) -> Any:
        seen.extend((target.netns, *target.more_netns) for target in targets)
        found = usual(self, plan, targets, schedule, **how)
        return {label: replace(one, clients={"client 1 of 2": 7, "client 2 of 2": 8}) for label, one in found.items()}

    monkeypatch.setattr(FakeGenerator, "run", run_noting)
    trials = run(world, {"clients": 2, "order": ("fake", "fake#2") * 2, "probed": 2})
    greeted = [line.partition(" ")[2] for line in world.log if line.startswith("greet")]
    assert greeted == ["fake-1", "fake-2", "fake#2-1", "fake#2-2"]
    assert set(seen) == {("fake-1", "fake-2"), ("fake#2-1", "fake#2-2")}
    proof = trials["fake"].proof
    assert proof is not None
    assert set(proof.clients) == {"client 1 of 2", "client 2 of 2"}
    assert trials["fake"].notes == ("the client's side, as probes see it, is the router of 2 clients",)


def test_several_clients_need_a_generator_and_a_datapath_that_take_them(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FakeDatapath, "one_client", "its client stands elsewhere")
    trial = run(world, {"clients": 2})["fake"]
    assert trial.validity.reasons[0] == Reason.DATAPATH_FAILED
    assert "takes one client only: its client stands elsewhere" in trial.validity.findings[0].detail
    assert run(world)["fake"].validity.valid
    monkeypatch.setattr(FakeGenerator, "many_clients", False)
    with pytest.raises(ValueError, match="loads a lab from one client only"):
        run(world, {"clients": 2})


def test_a_lab_of_an_ip_version_that_a_datapath_does_not_carry_is_no_number(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    load = ClosedLoad(connections=4, condition=parse_condition("ipv6"))
    monkeypatch.setattr(FakeDatapath, "ip_versions", frozenset({4}))
    trial = run(world, {"load": load})["fake"]
    assert trial.validity.reasons[0] == Reason.DATAPATH_FAILED
    assert "fake carries IPv4, not IPv6" in trial.validity.findings[0].detail
    assert trial.requests == 0
    monkeypatch.setattr(FakeDatapath, "ip_versions", frozenset({4, 6}))
    assert run(world, {"load": load})["fake"].validity.valid


# --- the condition ----------------------------------------------------------------------------------------------

RULED = ClosedLoad(connections=4, condition=parse_condition("ballast(1000), no_gso"))
TRACKED = ClosedLoad(connections=4, condition=parse_condition("conntrack"))


def test_the_condition_is_in_force_before_the_datapath_and_shown(world: World) -> None:
    trials = run(world, {"load": RULED})
    told = [line for line in world.log if line.startswith(("lab", "impose", "origin"))]
    assert [line.split()[0] for line in told] == ["lab", "impose", "origin"] * 2
    assert "impose ballast(1000), no_gso fake" in told
    assert world.without["fake"] == {"gso"}
    shown = trials["fake"].surroundings
    assert shown is not None
    assert str(shown.condition) == "ballast(1000), no_gso"
    assert (shown.ballast_packets, shown.conntrack_entries, shown.tracked) == (3000, 0, False)


def test_gso_that_stayed_on_in_every_lab_is_a_mismatch_too(world: World) -> None:
    for label in ("fake", "fake#2"):
        world.faults["offloads", label] = {"gro": False, "gso": True}
    trials = run(world, {"load": RULED})
    assert reasons(trials) == {"fake": {Reason.OFFLOAD_MISMATCH}, "fake#2": {Reason.OFFLOAD_MISMATCH}}
    assert trials["fake"].validity.findings[0].detail == "offloads differ from the block's: gso on, not off"


def test_connections_are_tracked_where_the_condition_says_so(world: World) -> None:
    world.faults["tracked", "fake#2"] = 3  # of four that stood
    trials = run(world, {"load": TRACKED})
    shown = trials["fake"].surroundings
    assert shown is not None
    assert shown.tracked
    assert reasons(trials) == {"fake": set(), "fake#2": {Reason.CONNTRACK_MISMATCH}}
    detail = "connections must be tracked, and the DUT's table held 3 where 4 stood"
    assert trials["fake#2"].validity.findings[0].detail == detail


def test_connections_that_were_forgotten_by_the_end_were_tracked(world: World) -> None:
    world.faults["tracked", "fake"] = chain([0, 4], repeat(0))  # as the slices are told, and after them
    trial = run(world, {"load": TRACKED})["fake"]
    assert trial.validity.valid
    assert trial.surroundings is not None
    assert trial.surroundings.conntrack_entries == 4


@pytest.mark.parametrize(
    ("tracking", "load", "tracked", "holds"),
    [
        (Tracking.WHEN_ASKED, None, 0, True),
        (Tracking.WHEN_ASKED, None, 1, False),
        (Tracking.ALWAYS, None, 4, True),
        (Tracking.ALWAYS, None, None, False),
        (Tracking.NEVER, TRACKED, 0, True),
        (Tracking.NEVER, TRACKED, None, True),
        (Tracking.NEVER, TRACKED, 4, False),
    ],
)
def test_a_datapath_that_says_otherwise_is_invalid(
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    tracking: Tracking,
    load: Load | None,
    tracked: int | None,
    holds: bool,
) -> None:
    monkeypatch.setattr(FakeDatapath, "tracking", tracking)
    world.faults |= {("tracked", label): tracked for label in ("fake", "fake#2")}
    assert reasons(run(world, {"load": load}))["fake"] == (set() if holds else {Reason.CONNTRACK_MISMATCH})


@pytest.mark.parametrize(
    ("tracking", "walked", "holds"),
    [
        (Tracking.WHEN_ASKED, 1, True),
        (Tracking.WHEN_ASKED, 0, False),
        (Tracking.NEVER, 3, True),
        (Tracking.NEVER, 3000, False),
    ],
)
def test_ballast_is_walked_by_those_that_pass_netfilter(
    world: World, monkeypatch: pytest.MonkeyPatch, tracking: Tracking, walked: int, holds: bool
) -> None:
    monkeypatch.setattr(FakeDatapath, "tracking", tracking)
    world.faults |= {("walked", label): walked for label in ("fake", "fake#2")}
    load = ClosedLoad(connections=4, condition=parse_condition("ballast(10)"))
    assert reasons(run(world, {"load": load}))["fake"] == (set() if holds else {Reason.BALLAST_MISMATCH})
