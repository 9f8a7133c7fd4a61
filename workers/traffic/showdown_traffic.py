"""Driver of the project's own generator: one process makes the traffic of all slices, over connections that stay open.

It reads the generator's lines while it runs (workers/traffic/README.md says what they hold) and takes the results from
the last one. Targets go by short names of ours, as thousands of turns must fit into one argument.
"""

import json
import math
import os
import re
import selectors
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from domain.campaign import OpenLoad
from domain.histogram import LatencyHistogram
from domain.trial import CpuTime
from workers import netns as namespaces
from workers.cpu import host_ticks
from workers.traffic import program
from workers.workloads.base import GeneratorPlan, Interval, Schedule, SliceTraffic, Target, TargetTraffic

TIMEOUT_MS = 2000  # of a request, connecting included, beyond what its answer shall take
DRAIN_MS = 100  # likewise: how long a slice waits for its last answers
_POLL_S = 0.05
_GRACE_S = 15.0  # beyond the slices: connecting, time-outs, the last drain, and a host that is busy
_TOLD_BY_SECOND_S = 1.0  # longer slices are told of while they run
_LIMITS = ("open files", "source port", "descriptors", "ports", "Cannot assign requested address")
_BLAMED = re.compile(r"^target (t\d+)\b")


class ShowdownTraffic:
    """showdown-traffic with one thread per CPU."""

    name = program.NAME
    own_rates = True
    many_clients = True

    def run(
        self,
        plan: GeneratorPlan,
        targets: Sequence[Target],
        schedule: Schedule,
        *,
        stop: Callable[[], bool] = lambda: False,
        tell: Callable[[Interval], None] = lambda _: None,
    ) -> dict[str, TargetTraffic]:
        """See the contract. A target that cannot be reached fails, and the run begins anew without it."""
        results: dict[str, TargetTraffic] = {}
        left = list(targets)
        while left:
            order = tuple(label for label in schedule.order if label not in results)
            found = _Run(plan, left, replace(schedule, order=order), stop, tell).results()
            results |= found
            left = [target for target in left if target.label not in results]
        return {target.label: results[target.label] for target in targets}


@dataclass
class _Run:
    """One process of the generator."""

    plan: GeneratorPlan
    targets: Sequence[Target]
    schedule: Schedule
    stop: Callable[[], bool]
    tell: Callable[[Interval], None]

    def results(self) -> dict[str, TargetTraffic]:
        """Of every target, or of the one that kept the others from being started."""
        labels = {f"t{index}": target.label for index, target in enumerate(self.targets)}
        with _file_of(self.plan.answer) as answer:
            failure, final = self._talk(self._argv(answer), _Teller(self.schedule, labels, self.tell))
        if not final:
            return {label: TargetTraffic(failure=failure) for label in labels.values()}
        return read_final(final, labels)

    def _argv(self, answer: str) -> list[str]:
        plan, schedule = self.plan, self.schedule
        names = {target.label: f"t{index}" for index, target in enumerate(self.targets)}
        cpus = sorted(os.sched_getaffinity(0))[: plan.connections]
        load = ["--closed"]
        if isinstance(plan.load, OpenLoad):
            # Generator, datapath and origin share the host's CPUs, but a schedule must not wait for what it measures.
            # It sleeps most of its time; a closed loop never would.
            load = ["--open", str(plan.load.rate_per_s), "--real-time"]
        argv = [str(program.PATH), "load", *load, "--connections", str(plan.connections)]
        argv += plan.options
        for target in self.targets:
            where = f"netns={namespaces.path(target.netns)},address={target.address},port={target.port}"
            where += "" if target.rate_per_s is None else f",rate={target.rate_per_s}"
            argv += ["--target", f"label={names[target.label]},{where}"]
        slice_ms, answer_ms = round(schedule.slice_s * 1000), math.ceil(plan.answer_s * 1000)
        argv += ["--order", ",".join(names[label] for label in schedule.order), "--slice-ms", str(slice_ms),
                 "--duration-ms", str(slice_ms * len(schedule.order)),
                 "--warm-up-ms", str(round(schedule.warm_up_s * 1000)),
                 "--timeout-ms", str(TIMEOUT_MS + answer_ms), "--drain-ms", str(DRAIN_MS + answer_ms),
                 "--cpus", ",".join(map(str, cpus))]  # fmt: skip
        argv += ["--path", plan.path] if plan.path else []
        argv += ["--check", f"file={answer}"] if answer else []
        return argv

    def _talk(self, argv: list[str], teller: "_Teller") -> tuple[str, dict[str, Any]]:
        """Run it to its end; returns (failure, final line), one of them empty."""
        slices, warm_ups = len(self.schedule.order), len(self.targets)
        traffic_s = self.schedule.slice_s * slices + self.schedule.warm_up_s * warm_ups
        traffic_s += self.plan.answer_s * (slices + warm_ups)  # each slice waits for its last answers
        deadline = time.monotonic() + 2 * traffic_s + _GRACE_S
        try:
            # setpriv replaces itself; the generator dies with us.
            process = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", *argv], stdin=subprocess.DEVNULL,
                                       stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)  # fmt: skip
        except OSError as error:
            return f"showdown-traffic did not start: {error}", {}
        final: dict[str, Any] = {}
        try:
            for text in _lines(process):
                if self.stop():
                    return "stopped", {}
                if time.monotonic() > deadline:
                    return "showdown-traffic did not end in time", {}
                if text:
                    line = json.loads(text)
                    final = line if line["type"] == "final" else final
                    teller.take(line)
        except (ValueError, KeyError, TypeError) as error:
            return f"showdown-traffic printed garbage ({error})", {}
        finally:
            if process.poll() is None and not final:
                process.kill()
            process.communicate()
        return ("", final) if final else (f"showdown-traffic ended with status {process.returncode} and no result", {})


