"""Simulated campaigns of any design and noise: how many have false words, and how many find a true difference."""

import numpy as np

from domain.campaigns.campaign import Campaign
from domain.loads.metric import Metric
from domain.reports.report import Family
from tests.simulated import DRIFTING, NOISES, Spreads, report_of, words

KINDS = (*NOISES, DRIFTING)
METRICS = (Metric.CPU_US_PER_REQUEST, Metric.LATENCY_P50_US, Metric.REQUESTS_PER_S)


def false_words(
    campaigns: int, kind: str, seed: int, campaign: Campaign, spreads: Spreads, rounds: int | None = None
) -> int:
    """How many campaigns of equal datapaths have at least one primary word; ``rounds`` as in ``report_of``."""
    rng = np.random.default_rng(seed)
    reports = (report_of(campaign, rng, kind, {}, spreads, rounds) for _ in range(campaigns))
    return sum(bool(words(report, Family.PRIMARY)) for report in reports)


def power(
    campaigns: int, ratio: float, seed: int, campaign: Campaign, spreads: Spreads, rounds: int | None = None
) -> dict[str, float]:
    """The share of campaigns that give ebpf_sk_assign ÷ tproxy a primary word, by metric."""
    rng = np.random.default_rng(seed)
    found = dict.fromkeys(METRICS, 0)
    for _ in range(campaigns):
        report = report_of(campaign, rng, "normal", {"ebpf_sk_assign": ratio}, spreads, rounds)
        named = {v.metric for v in words(report, Family.PRIMARY) if v.datapath == "ebpf_sk_assign"}
        for metric in found:
            found[metric] += metric in named
    return {str(metric): count / campaigns for metric, count in found.items()}
