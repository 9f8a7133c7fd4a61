"""How often a gate is wrong, by simulation: seeded campaigns of equal datapaths, with heavy-tailed noise."""

import numpy as np

from coordinator.analysis.judgement.expectations import checks_of
from coordinator.analysis.trials.campaign_results import CampaignResults
from domain.reports.gate import Check, Outcome, worst
from tests.unit.coordinator.analysis.results import a_campaign, an_attempt

EQUAL = ("tproxy", "ebpf_sk_assign", "ebpf_sk_lookup", "direct", "ebpf_redirect", "nft_redirect")


def simulated(seed: int, campaigns: int, limit: float) -> list[tuple[Check, ...]]:
    """Campaigns of equal datapaths with five expectations each; at a limit of 1 the truth is on it."""
    rng = np.random.default_rng(seed)
    expect = [f"{label}.requests_per_s >= {limit} * tproxy" for label in EQUAL[1:]]
    campaign = a_campaign(*EQUAL, expect=expect)
    found = []
    for _ in range(campaigns):
        drift = np.exp(rng.normal(0, 0.3, 6))
        rates = 50_000 * drift[:, None] * np.exp(rng.standard_t(3, (6, len(EQUAL))) * 0.01)
        blocks = [dict(zip(EQUAL, map(float, row), strict=True)) for row in rates]
        attempts = [an_attempt(i, block) for i, block in enumerate(blocks)]
        found.append(checks_of(CampaignResults(campaign, attempts, 7, {})))
    return found


def test_a_wrong_pass_or_fail_is_rare_even_on_the_limit() -> None:
    campaigns = simulated(5, 400, 1.0)
    single = [check.outcome for found in campaigns for check in found]
    failed = sum(worst(found) is Outcome.FAIL for found in campaigns)
    passed = sum(worst(found) is Outcome.PASS for found in campaigns)
    assert single.count(Outcome.PASS) / len(single) < 0.035, "2.5 % of single checks"
    assert failed / len(campaigns) < 0.035, "2.5 % of campaigns, although each has five checks"
    assert passed / len(campaigns) < 0.025
    assert failed, "the bound is used, not avoided"


def test_a_limit_with_a_margin_is_passed() -> None:
    # The standard error of a log-ratio is about 1 % here; a limit 10 % away is decided in nearly all campaigns.
    assert np.mean([worst(found) is Outcome.PASS for found in simulated(6, 60, 0.9)]) > 0.9
    assert np.mean([worst(found) is Outcome.FAIL for found in simulated(7, 60, 1.1)]) > 0.9
