"""HTTP over TLS by h2load: proof on every datapath, correct latency of a frozen origin, invalid if it breaks."""

import os
import signal
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
from workers.origins.nginx_tls import TlsNginxOrigin
from workers.runner.trial_run import Origin, origin_of
from workers.traffic.base import GeneratorPlan, Interval, Schedule, Target, TargetTraffic
from workers.traffic.h2load import H2load
from workers.workloads.base import Workload

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("kernel")]

LABELS = ("direct", "tproxy", "ebpf_sk_assign", "ebpf_redirect")
TLS = pytest.mark.parametrize("workload", ["https_keepalive_h2load", "h2_h2load"])
CONNECTIONS = 8


def proven(trial: TrialResult) -> None:
    """Assert that the trial is valid, and that generator, datapath and origin counted the same."""
    assert reasons(trial) == set(), (trial.datapath, trial.validity)
    assert trial.errors == {}
    assert trial.generator == "h2load"
    assert trial.proof is not None
    assert trial.proof.accounted >= 0.99
    assert trial.proof.origin_requests is not None
    # The origin also saw the requests that were in progress when a slice ended: at most one per connection.
    surplus = trial.proof.origin_requests - trial.proof.requests
    assert 0 <= surplus <= trial.proof.connections
    assert trial.service_time is not None
    assert trial.service_time.count == trial.requests


@TLS
@in_windows
def test_closed_loops_are_valid_with_proof_on_every_datapath(tmp_path: Path, workload: str) -> None:
    trials = measure(tmp_path, workload, ClosedLoad(connections=CONNECTIONS), LABELS, slice_s=0.2, warm_up_s=0.1)
    for trial in trials.values():
        proven(trial)
        assert trial.requests > 100
        assert trial.latency is None  # a closed loop has no intended send
        assert trial.cpu.busy_s > 0
        assert trial.proof is not None
        assert trial.proof.requests > trial.requests  # the proof includes warm-up and handshakes, the figures do not
        assert trial.proof.connections == 3 * CONNECTIONS


@TLS
@in_windows
def test_open_loops_have_a_connection_per_request_and_latency(tmp_path: Path, workload: str) -> None:
    load = OpenLoad(rate_per_s=50, arrival="constant")
    trials = measure(tmp_path, workload, load, LABELS, slice_s=0.4, warm_up_s=0)
    for trial in trials.values():
        proven(trial)
        assert trial.requests == 40
        assert trial.proof is not None
        assert trial.proof.connections == 40
        assert trial.latency is not None
        assert trial.latency.count == 40
        latency, service = trial.latency.percentile_ns(50), trial.service_time and trial.service_time.percentile_ns(50)
        assert latency is not None
        assert service is not None
        assert latency > service + 300_000  # two round trips, a key exchange and a signature are between


@dataclass
class Disturbed(H2load):
    """h2load; ``fault`` is called while it runs."""

    fault: Callable[[], None] = lambda: None
    after_s: float = 0.0
    name: str = "h2load"

    def run(
        self,
        plan: GeneratorPlan,
        targets: Sequence[Target],
        schedule: Schedule,
        *,
        stop: Callable[[], bool] = lambda: False,
        report: Callable[[Interval], None] = lambda _: None,
    ) -> dict[str, TargetTraffic]:
        """See Generator."""
        thread = threading.Timer(self.after_s, self.fault)
        thread.start()
        try:
            return super().run(plan, targets, schedule, stop=stop, report=report)
        finally:
            thread.join()


@dataclass
class Origins:
    """Makes the usual origins and records their labs."""

    labs: list[Lab] = field(default_factory=list)
    frozen_s: float = 0.0

    def __call__(self, workload: Workload, plan: GeneratorPlan, lab: Lab) -> Origin:
        """See RunnerContext.origin."""
        self.labs.append(lab)
        return origin_of(workload, plan, lab)

    def signal(self, number: int) -> None:
        """Send a signal to every process of nginx."""
        for lab in self.labs:
            for process in lab.processes:
                if process.task_role == "origin":
                    for pid in process.tasks():
                        with suppress(ProcessLookupError):  # with nginx's master its workers end
                            os.kill(pid, number)

    def freeze(self) -> None:
        """Stop the origin for half a second."""
        began = time.monotonic()
        self.signal(signal.SIGSTOP)
        time.sleep(0.5)
        self.signal(signal.SIGCONT)
        self.frozen_s = time.monotonic() - began


def measure_frozen(tmp_path: Path, workload: str) -> tuple[TrialResult, Origins]:
    """A trial whose origin froze, and its origin.

    If h2load's log does not fit its summary, the driver withholds the latency and says so: that is no wrong figure, and
    no figure either. Such a trial is measured again.
    """
    load = OpenLoad(rate_per_s=100, arrival="constant")
    for _ in range(5):
        origins = Origins()
        (trial,) = measure(tmp_path, workload, load, ("direct",), slice_s=1.5, warm_up_s=0,
                           origin=origins, generator=Disturbed(fault=origins.freeze, after_s=0.5)).values()  # fmt: skip
        if not any("the order was lost" in one.detail for one in trial.validity.findings):
            break
    return trial, origins


