"""Stalls of the origin and of the generator: the latency includes the former, the latter make a trial invalid."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from domain.loads.load import ClosedLoad, OpenLoad
from domain.trials.trial import Reason, TrialResult
from tests.host_noise import in_windows
from tests.kernel.runner.test_block import reasons
from tests.kernel.traffic.test_workload_traffic import measure
from workers.lab.lab import Lab
from workers.origins.own import TrafficOrigin
from workers.runner.trial_run import Origin
from workers.traffic.base import GeneratorPlan, Interval, Schedule, Target, TargetTraffic
from workers.traffic.showdown_traffic import ShowdownTraffic
from workers.workloads.base import Workload

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("kernel")]


@in_windows
def test_an_origins_stalls_raise_p99_and_not_p50(tmp_path: Path) -> None:
    def stalling(workload: Workload, plan: GeneratorPlan, lab: Lab) -> Origin:
        return TrafficOrigin(lab, workload.service, stall_ms=100, stall_every_ms=1000)

    (trial,) = measure(
        tmp_path,
        "tcp_rr",
        OpenLoad(rate_per_s=500, arrival="constant"),
        ("direct",),
        slice_s=1.0,
        warm_up_s=0,
        origin=stalling,
    ).values()
    assert trial.latency is not None
    p50, p99 = trial.latency.percentile_ns(50), trial.latency.percentile_ns(99)
    assert p50 is not None
    assert p99 is not None
    # A tenth of the requests are due in a stall and wait for its end: 99 % of all wait at most 90 ms.
    assert 80e6 <= p99 <= 150e6
    assert p50 < 20e6


@dataclass
class Stopped:
    """showdown-traffic, which is stopped for ``pause_s`` while it runs."""

    pause_s: float = 0.2
    name: str = "showdown-traffic"
    verifies: bool = True
    stopped: list[int] = field(default_factory=list)

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
        timer = threading.Timer(0.8, self._stall)
        timer.start()
        try:
            return ShowdownTraffic().run(plan, targets, schedule, stop=stop, report=report)
        finally:
            timer.join()

    def _stall(self) -> None:
        for pid in _children():
            if b"showdown-traffic\0load" in Path(f"/proc/{pid}/cmdline").read_bytes():
                os.kill(pid, signal.SIGSTOP)
                time.sleep(self.pause_s)
                os.kill(pid, signal.SIGCONT)
                self.stopped.append(pid)


def _children() -> list[int]:
    found: list[int] = []
    for task in Path("/proc/self/task").iterdir():
        with suppress(OSError):  # a thread that has ended meanwhile
            found += map(int, (task / "children").read_text().split())
    return found


@in_windows
def test_a_generator_that_stalls_makes_the_trial_invalid(tmp_path: Path) -> None:
    generator = Stopped()
    (trial,) = measure(
        tmp_path,
        "tcp_rr",
        OpenLoad(rate_per_s=500, arrival="constant"),
        ("direct",),
        slice_s=1.0,
        warm_up_s=0,
        generator=generator,
    ).values()
    assert len(generator.stopped) == 1
    assert Reason.GENERATOR_SATURATED in trial.validity.reasons, trial.validity
    assert reasons(trial) == set(), trial.validity


def saturated(trial: TrialResult) -> list[str]:
    """The findings about the generator."""
    return [f.detail for f in trial.validity.findings if f.reason is Reason.GENERATOR_SATURATED]


@in_windows
def test_a_generator_that_stalls_in_a_closed_loop_makes_the_trial_invalid(tmp_path: Path) -> None:
    generator = Stopped(pause_s=0.3)
    (trial,) = measure(
        tmp_path, "http_keepalive", ClosedLoad(connections=16), ("direct",), slice_s=1.0, warm_up_s=0,
        generator=generator,
    ).values()  # fmt: skip
    assert len(generator.stopped) == 1
    assert trial.requests > 100  # no other sign of the stall: every request was answered
    assert trial.errors == {}
    (detail,) = saturated(trial)
    stalled_ms = int(detail.split("stalled for ")[1].split(" ms")[0])
    assert 250 <= stalled_ms <= 400


@in_windows
def test_a_generator_that_shares_its_cpus_has_not_stalled(tmp_path: Path) -> None:
    """A generator that shares two CPUs with the origin and others often waits for a CPU. That is no stall."""
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(2 * (os.cpu_count() or 1))]
    try:
        (trial,) = measure(
            tmp_path, "http_keepalive", ClosedLoad(connections=64), ("direct",), slice_s=0.5, warm_up_s=0
        ).values()
    finally:
        for process in busy:
            process.kill()
            process.wait()
    assert trial.requests > 100
    assert saturated(trial) == []
