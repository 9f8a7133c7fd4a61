"""Every workload through real datapaths: complete answers and exact proof."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from domain.loads.load import ClosedLoad, OpenLoad
from domain.service.jobs import BlockJob
from domain.trials.block import Block
from domain.trials.trial import Reason, TrialResult
from probes.profiler import Profiler
from tests.calm import calm_origins
from tests.host_noise import in_windows
from tests.kernel.bench import new_tag
from tests.kernel.runner.test_block import Points, reasons
from tests.unwatched import NoProbes
from tests.variants import DATAPATHS, WORKLOADS
from workers.lab.cleanup import CleanupRegister
from workers.lab.lab import Lab
from workers.runner.runner import BlockRunner
from workers.runner.trial_run import Origin, RunnerContext, origin_of
from workers.traffic.base import Generator, GeneratorPlan, Interval, Schedule, Target, TargetTraffic
from workers.traffic.h2load import H2load
from workers.traffic.showdown_traffic import ShowdownTraffic
from workers.traffic.wrk import Wrk
from workers.workloads.base import Workload

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("kernel")]

CONNECTIONS = 8


def measure(
    directory: Path,
    workload: str,
    load: ClosedLoad | OpenLoad,
    labels: tuple[str, ...],
    *,
    slice_s: float = 0.1,
    warm_up_s: float = 0.05,
    generator: Generator | None = None,
    origin: Callable[[Workload, GeneratorPlan, Lab], Origin] = origin_of,
    points: Points | None = None,
    parameters: Mapping[str, int] | None = None,
    twice: bool = True,
) -> dict[str, TrialResult]:
    """Run a block of two slices per datapath, or of one, as a worker would."""
    order = labels + labels[::-1] * twice
    block = Block(index=0, workload=workload, level="low", load=load, datapaths=labels, order=order,
                  host="test", parameters=dict(parameters or {}))  # fmt: skip
    job = BlockJob(campaign_id="test", campaign_name="test", block_id=new_tag(), attempt=1, lease="x", block=block,
                   slice_s=slice_s, warm_up_s=warm_up_s, probes=())  # fmt: skip
    drivers: list[Generator] = [ShowdownTraffic(), Wrk(), H2load(), *([generator] if generator else [])]
    host = RunnerContext(
        name="test",
        register=CleanupRegister(directory / "register"),
        datapaths=DATAPATHS,
        workloads=WORKLOADS,
        generators={driver.name: driver for driver in drivers},
        probing=NoProbes(),
        profiling=Profiler(),
        telemetry=points or Points(),
        origin=origin,
    )
    return {trial.datapath: trial for trial in BlockRunner(job, host).run().trials}


def carried(workload: str) -> tuple[str, ...]:
    """Those of two classic and two eBPF datapaths that carry the workload."""
    protocol = WORKLOADS[workload].protocol
    names = ("direct", "tproxy", "ebpf_redirect", "ebpf_sk_assign")
    return tuple(name for name in names if protocol in DATAPATHS[name].protocols)


PLANS = {name: one.plan(ClosedLoad(connections=1)) for name, one in WORKLOADS.items()}
OWN = [name for name, plan in PLANS.items() if plan.generator == "showdown-traffic" and plan.event is None]
"""Without those in which an origin dies: tests/kernel/runner/test_block_failover.py runs them."""


@pytest.mark.parametrize("workload", OWN)
@calm_origins()
@in_windows
def test_every_workload_runs_on_every_datapath_that_carries_it(tmp_path: Path, workload: str) -> None:
    labels = carried(workload)
    assert set(labels) >= {"direct", "tproxy", "ebpf_redirect"}
    for label, trial in measure(tmp_path, workload, ClosedLoad(connections=CONNECTIONS), labels).items():
        assert reasons(trial) == set(), (label, trial.validity)
        assert trial.errors == {}  # a body that differed in one byte would be an error
        assert trial.requests > CONNECTIONS
        assert trial.service_time is not None
        assert trial.service_time.count == trial.requests
        assert trial.latency is None
        proof = trial.proof
        assert proof is not None
        assert proof.origin_requests == proof.requests > trial.requests  # the proof includes the warm-up
        assert proof.accounted >= 1.0
        if proof.counters.bytes is not None and label != "ebpf_redirect":  # which counts a segment that is sent twice
            if WORKLOADS[workload].encrypted:  # with records and tickets, which the generator does not count
                assert proof.counters.bytes > proof.bytes_received
            else:
                assert proof.counters.bytes == proof.bytes_received
        if workload == "stream":
            assert trial.timings["token_gap"].count == trial.requests * 15


@in_windows
def test_an_open_loop_sends_the_planned_requests_and_has_latency(tmp_path: Path) -> None:
    points = Points()
    trials = measure(
        tmp_path,
        "http_keepalive",
        OpenLoad(rate_per_s=1000, arrival="constant"),
        ("direct", "tproxy"),
        slice_s=0.2,
        points=points,
    )
    for label, trial in trials.items():
        assert trial.requests == 400, label  # two slices of 0.2 s
        assert trial.latency is not None
        assert trial.service_time is not None
        assert trial.latency.count == trial.service_time.count == trial.timings["schedule_lag"].count == 400
        assert trial.cpu.busy_s > 0
        rates = [p.fields["requests_per_s"] for p in points.points
                 if p.measurement == "traffic" and p.tags["datapath"] == label]  # fmt: skip
        # Answers after the slice's end do not count: what was under way then is missing. With the warm-up's time, rates
        # would be 667/s.
        assert rates == [one.answered_within / 0.2 for one in trial.slices]
        assert all(750 <= rate <= 1000 for rate in rates)


HEAD_BYTES = 400  # more than the head of any answer, with the framing of chunks
CHOSEN = [
    ("http_keepalive", {"body_bytes": 4000}, 4000, 0),
    ("http_churn", {"body_bytes": 5000}, 5000, 0),
    ("bulk_download", {"body_bytes": 65_536}, 65_536, 0),
    ("bulk_upload", {"body_bytes": 65_536}, 0, 65_536),
    ("tcp_rr", {"request_bytes": 1000}, 1000, 1000),
    ("udp_rr", {"request_bytes": 1472}, 1472, 1472),
    ("stream", {"tokens": 20, "token_bytes": 100, "gap_us": 1000}, 2000, 0),
]


@pytest.mark.parametrize(("workload", "parameters", "received", "sent"), CHOSEN, ids=[one[0] for one in CHOSEN])
@calm_origins()
@in_windows
def test_bodies_have_the_sizes_that_the_campaign_chose(
    tmp_path: Path, workload: str, parameters: dict[str, int], received: int, sent: int
) -> None:
    labels = tuple(name for name in ("direct", "tproxy") if name in carried(workload))
    load = ClosedLoad(connections=CONNECTIONS)
    for label, trial in measure(tmp_path, workload, load, labels, parameters=parameters).items():
        assert reasons(trial) == set(), (label, trial.validity)  # the generator also compared every body
        assert trial.requests > CONNECTIONS
        got = sum(one.bytes_received for one in trial.slices) / trial.requests
        gave = sum(one.bytes_sent for one in trial.slices) / trial.requests
        assert received <= got <= received + HEAD_BYTES, label
        assert sent <= gave <= sent + HEAD_BYTES, label
        if workload == "stream":
            gap = trial.timings["token_gap"]
            assert gap.count == trial.requests * 19
            p50_ns = gap.percentile_ns(50)
            assert p50_ns is not None
            assert (
                p50_ns <= 4e6
            )  # the default is 5 ms; on a busy host late tokens arrive together, which shortens the gaps


@in_windows
def test_a_stream_may_be_longer_than_its_slice_and_the_default_timeout(tmp_path: Path) -> None:
    parameters = {"tokens": 50, "gap_us": 50_000}  # 2.5 s
    (trial,) = measure(
        tmp_path, "stream", ClosedLoad(connections=2), ("direct",), warm_up_s=0, parameters=parameters
    ).values()
    assert reasons(trial) == set(), trial.validity
    assert trial.errors == {}
    assert trial.requests == 4  # each connection had one in each of two slices
    assert trial.service_time is not None
    p50_ns = trial.service_time.percentile_ns(50)
    assert p50_ns is not None
    assert p50_ns >= 2.4e9


@calm_origins()
@in_windows
def test_wrk_runs(tmp_path: Path) -> None:
    (trial,) = measure(
        tmp_path,
        "http_keepalive_wrk",
        ClosedLoad(connections=CONNECTIONS),
        ("tproxy",),
        slice_s=0.2,
        parameters={"body_bytes": 100},
    ).values()
    assert reasons(trial) == set(), trial.validity
    assert trial.generator == "wrk"
    assert trial.requests > CONNECTIONS


@in_windows
def test_a_datapath_that_does_not_carry_the_workload_has_no_throughput(tmp_path: Path) -> None:
    trials = measure(tmp_path, "udp_rr", ClosedLoad(connections=CONNECTIONS), ("direct", "splice_proxy"))
    assert reasons(trials["direct"]) == set(), trials["direct"].validity
    assert reasons(trials["splice_proxy"]) == {Reason.DATAPATH_FAILED, Reason.NO_REQUESTS}
    assert trials["splice_proxy"].requests_per_s is None


@in_windows
def test_a_body_that_differs_makes_the_trial_corrupt(tmp_path: Path) -> None:
    @dataclass
    class Expecting(ShowdownTraffic):
        """Expects another last byte than nginx sends."""

        name: str = "showdown-traffic"

        def run(
            self,
            plan: GeneratorPlan,
            targets: Sequence[Target],
            schedule: Schedule,
            *,
            stop: Callable[[], bool] = lambda: False,
            report: Callable[[Interval], None] = lambda _: None,
        ) -> dict[str, TargetTraffic]:
            assert plan.answer is not None
            other = replace(plan, answer=plan.answer[:-1] + b"!")
            return super().run(other, targets, schedule, stop=stop, report=report)

    (trial,) = measure(
        tmp_path, "http_keepalive", ClosedLoad(connections=1), ("direct",), generator=Expecting()
    ).values()
    assert {Reason.CORRUPT, Reason.ERRORS, Reason.NO_REQUESTS} <= reasons(trial)
