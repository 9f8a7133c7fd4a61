"""Runs a block with fakes."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime
from typing import Any

from domain.loads.condition import Condition
from domain.loads.load import ClosedLoad, Load
from domain.service.jobs import BlockJob
from domain.trials.block import Block
from domain.trials.trial import Reason, TrialResult
from tests.unit.workers.runner.fakes import (
    FakeCondition,
    FakeDatapath,
    FakeGenerator,
    FakeLab,
    FakeMeter,
    FakeOrigin,
    FakeProbing,
    FakeProfiling,
    FakeTelemetry,
    World,
)
from workers.lab.spec import LabSpec
from workers.runner.runner import BlockRunner
from workers.runner.trial_run import RunnerContext
from workers.workloads.http_keepalive import HttpKeepalive
from workers.workloads.udp_rr import UdpRr

STARTED_AT = datetime(2026, 11, 30, 3, 21, tzinfo=UTC)


def job(
    order: tuple[str, ...] = ("fake", "fake#2", "fake#2", "fake"),
    probed: int = 0,
    profiled: int = 0,
    workload: str = "http_keepalive",
    load: Load | None = None,
    loads: dict[str, Load] | None = None,
    clients: int = 1,
    build: tuple[str, ...] = (),
) -> BlockJob:
    load = load or ClosedLoad(connections=4)
    block = Block(index=3, workload=workload, level="low", load=load, loads=loads or {},
                  datapaths=("fake", "fake#2"), order=order, probed=probed, profiled=profiled, host="h1",
                  clients=clients, build=build)  # fmt: skip
    return BlockJob(campaign_id="k1", campaign_name="c", block_id="k1-3", attempt=2, lease="l", block=block, slice_s=1,
                    warm_up_s=0.5, probes=("run_queue",), campaign_started_at=STARTED_AT)  # fmt: skip


def context(world: World, telemetry: FakeTelemetry | None = None) -> RunnerContext:
    """A worker's equipment, all of it fake."""

    @contextmanager
    def build(spec: LabSpec, register: object) -> Iterator[Any]:
        world.open_labs += 1
        world.log.append(f"lab {spec.tag} {spec.label}")
        try:
            yield FakeLab(spec, world)
        finally:
            world.open_labs -= 1

    @contextmanager
    def apply(lab: Any, condition: Condition) -> Iterator[FakeCondition]:
        world.log.append(f"apply {condition} {lab.label}")
        yield FakeCondition(lab, condition)

    return RunnerContext(
        name="h1",
        register=None,  # type: ignore[arg-type]
        datapaths={"fake": FakeDatapath()},
        workloads={"http_keepalive": HttpKeepalive(), "udp_rr": UdpRr()},
        generators={"showdown-traffic": FakeGenerator(world)},
        probing=FakeProbing(world),
        profiling=FakeProfiling(world),
        telemetry=telemetry or FakeTelemetry(),
        build_lab=build,
        apply_condition=apply,
        own_group=lambda tag, register: nullcontext(None),
        origin=lambda workload, plan, lab: FakeOrigin(lab),
    )


def run(
    world: World, plan: dict[str, Any] | None = None, telemetry: FakeTelemetry | None = None, **how: Any
) -> dict[str, TrialResult]:
    """Run the block of :func:`job`; returns its trials by label."""
    # Each reading of the clock takes a tenth of a second: deadlines pass, and nothing really sleeps.
    ticks = iter(range(1_000_000))
    runner = BlockRunner(
        job(**plan or {}),
        context(world, telemetry),
        clock=lambda: next(ticks) / 10,
        sleep=lambda _: None,
        meter=FakeMeter(world.faults),
        **how,
    )
    try:
        return {trial.datapath: trial for trial in runner.run().trials}
    finally:
        assert world.open_labs == 0


def reasons(trials: dict[str, TrialResult]) -> dict[str, set[Reason]]:
    return {label: set(trial.validity.reasons) for label, trial in trials.items()}
