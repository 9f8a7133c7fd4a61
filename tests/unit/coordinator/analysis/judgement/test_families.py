"""Which comparisons are judged together: primary, pooled over levels or one by one, exploratory, and priced."""

import math

import numpy as np
import pytest

from coordinator.analysis.reports.report import build_report
from coordinator.scheduling.records import AttemptRecord
from domain.campaigns.campaign import Campaign
from domain.loads.metric import Metric
from domain.reports.report import CampaignReport, Family, Verdict
from domain.reports.verdict_words import VerdictWord
from tests.unit.coordinator.analysis.results import a_campaign, an_attempt

LEVELS = {"low": "closed(8)", "medium": "closed(64)", "high": "closed(256)"}
LABELS = ("tproxy", "ebpf_sk_assign", "ebpf_redirect", "direct")


def report_of(
    campaign: Campaign, ratios: dict[str, dict[str, float]], blocks: int = 6, noise: float = 0.03, seed: int = 1
) -> CampaignReport:
    """Blocks at each level: each label's rate relative to 50,000/s, drift common to a block, and noise by label."""
    rng = np.random.default_rng(seed)
    attempts: list[AttemptRecord] = []
    for level, of_level in ratios.items():
        for _ in range(blocks):
            drift = math.exp(rng.normal(0, 0.3))
            rates = {label: 5e4 * drift * ratio * math.exp(rng.normal(0, noise)) for label, ratio in of_level.items()}
            attempts.append(an_attempt(len(attempts), rates, level=level))
    return build_report(campaign, {}, attempts)


def of(
    report: CampaignReport, family: Family, metric: Metric = Metric.REQUESTS_PER_S
) -> dict[tuple[str, str], Verdict]:
    return {(v.datapath, v.level): v for v in report.verdicts if v.family is family and v.metric is metric}


def test_levels_are_pooled_and_answer_what_no_single_level_does() -> None:
    campaign = a_campaign("tproxy", "ebpf_sk_assign", levels=LEVELS)
    same = {level: {"tproxy": 1.0, "ebpf_sk_assign": 1.06} for level in LEVELS}
    report = report_of(campaign, same, seed=5)
    ((pooled,), levels) = of(report, Family.PRIMARY).values(), of(report, Family.EXPLORATORY)
    assert (pooled.level, pooled.pooled_over, pooled.pairs) == ("low+medium+high", ("low", "medium", "high"), 18)
    assert pooled.verdict is VerdictWord.BETTER
    shares = dict(zip(pooled.pooled_over, pooled.weights, strict=True))
    assert sum(shares.values()) == pytest.approx(1)
    assert pooled.ratio == pytest.approx(math.prod(v.ratio ** shares[v.level] for v in levels.values()))
    assert pooled.low == pytest.approx(1.06, rel=0.06)
    assert pooled.high / pooled.low < min(v.high / v.low for v in levels.values())
    assert pooled.sentence.startswith("ebpf_sk_assign is faster than tproxy over the levels low, medium, high: 1.0")
    assert all(v.sentence.startswith("exploratory: ") for v in levels.values())
    assert all(v.title.startswith("exploratory: ") for v in levels.values())


def test_levels_that_differ_are_judged_one_by_one() -> None:
    campaign = a_campaign("tproxy", "ebpf_sk_assign", levels=LEVELS)
    ratios = {level: {"tproxy": 1.0, "ebpf_sk_assign": r} for level, r in zip(LEVELS, (1.5, 1.0, 0.6), strict=True)}
    report = report_of(campaign, ratios, noise=0.01)
    judged = of(report, Family.PRIMARY)
    words = {level: verdict.verdict for (_, level), verdict in judged.items()}
    assert (words["low"], words["high"]) == (VerdictWord.BETTER, VerdictWord.WORSE)
    assert words["medium"] in (VerdictWord.UNCLEAR, VerdictWord.SAME)
    assert set(words) == set(LEVELS)
    (pooled,) = of(report, Family.SHOWN).values()
    assert pooled.verdict is VerdictWord.NONE
    assert "no pooled verdict, as the levels differ (p < 0.001) and are judged one by one" in pooled.sentence
    assert not of(report, Family.EXPLORATORY)


def test_a_level_without_pairs_is_not_pooled_and_the_sentence_names_those_that_are() -> None:
    campaign = a_campaign("tproxy", "ebpf_sk_assign", levels=LEVELS)
    report = report_of(campaign, {level: {"tproxy": 1.0, "ebpf_sk_assign": 1.0} for level in ("low", "high")})
    (pooled,) = of(report, Family.PRIMARY).values()
    assert (pooled.level, pooled.pooled_over) == ("low+medium+high", ("low", "high"))
    assert "over the levels low, high" in pooled.sentence


def test_the_family_is_fixed_by_the_campaign_and_not_by_what_was_valid() -> None:
    campaign = a_campaign(*LABELS, levels={**LEVELS, "open": "open(1000)"})
    report = report_of(campaign, {"low": {"tproxy": 1.0, "ebpf_sk_assign": 1.5, "ebpf_redirect": 2, "direct": 2}})
    verdict = of(report, Family.PRIMARY)["ebpf_sk_assign", "low+medium+high"]
    # Two pairs of one function × requests/s, CPU per request and p50, although only one level has trials.
    assert "among 6 primary comparisons" in verdict.sentence
    pairs = {(v.datapath, v.reference) for v in report.verdicts if v.family is Family.PRIMARY}
    assert pairs == {("ebpf_sk_assign", "tproxy"), ("ebpf_redirect", "direct")}


