"""Driver of showdown-traffic, the project's generator: it makes the traffic of all slices over established connections.

There is one process, or one per client; several clients run in step (workers/traffic/README.md, "in step").

The driver reads the generator's lines while it runs (workers/traffic/README.md describes them), and takes the results
from the last line. Targets have short names, because one argument must hold the names of thousands of slices.
"""

import math
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from domain.loads.load import OpenLoad
from workers.lab import cpus
from workers.lab import netns as namespaces
from workers.traffic import program
from workers.traffic.base import GeneratorPlan, Interval, Schedule, Target, TargetTraffic
from workers.traffic.merge import merged_line, merged_targets
from workers.traffic.results import read_final
from workers.traffic.running import Line, Running, client_names

TIMEOUT_MS = 2000  # of a request, with its connect, beyond the intended duration of its answer
DRAIN_MS = 100  # how long every slice waits for its last answers, beyond their intended duration; no measuring time
TIMELINE_STEP_US = 100  # of a slice's timeline; windows of some milliseconds consist of such steps
TIMELINE_STEPS = 20_000  # the most steps of a slice, so that they fit into a line
GRACE_S = 15.0  # beyond the slices: connects, timeouts, the last drain, and the delays of a busy host
_REPORTED_BY_SECOND_S = 1.0  # longer slices are reported every second


class ShowdownTraffic:
    """showdown-traffic with one thread per CPU."""

    name = program.NAME
    own_rates = True
    many_clients = True
    verifies = True

    def run(
        self,
        plan: GeneratorPlan,
        targets: Sequence[Target],
        schedule: Schedule,
        *,
        stop: Callable[[], bool] = lambda: False,
        report: Callable[[Interval], None] = lambda _: None,
    ) -> dict[str, TargetTraffic]:
        """See the contract. A target that cannot be reached fails, and a new run begins without it."""
        results: dict[str, TargetTraffic] = {}
        left = list(targets)
        while left:
            order = tuple(label for label in schedule.order if label not in results)
            found = Run(plan, left, replace(schedule, order=order), stop, report).results()
            results |= found
            left = [target for target in left if target.label not in results]
        return {target.label: results[target.label] for target in targets}


@dataclass
class Run:
    """One run of the generator: a process per client."""

    plan: GeneratorPlan
    targets: Sequence[Target]
    schedule: Schedule
    stop: Callable[[], bool]
    report: Callable[[Interval], None]

    def results(self) -> dict[str, TargetTraffic]:
        """The results of every target, or of the target that prevented the run."""
        labels = {f"t{index}": target.label for index, target in enumerate(self.targets)}
        with _file_of(self.plan.answer) as answer, self._rendezvous() as rendezvous:
            argvs = [self.argv(answer, client, rendezvous) for client in range(self.clients)]
            gathering = _Gathering(self.clients, IntervalReporter(self.schedule, labels, self.report))
            failure, finals = Running(argvs, self._within_s(), self.stop, gathering.take, rendezvous).finals()
        if failure:
            return {label: TargetTraffic(failure=failure) for label in labels.values()}
        if len(finals) == 1:
            return read_final(finals[0], labels)
        names = client_names(self.clients)
        return merged_targets({name: read_final(final, labels) for name, final in zip(names, finals, strict=True)})

    @property
    def clients(self) -> int:
        """The clients of each target; all labs of a block have the same number."""
        return self.targets[0].clients

    @contextmanager
    def _rendezvous(self) -> Iterator[tuple[int, ...]]:
        """The descriptor of the file that several generators share; the kernel frees it when all have ended."""
        if self.clients == 1:
            yield ()
            return
        descriptor = os.memfd_create("showdown-rendezvous")
        try:
            yield (descriptor,)
        finally:
            os.close(descriptor)

    def argv(self, answer: str, client: int = 0, rendezvous: tuple[int, ...] = ()) -> list[str]:
        """The command line of a client's process; ``answer`` is a file with the expected body, or empty."""
        plan, schedule = self.plan, self.schedule
        names = {target.label: f"t{index}" for index, target in enumerate(self.targets)}
        load = ["--closed"]
        if isinstance(plan.load, OpenLoad):
            # Generator, datapath and origin share the host's CPUs, but an open loop must send on time. It may have
            # real-time priority because it sleeps most of the time; a closed loop never sleeps.
            load = [*_rates(plan.load), "--arrival", plan.load.arrival, "--seed", str(plan.seed)]
            load += ["--real-time"] if plan.real_time else []
        argv = [str(program.PATH), "load", *load, "--connections", str(plan.connections)]
        argv += plan.options
        for target in self.targets:
            place = namespaces.path((target.netns, *target.more_netns)[client])
            where = f"netns={place},address={target.address},port={target.port}"
            where += "" if target.rate_per_s is None else f",rate={target.rate_per_s}"
            where += f",tls={target.authority}" if target.authority else ""
            where += f",source={'+'.join(target.sources)}" if target.sources else ""
            argv += ["--target", f"label={names[target.label]},{where}"]
        slice_ms, answer_ms = round(schedule.slice_s * 1000), math.ceil(plan.answer_s * 1000)
        argv += ["--order", ",".join(names[label] for label in schedule.order), "--slice-ms", str(slice_ms),
                 "--duration-ms", str(slice_ms * len(schedule.order)),
                 "--warm-up-ms", str(round(schedule.warm_up_s * 1000)),
                 "--timeout-ms", str(TIMEOUT_MS + answer_ms), "--drain-ms", str(DRAIN_MS + answer_ms),
                 "--cpus", ",".join(map(str, cpus_of(client, self.clients, plan.connections)))]  # fmt: skip
        argv += ["--timeline-us", str(_step_us(schedule.slice_s))] if schedule.timeline else []
        argv += ["--received-ms", str(round(plan.received_step_s * 1000))] if plan.received_step_s else []
        argv += ["--failed-ms", str(round(plan.failed_step_s * 1000))] if plan.failed_step_s else []
        argv += ["--path", plan.path] if plan.path else []
        argv += ["--check", f"file={answer}"] if answer else []
        for descriptor in rendezvous:
            argv += ["--client", f"{client + 1}/{self.clients}", "--rendezvous", str(descriptor)]
        return argv

    def _within_s(self) -> float:
        """The time after which the run must have ended."""
        slices, warm_ups = len(self.schedule.order), len(self.targets)
        traffic_s = self.schedule.slice_s * slices + self.schedule.warm_up_s * warm_ups
        drain_s = self.plan.answer_s + DRAIN_MS / 1000  # each slice waits for its last answers
        traffic_s += drain_s * (slices + warm_ups)
        return 2 * traffic_s + GRACE_S


