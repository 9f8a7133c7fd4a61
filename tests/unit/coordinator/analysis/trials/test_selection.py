"""What the selection of attempts and blocks does to figures: simulated trials, judged and analysed as real ones.

Nothing here imitates the product: findings come from the worker's judgement, attempts from the coordinator's rules of
retrying and accepting, ratios and intervals from its analysis.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest

from coordinator.analysis.inference.statistics import interval
from coordinator.analysis.trials.campaign_results import CampaignResults
from coordinator.scheduling.digests import kinds_of
from coordinator.scheduling.lifecycle import AttemptEvent, BlockEvent, accepted_attempt, event_after_attempt
from coordinator.scheduling.records import AttemptRecord
from domain.campaigns.campaign import Campaign, Cell, read_campaign
from domain.hosts.cpu_time import CpuTime
from domain.reports.report import Metric
from domain.trials.counters import Counters
from domain.trials.trial import BlockResult, Reason, SliceResult, TrialResult
from workers.runner.evidence import Evidence
from workers.runner.validity import MAX_LAG_NS, judge, prove

BLOCKS = 6
SLOW, FAST = "tproxy", "direct"


@dataclass(frozen=True)
class Drawn:
    """What happened to one trial: its figure, and what the judge sees."""

    figure: float
    steal: float = 0.0  # of the CPUs
    lag_ms: float = 0.0
    overloaded: bool = False


Draw = Callable[[np.random.Generator], tuple[Drawn, Drawn]]
"""Draws one attempt of a block: the slow datapath's trial, and the fast one's."""

CAMPAIGN: Campaign = read_campaign(
    {"name": "x", "datapaths": [SLOW, FAST], "reference": FAST, "levels": {"load": "open(1000)"}, "blocks": BLOCKS}
)
CELL = Cell(datapath=SLOW, workload=CAMPAIGN.workloads[0], level="load")


def trial(label: str, drawn: Drawn) -> TrialResult:
    """A trial of a thousand requests, which used ``drawn.figure`` microseconds of CPU each."""
    busy_s = drawn.figure * 1000 / 1e6
    stolen_s = 2 * drawn.steal
    cpu = CpuTime(wall_s=1, cpus=2, steal_s=stolen_s, idle_s=2 - busy_s - stolen_s)
    evidence = Evidence(
        slices=[SliceResult(started_s=0, duration_s=1, requests=1000, connections=8, bytes_received=0)],
        generated_requests=1000,
        connections=8,
        counters=Counters(packets=1000, bytes=None, connections=8),
        origin_requests=1000,
        unsent=300 if drawn.overloaded else 0,
        schedule_lag_p99_ns=int(drawn.lag_ms * 1e6),
    )
    evidence.add_slice_cpu(cpu)
    validity = judge(evidence, prove(evidence))
    return TrialResult(
        datapath=label, function="f", workload=CELL.workload, level=CELL.level, duration_s=1, requests=1000,
        cpu=cpu, validity=validity,
    )  # fmt: skip


def attempts_of(index: int, draw: Draw, rng: np.random.Generator) -> list[AttemptRecord]:
    """One block: attempts until the coordinator ends it, and the one that it accepts."""
    results: list[BlockResult] = []
    event = BlockEvent.RETRY
    while event is BlockEvent.RETRY:
        trials = tuple(trial(label, drawn) for label, drawn in zip((SLOW, FAST), draw(rng), strict=True))
        results.append(BlockResult(host="h1", trials=trials, wall_s=1))
        event = event_after_attempt(AttemptEvent.RESULT, attempt=len(results), result=results[-1])
    accepted = accepted_attempt((number, not result.environment) for number, result in enumerate(results, 1))
    return [
        AttemptRecord(
            block_index=index, block_id=f"k-{index}", workload=CELL.workload, level=CELL.level, attempt=number,
            host="h1", state="done", reason="", accepted=number == accepted, result=result,
        )
        for number, result in enumerate(results, 1)
    ]  # fmt: skip


def analysed(draw: Draw, rng: np.random.Generator) -> CampaignResults:
    """One campaign."""
    records = [record for index in range(BLOCKS) for record in attempts_of(index, draw, rng)]
    return CampaignResults(CAMPAIGN, records, 1, {})


def steal_prefers_the_busier(rng: np.random.Generator) -> tuple[Drawn, Drawn]:
    """Stolen time falls to runnable CPUs only, and slows both datapaths; they cost 30 and 20 µs."""
    stolen = rng.gamma(0.5, 0.2)
    shares = 0.75 * stolen * rng.gamma(4, 0.25), 0.52 * stolen * rng.gamma(4, 0.25)
    noise = np.exp(0.05 * rng.standard_normal(2))
    return (
        Drawn(30 * noise[0] * math.exp(shares[0]), steal=min(0.4, shares[0])),
        Drawn(20 * noise[1] * math.exp(shares[1]), steal=min(0.4, shares[1])),
    )


def lag_is_alike(rng: np.random.Generator) -> tuple[Drawn, Drawn]:
    """The generator is as late for both, by about 4 ms at p99, which adds to 20 ms and to 2.5 ms."""
    of_block = 4.0 * np.exp(0.5 * rng.standard_normal())
    trials = []
    for base_ms in (20.0, 2.5):
        lag_ms = of_block * np.exp(0.5 * rng.standard_normal())
        latency_ms = base_ms * np.exp(0.25 * rng.standard_normal()) + lag_ms
        trials.append(Drawn(2 * latency_ms, lag_ms=lag_ms))
    return trials[0], trials[1]


@pytest.mark.parametrize("draw", [steal_prefers_the_busier, lag_is_alike])
def test_a_disturbed_environment_biases_no_ratio(draw: Draw) -> None:
    """The truth is the ratio of all attempts with a sound environment, the same for both datapaths."""
    rng = np.random.default_rng(4)
    logs = []
    while len(logs) < 10_000:
        one, other = draw(rng)
        if max(one.steal, other.steal) <= 0.05 and max(one.lag_ms, other.lag_ms) * 1e6 <= MAX_LAG_NS:
            logs.append(math.log(one.figure / other.figure))
    truth = float(np.mean(logs))
    estimates, covered = [], []
    for _ in range(300):
        data = analysed(draw, rng)
        found = interval(data.log_ratios(CELL, FAST, Metric.CPU_US_PER_REQUEST))
        if found is not None:
            estimates.append(found.mean)
            covered.append(found.low <= truth <= found.high)
    assert len(estimates) > 200
    assert float(np.mean(estimates)) == pytest.approx(truth, abs=0.05)
    assert float(np.mean(covered)) > 0.92


def test_the_same_lag_drops_the_fast_datapath_no_more_often_than_the_slow_one() -> None:
    rng = np.random.default_rng(7)
    attempts = [record for _ in range(100) for record in analysed(lag_is_alike, rng).attempts]
    pairs = [record.result.trials for record in attempts if record.result is not None]
    dropped = [float(np.mean([bool(pair[arm].validity.environment) for pair in pairs])) for arm in (0, 1)]
    assert 0.2 < dropped[0] < 0.6
    assert dropped[0] == pytest.approx(dropped[1], abs=0.05)


def test_the_slow_datapath_is_overloaded_as_often_as_it_is() -> None:
    """Steal asks for a retry whatever came out; overload never does, and no attempt is preferred for lacking it."""

    def draw(rng: np.random.Generator) -> tuple[Drawn, Drawn]:
        stolen = rng.gamma(0.5, 0.06, 2)
        return (
            Drawn(30, steal=min(0.4, stolen[0]), overloaded=rng.random() < 0.5),
            Drawn(20, steal=min(0.4, stolen[1])),
        )

    rng = np.random.default_rng(5)
    outcomes = []
    for _ in range(150):
        for block in analysed(draw, rng).blocks[CELL.workload, CELL.level]:
            if not kinds_of(block[FAST].reasons).is_environment:
                outcomes.append(Reason.OVERLOADED in block[SLOW].reasons)
    assert len(outcomes) > 700
    assert float(np.mean(outcomes)) == pytest.approx(0.5, abs=0.05)


def test_a_block_counts_with_all_its_trials_or_with_none() -> None:
    rng = np.random.default_rng(6)
    left_out = 0
    for _ in range(40):
        for block in analysed(steal_prefers_the_busier, rng).blocks[CELL.workload, CELL.level]:
            assert block[SLOW].valid is block[FAST].valid
            left_out += not block[FAST].valid
    assert left_out > 5