def test_a_word_needs_holms_p_and_the_interval_is_simultaneous() -> None:
    """A pair that is clear alone is not clear among 20 comparisons: neither word, nor interval, nor p contradict."""
    campaign = a_campaign("tproxy", "ebpf_sk_assign", *["tproxy"] * 8)
    ratios = dict.fromkeys(campaign.labels, 1.0) | {"ebpf_sk_assign": 1.05}
    report = report_of(campaign, {"low": ratios}, noise=0.025, seed=3)
    verdict = of(report, Family.PRIMARY)["ebpf_sk_assign", "low"]
    assert verdict.low > 1, "its own interval excludes 1"
    assert verdict.p > 0.05
    assert verdict.simultaneous_low < 1 < verdict.simultaneous_high
    assert verdict.verdict is VerdictWord.UNCLEAR


@pytest.mark.parametrize("seed", range(40))
def test_word_p_and_simultaneous_interval_never_contradict_each_other(seed: int) -> None:
    campaign = a_campaign(*LABELS, levels=LEVELS)
    ratios = {"tproxy": 1.0, "ebpf_sk_assign": 1.05, "ebpf_redirect": 2.0, "direct": 2.1}
    report = report_of(campaign, dict.fromkeys(LEVELS, ratios), seed=seed)
    for verdict in of(report, Family.PRIMARY).values():
        excludes_1 = not verdict.simultaneous_low < 1 < verdict.simultaneous_high
        assert excludes_1 == (verdict.p < 0.05)
        if verdict.verdict in (VerdictWord.BETTER, VerdictWord.WORSE):
            assert verdict.p < 0.05
        assert verdict.simultaneous_low <= verdict.low <= verdict.high <= verdict.simultaneous_high or excludes_1


def test_declared_pairs_and_metrics_are_the_family() -> None:
    campaign = a_campaign(
        *LABELS, "ebpf_sk_lookup", levels={**LEVELS, "half": "open(1000)"},
        primary=["ebpf_sk_lookup / ebpf_sk_assign: requests_per_s", "direct / tproxy"],
    )  # fmt: skip
    ratios = dict.fromkeys((*LABELS, "ebpf_sk_lookup"), 1.0)
    report = report_of(campaign, dict.fromkeys(LEVELS, ratios))
    judged = [v for v in report.verdicts if v.family is Family.PRIMARY]
    assert [(v.datapath, v.reference, v.metric) for v in judged] == [
        ("ebpf_sk_lookup", "ebpf_sk_assign", Metric.REQUESTS_PER_S)
    ], "a declared pair of two functions has a price, and no verdict"
    assert ("ebpf_sk_assign", "low") in of(report, Family.EXPLORATORY)


def test_each_condition_is_a_separate_question() -> None:
    campaign = a_campaign("tproxy", "ebpf_sk_assign", levels=LEVELS, conditions={"plain": "", "ruled": "ballast(1000)"})
    report = report_of(campaign, {name: {"tproxy": 1.0, "ebpf_sk_assign": 1.0} for name in campaign.levels})
    assert {v.level for v in of(report, Family.PRIMARY).values()} == {
        "low_plain+medium_plain+high_plain",
        "low_ruled+medium_ruled+high_ruled",
    }


def test_another_function_has_a_price_over_the_routed_path_in_microseconds() -> None:
    report = report_of(
        a_campaign(*LABELS), {"low": {"tproxy": 1.0, "ebpf_sk_assign": 1.0, "ebpf_redirect": 2.1, "direct": 2.0}}
    )
    prices = {price.datapath: price for price in report.prices}
    assert set(prices) == {"tproxy", "ebpf_sk_assign"}, "ebpf_redirect forwards, as direct does: it is compared"
    price = prices["tproxy"]
    assert (price.over, price.metric, price.pairs) == ("direct", Metric.CPU_US_PER_REQUEST, 6)
    assert price.us == pytest.approx(price.datapath_us - price.over_us)
    assert price.low_us < price.us < price.high_us
    assert price.sentence.startswith("proxying (tproxy) costs ")
    assert price.sentence.endswith(" of CPU per request over the routed path (direct) at low (closed(8)), 6 pairs.")
    words = {(v.datapath, v.reference): v.verdict for v in report.verdicts if v.metric is Metric.REQUESTS_PER_S}
    assert words["ebpf_redirect", "tproxy"] is words["direct", "tproxy"] is VerdictWord.NONE


def test_without_a_routed_path_the_price_is_over_the_reference_and_may_be_nothing() -> None:
    campaign = a_campaign("tproxy", "ebpf_redirect")
    (price,) = report_of(campaign, {"low": {"tproxy": 1.0, "ebpf_redirect": 1.0}}, noise=0.2).prices
    assert (price.datapath, price.over) == ("ebpf_redirect", "tproxy")
    assert price.sentence.endswith("over tproxy at low (closed(8)), 6 pairs; it may be nothing.")
    assert report_of(campaign, {"low": {"tproxy": 1.0, "ebpf_redirect": 1.0}}, blocks=4).prices == ()