def _lines(process: "subprocess.Popen[bytes]") -> Iterator[bytes]:
    """Each line, and an empty one whenever a while passed without any."""
    if process.stdout is None:
        raise ValueError("no pipe")
    descriptor, held = process.stdout.fileno(), b""
    with selectors.DefaultSelector() as selector:
        selector.register(descriptor, selectors.EVENT_READ)
        while True:
            if not selector.select(_POLL_S):
                yield b""
                continue
            chunk = os.read(descriptor, 1 << 20)
            if not chunk:
                return
            *whole, held = (held + chunk).split(b"\n")
            yield from whole


@contextmanager
def _file_of(answer: bytes | None) -> Iterator[str]:
    """The path of a file with the expected answer; empty without one."""
    if answer is None:
        yield ""
        return
    with tempfile.NamedTemporaryFile(prefix="showdown-answer-") as file:
        file.write(answer)
        file.flush()
        yield file.name


@dataclass
class _Teller:
    """Turns the lines of a running generator into intervals: one per short slice, one per second of a long one."""

    schedule: Schedule
    labels: Mapping[str, str]
    tell: Callable[[Interval], None]
    done: int = 0
    last_s: float = 0.0

    def take(self, line: Mapping[str, Any]) -> None:
        """Tell what the line says, if anything."""
        if line["type"] == "slice" and not line["warm_up"]:
            self.done += 1
            if self.schedule.slice_s <= _TOLD_BY_SECOND_S:
                # Told at the next full second, so its time is not now.
                time_ns = time.time_ns() - (time.monotonic_ns() - line["drained_ns"])
                self._tell(line["target"], line, line["length_ns"] / 1e9, line["errors"], time_ns)
        elif line["type"] == "second" and self.schedule.slice_s > _TOLD_BY_SECOND_S:
            elapsed_s, self.last_s = line["t_s"] - self.last_s, line["t_s"]
            active = {name: target for name, target in line["targets"].items() if target["sent"]}
            for name, target in active.items() if len(active) == 1 else ():  # at a border the seconds are shared
                self._tell(name, target, elapsed_s, sum(target["errors"].values()), time.time_ns())

    def _tell(self, name: str, told: Mapping[str, Any], seconds: float, errors: int, time_ns: int) -> None:
        times = told.get("latency") or told.get("service_time") or {}
        some = told["requests"] > 0
        self.tell(
            Interval(
                label=self.labels[name],
                slices_done=self.done,
                time_ns=time_ns,
                requests_per_s=told["requests"] / seconds if seconds else 0.0,
                errors=errors,
                p50_ns=times.get("p50_ns") if some else None,
                p99_ns=times.get("p99_ns") if some else None,
            )
        )


