"""``make bench-words``: how often verdicts are wrong, and what they find, by simulation through the whole analysis.

Equal datapaths must get a primary word in at most 5 % of campaigns, under normal, heavy-tailed, stalled and drifting
noise. That is so with the planned blocks, and in campaigns that add blocks, at any of their looks. The power says which
true differences the reference campaign's design finds, beside what its planner says. The last line is one JSON object.
"""

import argparse
import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from coordinator.analysis.judgement.plan_words import even_looks
from coordinator.analysis.judgement.power import PlannedDesign, showable
from domain.campaigns.campaign import Campaign
from domain.loads.metric import Metric
from domain.reports.report import Family
from tests.orderly import ends_in_order
from tests.simulated import ALL_NOISES, FUNCTIONS, SPREADS, Spreads, a_campaign, report_of, words
from tests.simulated_looks import past_noises, run

DIFFERENCES = (0.97, 0.95, 0.9, 0.8)  # ratios of cost and time
METRICS = (Metric.CPU_US_PER_REQUEST, Metric.LATENCY_P50_US, Metric.REQUESTS_PER_S)
ALLOWED = 0.05
SHORT: Mapping[str, Any] = {"slices": 1, "slice_s": 0.2}
ADAPTIVE: Mapping[str, Mapping[str, Any]] = {  # campaigns that add blocks of 4 s
    "precision 3 %": {"precision": 0.03, "budget": "8 min"},
    "budget alone": {"budget": "5 min"},
    "focus": {"budget": "5 min", "focus": ["tproxy", "ebpf_sk_assign"], "focus_levels": ["quarter", "half"]},
}


def false_words(
    campaigns: int, kind: str, seed: int, campaign: Campaign | None = None, spreads: Spreads = SPREADS
) -> dict[str, float]:
    """The share of campaigns of equal datapaths with at least one word, by family."""
    rng = np.random.default_rng(seed)
    counts = dict.fromkeys((Family.PRIMARY, Family.EXPLORATORY), 0)
    for _ in range(campaigns):
        report = report_of(campaign or a_campaign(), rng, kind, {}, spreads)
        for family in counts:
            counts[family] += bool(words(report, family))
    return {str(family): count / campaigns for family, count in counts.items()}


def power(
    campaigns: int, ratio: float, seed: int, campaign: Campaign | None = None, spreads: Spreads = SPREADS
) -> dict[str, float]:
    """The share of campaigns that give ebpf_sk_assign ÷ tproxy a primary word, by metric."""
    rng = np.random.default_rng(seed)
    found = dict.fromkeys(METRICS, 0)
    for _ in range(campaigns):
        report = report_of(campaign or a_campaign(), rng, "normal", {"ebpf_sk_assign": ratio}, spreads)
        named = {v.metric for v in words(report, Family.PRIMARY) if v.datapath == "ebpf_sk_assign"}
        for metric in found:
            found[metric] += metric in named
    return {str(metric): count / campaigns for metric, count in found.items()}


def false_words_at_looks(campaigns: int, kind: str, seed: int, more: Mapping[str, Any]) -> dict[str, float]:
    """The share of campaigns that add blocks and give equal datapaths a primary word at some look; and their blocks."""
    rng, campaign = np.random.default_rng(seed), a_campaign(6, **SHORT, **more)
    found = [run(campaign, rng, kind, {}) for _ in range(campaigns)]
    return {
        "primary": sum(bool(one.words()) for one in found) / campaigns,
        "blocks": float(np.mean([one.blocks for one in found])),
        "looks": float(np.mean([len(one.looks.taken) for one in found])),
    }


def planned() -> dict[str, float]:
    """The differences that the planner says the design finds in 80 % of campaigns, with the simulated noise."""
    design = PlannedDesign(a_campaign(), FUNCTIONS, "direct")
    found = showable(design, even_looks(6, 6), past_noises())
    return {str(one.metric): one.difference for one in found if one.difference is not None}


def at_looks(campaigns: int) -> dict[str, dict[str, float]]:
    """Campaigns that add blocks, by design and noise."""
    print(f"Equal datapaths: share of {campaigns} campaigns with a word at some look", flush=True)
    found = {}
    for design, more in ADAPTIVE.items():
        for seed, kind in enumerate(ALL_NOISES, start=20):
            one = found[f"{design}, {kind}"] = false_words_at_looks(campaigns, kind, seed, more)
            shown = "  ".join(f"{name} {value:.3g}" for name, value in one.items())
            print(f"  {design:<12} {kind:<8} {shown}", flush=True)
    return found


def main() -> None:
    """Simulate, print, and judge."""
    parser = argparse.ArgumentParser(prog="make bench-words", description=__doc__)
    parser.add_argument("--campaigns", type=int, default=1_000, help="campaigns per noise; power takes a fifth of them")
    campaigns = parser.parse_args().campaigns
    print(f"Equal datapaths: share of {campaigns} campaigns with at least one word", flush=True)
    wrong: dict[str, Mapping[str, float]] = {}
    for seed, kind in enumerate(ALL_NOISES):
        wrong[kind] = false_words(campaigns, kind, seed)
        print(
            f"  {kind:<8} primary {wrong[kind]['primary']:.3f}  exploratory {wrong[kind]['exploratory']:.3f}",
            flush=True,
        )
    looked = at_looks(max(1, campaigns // 4))
    print("Planner: difference found in 80 % of campaigns: ", planned(), flush=True)
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
    met_at_looks = all(shares["primary"] <= ALLOWED + 2 * slack for shares in looked.values())  # a quarter as many
    goals = {"primary_words": met, "words_at_looks": met_at_looks}
    results = {"false_words": wrong, "false_words_at_looks": looked, "planned": planned(), "power": found}
    print(json.dumps({**results, "goals_met": goals}))


if __name__ == "__main__":
    ends_in_order()
    main()