@pytest.mark.alone
@TLS
@in_windows
def test_the_latency_includes_the_wait_for_a_frozen_origin(tmp_path: Path, workload: str) -> None:
    trial, origins = measure_frozen(tmp_path, workload)
    proven(trial)
    assert trial.requests == 300
    assert trial.latency is not None
    assert trial.service_time is not None
    # During the freeze a request is due every 10 ms, and waits for its end. Of 300 requests the slowest 3 wait at least
    # the freeze less 30 ms, the slowest 30 the freeze less 300 ms. Then the origin has fifty handshakes to do, on a
    # machine with other load. So the lower bound is the tight one: a latency must not hide the wait.
    for percentile, spared_s in ((99, 0.03), (90, 0.3)):
        value_ns = trial.latency.percentile_ns(percentile)
        assert value_ns is not None
        assert origins.frozen_s - spared_s - 0.03 <= value_ns / 1e9 <= origins.frozen_s - spared_s + 0.4
    p50, hidden = trial.latency.percentile_ns(50), trial.service_time.percentile_ns(99)
    assert p50 is not None
    assert p50 < 100e6
    assert hidden is not None
    assert hidden < 0.5e9 * origins.frozen_s, "the service time begins after the handshake, so it must hide the wait"


@TLS
@pytest.mark.parametrize(
    "load", [ClosedLoad(connections=CONNECTIONS), OpenLoad(rate_per_s=50, arrival="constant")], ids=str
)
def test_an_origin_that_was_killed_makes_the_trial_invalid(
    tmp_path: Path, workload: str, load: ClosedLoad | OpenLoad
) -> None:
    origins = Origins()
    (trial,) = measure(
        tmp_path, workload, load, ("direct",), slice_s=0.5, warm_up_s=0, origin=origins,
        generator=Disturbed(fault=lambda: origins.signal(signal.SIGKILL)),
    ).values()  # fmt: skip
    assert reasons(trial) & {Reason.NO_REQUESTS, Reason.GENERATOR_FAILED, Reason.ERRORS}, trial.validity


@TLS
def test_bodies_of_another_length_are_corrupt(tmp_path: Path, workload: str) -> None:
    def shorter(one: Workload, plan: GeneratorPlan, lab: Lab) -> Origin:
        assert plan.answer is not None
        return TlsNginxOrigin(lab, plan.answer[:-1], http2=one.service == "h2", unchecked=True)

    (trial,) = measure(
        tmp_path, workload, ClosedLoad(connections=CONNECTIONS), ("direct",), slice_s=0.2, warm_up_s=0, origin=shorter
    ).values()
    assert Reason.CORRUPT in reasons(trial), trial.validity


@TLS
def test_a_body_that_differs_is_detected_before_the_traffic(
    tmp_path: Path, workload: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def other(one: Workload, plan: GeneratorPlan, lab: Lab) -> Origin:
        assert plan.answer is not None
        origin = TlsNginxOrigin(lab, plan.answer.replace(b".", b"!"), http2=one.service == "h2", unchecked=True)
        start = origin.start

        def start_and_expect() -> None:
            start()
            origin.body = plan.answer or b""

        monkeypatch.setattr(origin, "start", start_and_expect)
        return origin

    (trial,) = measure(tmp_path, workload, ClosedLoad(connections=1), ("direct",), warm_up_s=0, origin=other).values()
    assert Reason.DATAPATH_FAILED in reasons(trial)
    assert any("body over TLS" in finding.detail for finding in trial.validity.findings)
    assert trial.requests == 0


def test_stopping_ends_h2load_at_once(tmp_path: Path) -> None:
    seen: Mapping[str, TargetTraffic] = {}

    @dataclass
    class Stopped(H2load):
        name: str = "h2load"

        def run(
            self,
            plan: GeneratorPlan,
            targets: Sequence[Target],
            schedule: Schedule,
            *,
            stop: Callable[[], bool] = lambda: False,
            report: Callable[[Interval], None] = lambda _: None,
        ) -> dict[str, TargetTraffic]:
            nonlocal seen
            began = time.monotonic()
            seen = super().run(plan, targets, Schedule(schedule.order, 30.0), report=report,
                               stop=lambda: time.monotonic() - began > 0.3)  # fmt: skip
            assert time.monotonic() - began < 15, "it was to go on for 30 s"
            return dict(seen)

    measure(tmp_path, "h2_h2load", ClosedLoad(connections=2), ("direct",), generator=Stopped())
    assert seen["direct"].failure == "stopped"
