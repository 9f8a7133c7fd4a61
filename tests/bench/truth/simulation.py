"""Simulated campaigns of the reference design: any host's noise, and a host that drifts within a block.

It adds to tests/simulated.py, whose design and noise are fixed.
"""

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from coordinator.analysis.report import build_report
from coordinator.scheduling.planner import plan
from coordinator.scheduling.records import AttemptRecord
from domain.campaign import Campaign
from domain.cpu_time import CpuTime
from domain.metric import Metric
from domain.report import CampaignReport, Family
from domain.trial import BlockResult, TrialResult, Validity
from tests.simulated import FUNCTIONS, NOISES, Times, Truth, draw, words

DRIFTING = "drift"
"""Normal noise on a host that drifts from slice to slice, so that interleaving leaves a part of it in the ratios."""
KINDS = (*NOISES, DRIFTING)
METRICS = (Metric.CPU_US_PER_REQUEST, Metric.LATENCY_P50_US, Metric.REQUESTS_PER_S)
DRIFT = 0.15  # from block to block, common to all datapaths of a block
STEP = 0.03  # of a drifting host, from slice to slice: 17 % over 32 slices
HOST = "one"
Spreads = Mapping[str, tuple[float, ...]]
"""By level: the noise of one trial's CPU, p50 and p99 in an open loop, of its rate in a closed one, as logarithms."""


def report_of(
    campaign: Campaign, rng: np.random.Generator, kind: str, truth: Truth, spreads: Spreads
) -> CampaignReport:
    """A whole campaign through the planner and the whole analysis."""
    attempts, place = [], 0.0
    for block in plan(campaign, [HOST], campaign.seed):
        drifts, place = _drifts(block.order, rng, kind, place)
        trials = tuple(
            _trial(label, block.level, drifts[label] + math.log(truth.get(label, 1)), rng, kind, spreads)
            for label in FUNCTIONS
        )
        result = BlockResult(host=HOST, trials=trials, wall_s=1)
        name = f"b-{block.index}"
        attempts.append(
            AttemptRecord(block.index, name, block.workload, block.level, 1, HOST, "done", "", True, result)
        )
    return build_report(campaign, {}, attempts)


def _drifts(
    order: tuple[str, ...], rng: np.random.Generator, kind: str, place: float
) -> tuple[Mapping[str, float], float]:
    """By label, where the host was on average in its slices of a block; and where it is at the block's end."""
    if kind != DRIFTING:
        return dict.fromkeys(FUNCTIONS, float(rng.normal(0, DRIFT))), place
    walk = place + np.cumsum(rng.normal(0, STEP, len(order)))
    return {label: float(walk[[one == label for one in order]].mean()) for label in FUNCTIONS}, float(walk[-1])


def _trial(label: str, level: str, shift: float, rng: np.random.Generator, kind: str, spreads: Spreads) -> TrialResult:
    noise: NDArray[np.float64] = draw(rng, kind, (len(spreads[level]),)) * spreads[level]
    cost, *times = np.exp(shift + noise)
    p50_ns, p99_ns = (round(scale * time) for scale, time in zip((100_000, 1_000_000), times or (1, 1), strict=True))
    latency = Times(p50_ns, p99_ns) if times else None
    duration_s = 1.0 if latency else float(cost)
    return TrialResult(
        datapath=label,
        function=FUNCTIONS[label],
        role="limit" if label == "direct" else "",
        workload="http_keepalive",
        level=level,
        duration_s=duration_s,
        requests=10_000,
        cpu=CpuTime(wall_s=duration_s, cpus=2, idle_s=max(0.0, 2 * duration_s - float(cost))),
        latency=latency,
        validity=Validity(),
    )


def false_words(campaigns: int, kind: str, seed: int, campaign: Campaign, spreads: Spreads) -> int:
    """How many campaigns of equal datapaths have at least one primary word."""
    rng = np.random.default_rng(seed)
    return sum(bool(words(report_of(campaign, rng, kind, {}, spreads), Family.PRIMARY)) for _ in range(campaigns))


def power(campaigns: int, ratio: float, seed: int, campaign: Campaign, spreads: Spreads) -> dict[str, float]:
    """The share of campaigns that give ebpf_sk_assign ÷ tproxy a primary word, by metric."""
    rng = np.random.default_rng(seed)
    found = dict.fromkeys(METRICS, 0)
    for _ in range(campaigns):
        report = report_of(campaign, rng, "normal", {"ebpf_sk_assign": ratio}, spreads)
        named = {v.metric for v in words(report, Family.PRIMARY) if v.datapath == "ebpf_sk_assign"}
        for metric in found:
            found[metric] += metric in named
    return {str(metric): count / campaigns for metric, count in found.items()}