def read_final(final: Mapping[str, Any], labels: Mapping[str, str]) -> dict[str, TargetTraffic]:
    """The results in the last line, by label. Anything else than such a line is a failed generator, never a zero.

    ``labels`` are by the names that the generator knows. A target that kept the run from beginning is the only result.
    """
    try:
        failure = _named(final["failure"], labels)
        blamed = labels.get(match[1]) if (match := _BLAMED.match(final["failure"])) else None
        if final["failure"] and not final.get("slices"):
            nothing = TargetTraffic(failure=failure, limit=failure if _is_limit(failure) else "")
            return dict.fromkeys([blamed] if blamed else labels.values(), nothing)
        if final["interrupted"]:
            return {label: TargetTraffic(failure="interrupted") for label in labels.values()}
        shares = [thread["share"] for thread in final["threads"]]
        results = {}
        for name, label in labels.items():
            result = _target(final, name, shares)
            met = _is_limit(failure) and blamed in (None, label)
            results[label] = replace(result, limit=failure if met else "")
        return results
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        failure = f"showdown-traffic printed garbage ({type(error).__name__}: {error})"
        return {label: TargetTraffic(failure=failure) for label in labels.values()}


def _target(final: Mapping[str, Any], name: str, shares: Sequence[float]) -> TargetTraffic:
    told = final["targets"][name]
    errors = {cause: int(count) for cause, count in told["errors"].items()}
    if told["in_flight"]:
        errors["unanswered"] = int(told["in_flight"])
    closed, mine = "latency" not in told["histograms"], (s for s in final["slices"] if s["target"] == name)
    return TargetTraffic(
        slices=tuple(_slice(line, closed, len(shares)) for line in mine if line["drained_ns"]),
        connections=int(told["connections"]),
        errors=errors,
        unsent=int(told["unsent"]),
        timings={timing: LatencyHistogram.decode(one["hdr"]) for timing, one in told["histograms"].items()},
        busiest_thread_share=max(shares, default=0.0),
    )


def _slice(line: Mapping[str, Any], closed: bool, threads: int) -> SliceTraffic:
    # A slice's answers include those of its drain. A closed loop keeps the slowest part of the path busy from the first
    # request until the last answer, so its rate is over all of that time; an open one's is over the schedule.
    length_ns = line["drained_ns"] - line["start_ns"] if closed else line["length_ns"]
    return SliceTraffic(
        started_s=line["start_ns"] / 1e9,
        duration_s=length_ns / 1e9,
        requests=line["requests"],
        bytes_received=line["bytes_received"],
        bytes_sent=line["bytes_sent"],
        errors={"any": line["errors"]} if line["errors"] else {},
        cpu=cpu_of(line),
        warm_up=line["warm_up"],
        stood_s=line["stood_ns"] / 1e9 / threads,
    )


def cpu_of(line: Mapping[str, Any]) -> CpuTime:
    """The host's CPU time of a slice's line, from its start until it had drained."""
    ticks = line["host_cpu_ticks"]
    per_s = float(os.sysconf("SC_CLK_TCK"))
    return CpuTime(
        wall_s=max(0, line["drained_ns"] - line["start_ns"]) / 1e9,
        cpus=host_ticks().cpus,
        user_s=(ticks["user"] + ticks["nice"]) / per_s,
        system_s=ticks["system"] / per_s,
        irq_s=ticks["irq"] / per_s,
        softirq_s=ticks["softirq"] / per_s,
        steal_s=ticks["steal"] / per_s,
        idle_s=(ticks["idle"] + ticks["iowait"]) / per_s,
    )


def _named(failure: str, labels: Mapping[str, str]) -> str:
    return _BLAMED.sub(lambda match: f"target {labels.get(match[1], match[1])}", failure)


def _is_limit(failure: str) -> bool:
    return any(words in failure for words in _LIMITS)
