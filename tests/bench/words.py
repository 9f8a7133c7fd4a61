"""``make bench-words``: how often verdicts are wrong, and what they find, by simulation through the whole analysis.

Equal datapaths must get a primary word in at most 5 % of campaigns, under normal, heavy-tailed and stalled noise. The
power says which true differences the reference campaign's design finds. The last line is one JSON object.
"""

import argparse
import json
from collections.abc import Mapping

import numpy as np

from domain.metric import Metric
from domain.report import Family
from tests.simulated import NOISES, a_campaign, report_of, words

DIFFERENCES = (0.97, 0.95, 0.9, 0.8)  # ratios of cost and time
METRICS = (Metric.CPU_US_PER_REQUEST, Metric.LATENCY_P50_US, Metric.REQUESTS_PER_S)
ALLOWED = 0.05


def false_words(campaigns: int, kind: str, seed: int) -> dict[str, float]:
    """The share of campaigns of equal datapaths with at least one word, by family."""
    rng = np.random.default_rng(seed)
    counts = dict.fromkeys((Family.PRIMARY, Family.EXPLORATORY), 0)
    for _ in range(campaigns):
        report = report_of(a_campaign(), rng, kind, {})
        for family in counts:
            counts[family] += bool(words(report, family))
    return {str(family): count / campaigns for family, count in counts.items()}


def power(campaigns: int, ratio: float, seed: int) -> dict[str, float]:
    """The share of campaigns that give ebpf_sk_assign ÷ tproxy a primary word, by metric."""
    rng = np.random.default_rng(seed)
    found = dict.fromkeys(METRICS, 0)
    for _ in range(campaigns):
        report = report_of(a_campaign(), rng, "normal", {"ebpf_sk_assign": ratio})
        named = {v.metric for v in words(report, Family.PRIMARY) if v.datapath == "ebpf_sk_assign"}
        for metric in found:
            found[metric] += metric in named
    return {str(metric): count / campaigns for metric, count in found.items()}


def main() -> None:
    """Simulate, print, and judge."""
    parser = argparse.ArgumentParser(prog="make bench-words", description=__doc__)
    parser.add_argument("--campaigns", type=int, default=1_000, help="campaigns per noise; power takes a fifth of them")
    campaigns = parser.parse_args().campaigns
    print(f"Equal datapaths: share of {campaigns} campaigns with at least one word", flush=True)
    wrong: dict[str, Mapping[str, float]] = {}
    for seed, kind in enumerate(NOISES):
        wrong[kind] = false_words(campaigns, kind, seed)
        print(
            f"  {kind:<8} primary {wrong[kind]['primary']:.3f}  exploratory {wrong[kind]['exploratory']:.3f}",
            flush=True,
        )
    print("Power: share of campaigns that find a true difference", flush=True)
    found: dict[str, Mapping[str, float]] = {}
    for ratio in DIFFERENCES:
        found[f"{ratio:g}"] = power(max(1, campaigns // 5), ratio, seed=10)
        print(
            f"  {ratio:g}  " + "  ".join(f"{name} {share:.2f}" for name, share in found[f"{ratio:g}"].items()),
            flush=True,
        )
    slack = 3 * (ALLOWED * (1 - ALLOWED) / campaigns) ** 0.5  # three standard errors of the simulation
    met = all(shares["primary"] <= ALLOWED + slack for shares in wrong.values())
    print(json.dumps({"false_words": wrong, "power": found, "goals_met": {"primary_words": met}}))


if __name__ == "__main__":
    main()
