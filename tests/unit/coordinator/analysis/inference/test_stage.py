"""Words come at a look only, and all looks of a campaign that adds blocks share its error rate."""

import math

import numpy as np
import pytest
from scipy.special import stdtrit
from scipy.stats import binom

from coordinator.analysis.inference.stage import Stage, stage_of
from coordinator.analysis.inference.statistics import Estimate, interval
from coordinator.analysis.judgement.families import Question
from coordinator.analysis.judgement.precision import exactness_of, excess_of
from coordinator.analysis.judgement.questions import Answer
from coordinator.analysis.reports.report import build_report
from coordinator.analysis.trials.campaign_results import CampaignResults
from coordinator.scheduling.planner import more_blocks, plan
from domain.loads.metric import Metric
from domain.reports.looks import Exactness, Look, Looks, Width
from domain.reports.report import Family
from domain.reports.verdict_words import VerdictWord
from tests.simulated import ALL_NOISES, Host, a_campaign
from tests.simulated_looks import run

ADAPTIVE = {"slices": 1, "slice_s": 0.2, "precision": 0.03, "budget": "5 min"}
CAMPAIGNS = 12  # per noise; `make bench-words` simulates more
WIDTH = Width(datapath="a", reference="b", workload="w", level="low", metric="requests_per_s", pairs=6, half_width=0.02)


def test_a_campaign_of_equal_datapaths_gets_a_word_at_any_of_its_looks_in_at_most_one_of_twenty() -> None:
    rng, false, count, blocks = np.random.default_rng(30), 0, 0, set()
    for kind in ALL_NOISES:
        for _ in range(CAMPAIGNS):
            found = run(a_campaign(**ADAPTIVE), rng, kind, {})
            false += bool(found.words())
            blocks.add(found.blocks)
            count += 1
    print(f"{false} of {count} campaigns have a false word at some look; they ended at {sorted(blocks)} blocks")
    assert false <= binom.ppf(0.999, count, 0.05)
    assert len(blocks) > 3, "campaigns end where they are exact enough"


def test_a_true_difference_is_found_by_blocks_that_were_added() -> None:
    rng = np.random.default_rng(31)
    found = [run(a_campaign(**ADAPTIVE), rng, "normal", {"ebpf_sk_assign": 0.95}) for _ in range(8)]
    assert sum(bool(one.words()) for one in found) >= 6
    assert all(len(one.looks.taken) <= 5 for one in found)


def test_between_looks_nothing_has_a_word_and_figures_are_shown() -> None:
    campaign, host = a_campaign(), Host(np.random.default_rng(1), "normal", {"ebpf_sk_assign": 0.5})
    attempts = [host.run(block) for block in plan(campaign, ["one"], 7)]
    looks = Looks(taken=(Look(blocks=6, until=30, share=0.3),), next=Look(blocks=12, until=60, share=1)).model_dump(
        mode="json"
    )
    adaptive = campaign.model_copy(update={"budget": "10 min"})
    record = {"state": "running", "looks": looks}
    at_the_look = build_report(adaptive, record, attempts)
    assert any(one.decided for one in at_the_look.verdicts)
    more = host.run(more_blocks(campaign, ["one"], 7, (6, 7))[0].model_copy(update={"index": 30}))
    between = build_report(adaptive, record, [*attempts, more])
    assert all(one.verdict is VerdictWord.NONE for one in between.verdicts)
    assert between.exactness.no_word == "no word before look 2 at 12 blocks per level"
    primary = [one for one in between.verdicts if one.family is Family.PRIMARY]
    assert all(one.p is None and one.simultaneous_low is None and one.ratio for one in primary)
    assert all("no word before look 2 at 12 blocks per level: " in one.sentence for one in primary)
    assert not any(one.p for one in between.carrying)
    assert between.answer is not None
    assert all("less CPU" not in one.sentence for one in between.answer.statements)


