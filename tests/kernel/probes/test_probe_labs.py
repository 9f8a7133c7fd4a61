"""All probes on whole labs under load, watched in windows as a worker does: every stage has plausible figures."""

import statistics
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from coordinator.analysis.kernel.path import StagePath
from coordinator.analysis.kernel.stage_table import parts_us
from coordinator.analysis.trials.digest import trial_digest
from domain.loads.load import ClosedLoad, Load, OpenLoad
from domain.probes.watched import StageRole
from domain.service.jobs import BlockJob
from domain.trials.block import Block
from domain.trials.trial import TrialResult
from probes.base import Probe
from probes.catalog.device_hop import DeviceHop
from probes.catalog.forward import Forward
from probes.catalog.notify import Notify
from probes.catalog.proxy_residence import ProxyResidence
from probes.catalog.run_queue import RunQueue
from probes.catalog.rx_steering import RxSteering
from probes.catalog.socket_wait import SocketWait
from probes.catalog.splice_work import SpliceWork
from probes.catalog.work import Work
from probes.profiler import Profiler
from probes.session import ProbeSession
from tests.host_noise import windows
from tests.kernel.bench import new_tag
from tests.kernel.runner.test_block import Points
from tests.variants import DATAPATHS, WORKLOADS
from workers.lab.cleanup import CleanupRegister
from workers.runner.runner import BlockRunner
from workers.runner.trial_run import RunnerContext
from workers.traffic.showdown_traffic import ShowdownTraffic

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("kernel")]

LABELS = ("direct", "tproxy", "ebpf_sk_assign")
CONNECTIONS = 32
CLOSED = ClosedLoad(connections=CONNECTIONS)


TASKS = {one.name: one for one in (RunQueue(), ProxyResidence(), SpliceWork(), Work())}
PACKETS = {one.name: one for one in (DeviceHop(), Forward(), RxSteering(), Notify(), SocketWait())}
EVERY: dict[str, Probe] = {**TASKS, **PACKETS}


@pytest.fixture(scope="module")
def session(kernel: None) -> Iterator[ProbeSession]:
    """One session for all tests, because it caches compiled probes. The tests that need every probe come first."""
    session = ProbeSession(EVERY, None, "test")
    yield session
    session.close()


def measure(
    session: ProbeSession, probes: Iterable[str], directory: Path, workload: str, load: Load = CLOSED
) -> dict[str, TrialResult]:
    """A block whose last slice of each datapath is watched."""
    block = Block(index=0, workload=workload, level="low", load=load, datapaths=LABELS,
                  order=LABELS * 2, probed=len(LABELS), host="test")  # fmt: skip
    job = BlockJob(campaign_id="test", campaign_name="test", block_id=new_tag(), attempt=1, lease="x", block=block,
                   slice_s=0.6, warm_up_s=0.1, probes=tuple(probes))  # fmt: skip
    assert session.start(probes) == {}
    host = RunnerContext(
        name="test",
        register=CleanupRegister(directory / "register"),
        datapaths=DATAPATHS,
        workloads=WORKLOADS,
        generators={"showdown-traffic": ShowdownTraffic()},
        probing=session,
        profiling=Profiler(),
        telemetry=Points(),
    )
    trials = BlockRunner(job, host).run().trials
    assert session.failed == {}
    return {trial.datapath: trial for trial in trials}


@pytest.mark.parametrize("load", [CLOSED, OpenLoad(rate_per_s=8000)])
def test_the_stages_add_up_to_the_mean_of_the_watched_requests(
    session: ProbeSession, tmp_path: Path, load: Load
) -> None:
    """Watching slows both sides of the comparison. What no stage explains is the programs' own work."""
    path = StagePath({one.stage: one.place for one in EVERY.values() if one.place})
    for window in windows():
        with window:
            trials = measure(session, EVERY, tmp_path, "http_keepalive", load)
            shares = {}
            for label, trial in trials.items():
                assert trial.window_times is not None, label
                assert 50 < trial.window_times.requests < trial.watched_requests, label
                assert (trial.window_times.latency_ns is None) == isinstance(load, ClosedLoad)
                shares[label] = sum(parts_us(trial_digest(trial), path).values()) / (trial.window_times.mean_ns / 1000)
            # Windows are only some milliseconds long, so the median of three datapaths is more accurate.
            assert 0.75 < statistics.median(shares.values()) < 1.15, shares


@pytest.mark.parametrize("workload", ["http_keepalive", "http_churn"])
def test_the_stages_of_tasks_and_proxies_have_figures_under_load(
    session: ProbeSession, tmp_path: Path, workload: str
) -> None:
    for window in windows():
        with window:
            for label, trial in measure(session, TASKS, tmp_path, workload).items():
                has_figures(label, trial)


def has_figures(label: str, trial: TrialResult) -> None:
    """Each stage that applies was counted about once per request and direction."""
    requests = trial.watched_requests
    assert requests > 500, label
    readings = {StageRole(one.stage, one.role): one for one in trial.probes}
    tasks, data = ["origin"], []
    if label == "direct":
        assert not readings[StageRole("proxy_residence")].applies
    else:
        tasks, data = ["origin", "proxy"], ["to_origin", "to_client"]
    stages = [StageRole("run_queue", role) for role in tasks] + [StageRole("proxy_residence", way) for way in data]
    for key in stages:
        reading = readings[key]
        assert reading.count > 20, (label, key)
        assert (reading.matched or 0) >= 0.98, (label, key, reading)
    for way in data:
        # Each request goes through the proxy once. The total is estimated from the windows.
        assert 0.7 < readings[StageRole("proxy_residence", way)].events / requests < 1.4, (label, way)

    work = {kind: count / requests for kind, count in trial.work.items()}
    with_payload = {side: work[f"packets_{side}"] - work[f"packets_empty_{side}"] for side in ("client", "server")}
    for side, packets in with_payload.items():
        assert 0.7 < packets < 1.4, (label, side)
    assert work["fib_lookups_dut"] >= (1 if label == "direct" else 2), label
    assert work["context_switches_origin"] > 0
    assert work["wakeups_origin"] > 0
    dropped = {kind: count for kind, count in work.items() if kind.startswith("drops_")}
    assert not any(kind in dropped for kind in ("drops_netfilter_drop", "drops_tcp_csum", "drops_cpu_backlog"))
