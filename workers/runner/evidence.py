"""What the runner gathers about one trial, from which its proof and its findings follow."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from domain.hosts.busy import BusyProcess
from domain.hosts.cpu_time import CpuTime
from domain.loads.condition import PLAIN, Condition
from domain.probes.watched import Watched
from domain.trials.carried import Carried
from domain.trials.counters import Counters
from domain.trials.episodes import episodes_of
from domain.trials.evidence import Attack, Loss, Surroundings
from domain.trials.figures import TrialFigure
from domain.trials.histogram import LatencyHistogram
from domain.trials.trial import Finding, Reason, SliceResult
from workers.runner.encryption import NO_TLS, Encryption
from workers.traffic.base import Negotiated


@dataclass
class Evidence:
    """Everything gathered about one trial. ``generated_*`` covers all slices and the warm-up."""

    slices: list[SliceResult] = field(default_factory=list)
    generated_requests: int = 0
    generated_bytes: int = 0  # received
    connections: int = 0  # opened
    opens: bool = True  # opening a connection sends packets; a socket for datagrams sends none
    clients: dict[str, int] = field(default_factory=dict)  # requests of each, if there are several
    named: dict[str, int] = field(default_factory=dict)  # by name, counted by the generator …
    origin_named: dict[str, int] = field(default_factory=dict)  # … and by the origin
    errors: dict[str, int] = field(default_factory=dict)  # by cause
    event_errors: int = 0  # of those, in the time that an event explains
    dead_origins: set[str] = field(default_factory=set)  # for a part of the traffic, as an event had planned it
    event_lost: list[int] = field(default_factory=list)  # due requests that it cost, of each counted slice with one
    unsent: int = 0  # due requests that the generator did not send
    censored: int = 0  # times in the counted slices that are lower bounds
    slow_steps: list[str | None] = field(default_factory=list)  # of each counted slice (domain/trials/episodes.py)
    rate_changes: bool = False  # during the trial, so each slice has its own
    stalled_s: float = 0.0  # the generator neither ran, nor waited for a CPU, nor slept as it asked to
    schedule_lag_p99_ns: int | None = None
    encryption: Encryption = NO_TLS
    negotiated: Negotiated | None = None  # by the generator
    shares_packets: bool = False  # one packet may carry several requests
    counters: Counters = field(default_factory=lambda: Counters(packets=0, bytes=0, connections=0))
    origin_requests: int = 0
    origin_connections: dict[str, int] = field(default_factory=dict)  # by address, if the datapath balances
    cpu: CpuTime = field(default_factory=CpuTime)  # of the counted slices
    slice_cpu: list[CpuTime] = field(default_factory=list)  # of each of them
    busiest: tuple[BusyProcess, ...] = ()  # foreign processes during the counted slices
    offloads: Mapping[str, bool] = field(default_factory=dict)
    expected_offloads: Mapping[str, bool] = field(default_factory=dict)
    condition: Condition = PLAIN
    expect_tracked: bool = False  # the datapath's connections must be in the DUT's conntrack table
    passes_netfilter: bool = True  # its packets traverse the DUT's rules
    conntrack_entries: int | None = None  # the peak
    ballast_packets: int | None = None  # that traversed the condition's rules
    attack: Attack | None = None
    attack_s: float = 0.0  # how long it went on
    losses: dict[str, Loss] | None = None  # of each host
    own_figures: list[TrialFigure] = field(default_factory=list)  # of the datapath
    wrong_clients: tuple[str, ...] = ()
    body_problems: tuple[str, ...] = ()
    busiest_thread_share: float = 0.0
    real_time: bool | None = None  # all threads of the generator had that priority; None: it asked for none
    watched: Watched = field(default_factory=Watched)
    findings: list[Finding] = field(default_factory=list)

    def add_finding(self, reason: Reason, detail: str) -> None:
        """Add a failure that the runner itself saw."""
        self.findings.append(Finding(reason=reason, detail=detail[:500]))

    @property
    def counted(self) -> list[SliceResult]:
        """The slices that figures are made of: neither watched nor profiled."""
        return [s for s in self.slices if not s.probed and not s.profiled]

    @property
    def requests(self) -> int:
        """Completed requests of all slices."""
        return sum(s.requests for s in self.slices)

    @property
    def carried(self) -> Carried:
        """What the counted slices delivered of what was due in them."""
        return Carried.sum_of(self.counted)

    @property
    def sums(self) -> dict[str, Any]:
        """The fields of a trial that are sums over its counted slices."""
        duration_s = sum(one.duration_s for one in self.counted)
        own = {"duration_s": duration_s, "censored": self.censored, "episodes": episodes_of(self.slow_steps)}
        return self.carried.model_dump() | own

    @property
    def opened(self) -> int:
        """Connections opened in all slices and the warm-up: the generator counts those of slices."""
        made = self.requests or self.generated_requests
        return round(self.connections * max(1.0, self.generated_requests / made)) if made else self.connections

    @property
    def open_connections(self) -> int:
        """The most connections that were open at once."""
        return min(self.connections, max((one.connections for one in self.slices), default=0))

    @property
    def surroundings(self) -> Surroundings:
        """The condition, and the DUT's counters of it."""
        return Surroundings(
            condition=self.condition,
            conntrack_entries=self.conntrack_entries,
            ballast_packets=self.ballast_packets,
        )

    def add_slice_cpu(self, cpu: CpuTime) -> None:
        """Add the host's CPU time of a counted slice."""
        self.slice_cpu.append(cpu)
        self.cpu = self.cpu.plus(cpu)

    def add_times(self, timings: Mapping[str, LatencyHistogram]) -> None:
        """Add the histogram that shows how late the generator was."""
        if lag := timings.get("schedule_lag"):
            self.schedule_lag_p99_ns = lag.percentile_ns(99)