def test_an_early_look_needs_far_more_than_a_single_one() -> None:
    early = Stage(Looks(taken=(Look(blocks=6, until=30, share=0.25),)))
    assert early.p(0.001) > 0.05
    assert early.rate(0.05) < 1e-4
    assert Stage().p(0.03) == 0.03
    assert Stage().rate(0.05) == 0.05


def test_an_interval_that_may_have_ended_its_campaign_by_chance_is_judged_with_the_goals_width() -> None:
    goal = math.log1p(0.02)
    stage, allowed = Stage(goal=goal), goal / stdtrit(10, 0.975)

    def judged(error: float) -> float:
        found = stage.judged(Estimate(0.01, error, 10, 11))
        assert found is not None
        return found.standard_error

    assert judged(0.9 * allowed) == pytest.approx(allowed)
    assert judged(0.5 * allowed) == pytest.approx(0.5 * allowed), "it was narrow enough before"
    assert judged(1.5 * allowed) == pytest.approx(1.5 * allowed), "it did not end the campaign"
    assert Stage().judged(Estimate(0.01, 0.9 * allowed, 10, 11)).standard_error == pytest.approx(0.9 * allowed)


def test_only_the_look_that_ended_a_campaign_for_its_precision_has_the_goals_width() -> None:
    campaign = a_campaign(**ADAPTIVE)
    narrow = Looks(taken=(Look(blocks=6, until=30, share=1, narrow=True),))
    assert stage_of(campaign, {"looks": narrow.model_dump()}, ()).goal == pytest.approx(math.log1p(0.03))
    spent = Looks(taken=(Look(blocks=6, until=30, share=1),))
    assert stage_of(campaign, {"looks": spent.model_dump()}, ()).goal is None


@pytest.mark.parametrize(
    ("widths", "excess"),
    [
        ((WIDTH,), 1.0),
        ((WIDTH, WIDTH.model_copy(update={"half_width": 0.05})), 2.5),
        ((WIDTH, WIDTH.model_copy(update={"half_width": None, "pairs": 0})), 1.0),  # it never gets any
        ((WIDTH, WIDTH.model_copy(update={"half_width": None, "pairs": 3})), None),  # it will
        ((), None),
    ],
)
def test_the_widest_interval_decides_whether_a_campaign_is_exact_enough(
    widths: tuple[Width, ...], excess: float | None
) -> None:
    assert excess_of(Exactness(goal=0.02, widths=widths)) == (excess if excess is None else pytest.approx(excess))
    assert excess_of(Exactness(widths=widths)) is None, "without a precision"


def test_exactness_is_about_cost_and_names_the_widest_first() -> None:
    campaign, host = a_campaign(), Host(np.random.default_rng(2), "normal", {})
    attempts = [host.run(block) for block in plan(campaign, ["one"], 7)]
    found = exactness_of(CampaignResults(campaign, attempts, 7, {}), Stage())
    assert {width.metric for width in found.widths} == {"cpu_us_per_request", "requests_per_s"}
    half_widths = [width.half_width for width in found.widths]
    assert half_widths == sorted(half_widths, reverse=True)
    assert found.widest is found.widths[0]
    report = build_report(campaign, {}, attempts)
    verdicts = {(v.datapath, v.level, v.metric): v for v in report.verdicts}
    for width in found.widths:
        own = verdicts[width.datapath, width.level, width.metric]
        assert 1 + width.half_width == pytest.approx(own.high / own.ratio)


@pytest.mark.parametrize("metric", [Metric.CPU_US_PER_REQUEST, Metric.LATENCY_P50_US])
def test_only_comparisons_of_cost_may_have_ended_a_campaign(metric: Metric) -> None:
    logs = list(0.01 * np.random.default_rng(4).normal(size=6))
    own = interval(logs)
    assert own is not None
    goal = 1.1 * (own.high - own.mean)
    question = Question(("a", "b"), "w", metric, ("half",))
    found = Answer(question, {"half": logs}, {"half": None}, 1, Stage(goal=goal)).level_estimate("half")
    assert found is not None
    expected = goal if metric is Metric.CPU_US_PER_REQUEST else own.high - own.mean
    assert found.high - found.mean == pytest.approx(expected)