def _rates(load: OpenLoad) -> list[str]:
    """The options for the rate; with a profile, it changes over the target's slices."""
    if load.profile is None:
        return ["--open", str(load.rate_per_s)]
    rates = [str(rate) for rate in load.profile.rates_per_s]
    changes = ["--ramp-to", rates[-1]] if load.profile.shape == "ramp" else ["--steps", ",".join(rates)]
    return ["--open", rates[0], *changes]


def _step_us(slice_s: float) -> int:
    return max(TIMELINE_STEP_US, math.ceil(slice_s * 1e6 / TIMELINE_STEPS))


def cpus_of(client: int, clients: int, connections: int) -> list[int]:
    """The CPUs of a client's threads: as many for each client, together at most all of the generator's if possible."""
    own = cpus.placement().client
    threads = max(1, min(len(own), connections) // clients)
    return [own[(client * threads + index) % len(own)] for index in range(threads)]


@contextmanager
def _file_of(answer: bytes | None) -> Iterator[str]:
    """The path of a file with the expected answer; empty without one.

    The file is in memory and ends with this process, however that ends.
    """
    if answer is None:
        yield ""
        return
    with os.fdopen(os.memfd_create("showdown-answer"), "wb") as file:
        file.write(answer)
        file.flush()
        yield f"/proc/{os.getpid()}/fd/{file.fileno()}"


@dataclass
class IntervalReporter:
    """Turns the lines of a running generator into intervals: one per short slice, one per second of a long one."""

    schedule: Schedule
    labels: Mapping[str, str]
    report: Callable[[Interval], None]
    done: int = 0
    last_s: float = 0.0

    def take(self, line: Mapping[str, Any]) -> None:
        """Report the interval of a line, if it has one."""
        if line["type"] == "slice" and not line["warm_up"]:
            self.done += 1
            if self.schedule.slice_s <= _REPORTED_BY_SECOND_S:
                # The generator prints the line at the next full second, so the slice ended earlier.
                time_ns = time.time_ns() - (time.monotonic_ns() - line["drained_ns"])
                within = {**line, "requests": line["delivered"]}
                self._report(line["target"], within, line["length_ns"] / 1e9, line["errors"], time_ns)
        elif line["type"] == "second" and self.schedule.slice_s > _REPORTED_BY_SECOND_S:
            elapsed_s, self.last_s = line["t_s"] - self.last_s, line["t_s"]
            active = {name: target for name, target in line["targets"].items() if target["sent"]}
            for name, target in active.items() if len(active) == 1 else ():  # not a second that two slices share
                self._report(name, target, elapsed_s, sum(target["errors"].values()), time.time_ns())

    def _report(self, name: str, counts: Mapping[str, Any], seconds: float, errors: int, time_ns: int) -> None:
        times = counts.get("latency") or counts.get("service_time") or {}
        self.report(
            Interval(
                label=self.labels[name],
                slices_done=self.done,
                time_ns=time_ns,
                requests_per_s=counts["requests"] / seconds if seconds else 0.0,
                errors=errors,
                p50_ns=times.get("p50_ns") or None,
                p99_ns=times.get("p99_ns") or None,
            )
        )


@dataclass
class _Gathering:
    """Merges the lines of all clients about the same slice or the same second into one line."""

    clients: int
    reporter: IntervalReporter
    _seconds: dict[int, int] = field(default_factory=dict)
    _lines: dict[tuple[str, int], list[Line]] = field(default_factory=dict)

    def take(self, client: int, line: Line) -> None:
        """Report the merged line once all clients have printed theirs."""
        if self.clients == 1:
            self.reporter.take(line)
            return
        number = line["slice"] if line["type"] == "slice" else self._seconds.get(client, 0)
        if line["type"] == "second":
            self._seconds[client] = number + 1
        key = (line["type"], number)
        self._lines.setdefault(key, []).append(line)
        if len(self._lines[key]) == self.clients:
            self.reporter.take(merged_line(self._lines.pop(key)))
