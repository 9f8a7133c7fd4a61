"""The cost of probes: pairs of slices with and without them, and the kernel's account of their programs."""

import contextlib
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field

from bpf.objects import run_time_statistics
from probes.base import LabView, Probe
from tests.bench.figures import Ratio, paired
from tests.bench.stage import Measured

# Of bpf_trace_run(): finding, entering and leaving the program, which the kernel's account does not include.
ENTRY_NS = 25


@dataclass
class Slices:
    """Slices in pairs that are neighbours in time."""

    watched: list[Measured] = field(default_factory=list)
    alone: list[Measured] = field(default_factory=list)

    def throughput(self) -> Ratio:
        """Requests/s, watched ÷ alone."""
        return paired([one.requests_per_s for one in self.watched], [one.requests_per_s for one in self.alone])

    def cpu_per_request(self) -> Ratio:
        """The host's CPU time per request, watched ÷ alone."""
        return paired(*([one.host.busy_s / one.requests for one in those] for those in (self.watched, self.alone)))

    def rate_per_s(self) -> float:
        """Requests/s without probes."""
        return sum(one.requests for one in self.alone) / sum(one.duration_s for one in self.alone)

    def cpu_us(self) -> float:
        """The host's CPU time per request without probes, in microseconds."""
        return sum(one.host.busy_s for one in self.alone) * 1e6 / sum(one.requests for one in self.alone)


@dataclass(frozen=True)
class Cost:
    """The cost of one probe's programs while attached. An event is one call of one of them."""

    ns_per_event: float
    events_per_request: float
    timed_per_request: float

    @property
    def ns_per_request(self) -> float:
        """Nanoseconds per request while attached, including entering the programs."""
        return (self.ns_per_event + ENTRY_NS) * self.events_per_request


def cost_of(probe: Probe, lab: LabView, traffic: Callable[[], Measured]) -> Cost:
    """The cost of a started probe under traffic. It watches all the time, and the kernel times each call."""
    before = probe.read()
    with run_time_statistics():  # which has a cost, and is on for no other figure
        programs = _programs()
        probe.watch(lab)
        try:
            measured = traffic()
        finally:
            probe.watch(None)
        gained = [(now[0] - then[0], now[1] - then[1]) for now, then in zip(_programs(), programs, strict=True)]
    after = probe.read()
    ns, events = sum(ns for ns, _ in gained), sum(calls for _, calls in gained)
    timed = sum(h.count for h in after.stages.values()) - sum(h.count for h in before.stages.values())
    return Cost(ns / events if events else 0.0, events / measured.requests, timed / measured.requests)


def table(costs: dict[str, Cost]) -> str:
    """A Markdown table, the most expensive first."""
    lines = [
        "| probe | ns per event | events per request | timed per request | µs per request, while attached |",
        "|---|---|---|---|---|",
    ]
    for name, cost in sorted(costs.items(), key=lambda item: -item[1].ns_per_request):
        figures = f"{cost.ns_per_event:.0f} | {cost.events_per_request:.1f} | {cost.timed_per_request:.2f}"
        lines.append(f"| `{name}` | {figures} | {cost.ns_per_request / 1000:.2f} |")
    return "\n".join(lines)


def _programs() -> list[tuple[int, int]]:
    """(nanoseconds, calls) of each BPF program that this process holds."""
    found = {}
    for fd in os.listdir("/proc/self/fdinfo"):
        with contextlib.suppress(OSError), open(f"/proc/self/fdinfo/{fd}") as file:
            info = dict(re.findall(r"^(prog_id|run_time_ns|run_cnt):\s*(\d+)$", file.read(), re.MULTILINE))
            if "run_cnt" in info:
                found[int(info["prog_id"])] = int(info["run_time_ns"]), int(info["run_cnt"])
    return [found[number] for number in sorted(found)]
