"""Fakes of all that the runner works with: labs, origins, datapaths, generators, probes, telemetry."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

from domain.hosts.cpu_time import CpuTime
from domain.loads.condition import Condition
from domain.probes.sample import Point, StageHistogram, TrialTags
from domain.probes.stacks import Stacks
from domain.probes.watched import Span, StageRole, Watched
from domain.trials.counters import Counters
from domain.trials.evidence import Attack, Handshakes, Loss
from domain.trials.histogram import LatencyHistogram
from probes.base import LabView, ProbeError
from workers.datapaths.base import Datapath, DatapathError
from workers.lab.conditions import ConditionError
from workers.lab.endpoints import ClientEndpoint
from workers.lab.host_cpu import HostTicks
from workers.lab.spec import LabSpec
from workers.origins.base import Greeting
from workers.runner.cpu import CpuMeter, CpuSnapshot, Recording
from workers.traffic.base import GeneratorPlan, Interval, Schedule, SliceTraffic, Target, TargetTraffic

ANSWER_BYTES = 150


@dataclass
class World:
    """What the fakes share: every lab's traffic, and the faults that a test sets."""

    requests: dict[str, int] = field(default_factory=dict)
    log: list[str] = field(default_factory=list)
    faults: dict[str, Any] = field(default_factory=dict)
    open_labs: int = 0
    bypassed_stages: dict[str, frozenset[str]] = field(default_factory=dict)
    without: dict[str, frozenset[str]] = field(default_factory=dict)
    targets: list[str] = field(default_factory=list)


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
        self.processes: list[Any] = []
        world.without[spec.label] = spec.disabled_offloads
        self.offloads = world.faults.get(("offloads", spec.label), {"gro": True})

    def view(self) -> LabView:
        return LabView(label=self.label, devices={}, netns={"client": 1}, tasks={})


class FakeOrigin:
    def __init__(self, lab: Any) -> None:
        self.lab = lab

    def start(self) -> None:
        self.lab.world.log.append(f"origin {self.lab.label}")

    def greet(self, client: ClientEndpoint | None = None) -> Greeting:
        faults, lab = self.lab.world.faults, self.lab
        self.lab.world.log.append(f"greet {(client or lab.client_endpoint).netns}")
        if faults.get(("ask", lab.label)):
            raise ConnectionError("no answer")
        expected = f"{(client or lab.client_endpoint).expected_source} {lab.label}"
        address, _, label = faults.get(("whoami", lab.label), expected).partition(" ")
        return Greeting(address, label, ANSWER_BYTES)

    def requests(self) -> int:
        return self.lab.world.requests.get(self.lab.label, 0)

    def connections(self) -> dict[str, int]:
        return {}

    def named(self) -> dict[str, int]:
        return self.lab.world.faults.get(("origin named", self.lab.label), {})

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
    verifies = True

    def __init__(self, world: World) -> None:
        self.world = world

    def run(
        self,
        plan: GeneratorPlan,
        targets: Sequence[Target],
        schedule: Schedule,
        *,
        stop: Callable[[], bool],
        report: Callable[[Interval], None],
    ) -> dict[str, TargetTraffic]:
        results = {target.label: TargetTraffic() for target in targets}
        self.world.targets = list(results)
        given = {label: self.world.faults.get(("generator", label)) for label in results}
        warm_up = tuple(results) if schedule.warm_up_s else ()
        for index, label in enumerate(warm_up + schedule.order):
            warming = index < len(warm_up)
            own = {target.label: target.rate_per_s for target in targets}[label]
            self.world.log.append(f"rate {label} {own or plan.load}")
            self.world.log.append(f"seed {plan.seed}")
            self.world.log.append(f"traffic {label} {schedule.warm_up_s if warming else schedule.slice_s}")
            if given[label] is None:
                self.world.requests[label] = self.world.requests.get(label, 0) + 1000
                results[label] = self._plus(results[label], warming)
            if not warming:
                report(Interval(label, index + 1 - len(warm_up), 1, 1000.0, 0, 10, 20))
        return {label: given[label] or result for label, result in results.items()}

    def _plus(self, total: TargetTraffic, warm_up: bool) -> TargetTraffic:
        steal = self.world.faults.get("steal_ticks", 0) / 100
        cpu = CpuTime(wall_s=1, cpus=2, user_s=0.5, system_s=0.3, softirq_s=0.2, steal_s=steal, idle_s=1.0 - steal)
        line = None if warm_up else self.world.faults.get("timeline")
        one = SliceTraffic(1.0, 1.0, 1000, 150_000, cpu=cpu, warm_up=warm_up, timeline=line)
        one = replace(one, **self.world.faults.get("carried", {}))
        known = total.timings.get("service_time")
        times = LatencyHistogram.of({100_000: 1000 + (known.count if known else 0)})
        timings = total.timings if warm_up else {"service_time": times, **self.world.faults.get("timings", {})}
        censored = self.world.faults.get("censored", 0)
        return replace(total, slices=(*total.slices, one), connections=4, timings=timings, censored=censored)


@dataclass
class FakeCondition:
    """Tracks what a test says, or what the condition asks for; every request traverses the ballast."""

    lab: Any
    condition: Condition
    sent: int = 0

    def conntrack_entries(self) -> int | None:
        count = self.lab.world.faults.get(("tracked", self.lab.label), 4 if self.condition.conntrack else 0)
        tracked: int | None = next(count) if isinstance(count, Iterator) else count
        return tracked

    def ballast_packets(self) -> int | None:
        walked = self.lab.world.faults.get(("walked", self.lab.label), self.lab.world.requests.get(self.lab.label, 0))
        return walked if self.condition.ballast_rules else None

    @contextmanager
    def beside(self) -> Iterator[None]:
        if self.condition.spoofed_per_s:
            self.lab.world.log.append(f"attack {self.lab.label}")
            if problem := self.lab.world.faults.get(("attack", self.lab.label)):
                raise ConditionError(problem)
            self.sent += 500
        yield

    def attack(self) -> Attack | None:
        answered = self.lab.world.faults.get(("answered", self.lab.label), 0)
        handshakes = Handshakes() if self.condition.syn_flood_per_s else None
        attack = Attack(sent=self.sent, answered=answered, handshakes=handshakes)
        return attack if self.condition.spoofed_per_s else None

    def losses(self) -> dict[str, Loss] | None:
        if not self.condition.loss_percent:
            return None
        sound = {host: Loss(sent=100_000, lost=1_000, left=99_000) for host in ("client", "server")}
        return sound | self.lab.world.faults.get(("losses", self.lab.label), {})


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


class FakeRecording(Recording):
    """Others use their ticks evenly."""

    def __init__(self, foreign_ticks: int) -> None:
        super().__init__()
        self._foreign_ticks = foreign_ticks

    def foreign_s(self, start_s: float, end_s: float) -> float:
        return self._foreign_ticks / 100 * (end_s - start_s)


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
        return CpuSnapshot(float(n), host, others / 100)

    @contextmanager
    def recording(self) -> Iterator[Recording]:
        still = "foreign_until" not in self.faults  # those that end while the labs idle are gone during traffic
        yield FakeRecording(self.faults.get("foreign_ticks", 0) if still else 0)
