"""Runs of one configuration together: the right interval, the right words, and no silent pooling."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest

from coordinator.analysis.inference.random_effects import random_effects
from coordinator.analysis.inference.statistics import student_t
from coordinator.analysis.reports.report import results_of
from coordinator.analysis.runs.combination import DifferentConfigurations, combine
from coordinator.analysis.runs.run_estimates import run_of
from coordinator.scheduling.records import AttemptRecord
from domain.campaigns.campaign import Campaign
from domain.loads.metric import Metric
from domain.reports.verdict_words import VerdictWord
from domain.runs.combination import Combination, CombinedVerdict, LevelEstimate, Run, RunQuestion
from tests.unit.coordinator.analysis.results import a_campaign, an_attempt

CAMPAIGN = a_campaign("tproxy", "ebpf_sk_assign", blocks=6)
FACTS = {"kernel": "6.18.5 #1", "cpus": "2"}
PAIR = ("ebpf_sk_assign", "tproxy")


def a_run(
    number: int, ratio: float, *, boot: str = "b1", campaign: Campaign = CAMPAIGN, host: str = "one", **facts: str
) -> Run:
    """A campaign of six blocks whose second datapath has ``ratio`` times the rate of the first."""
    rng, attempts = np.random.default_rng(number), list[AttemptRecord]()
    for level in campaign.levels:
        for _ in range(6):
            own = np.exp(rng.normal(0, 0.005, 2))
            rates = {"tproxy": 1000 * own[0], "ebpf_sk_assign": 1000 * ratio * own[1]}
            one = an_attempt(len(attempts), rates, level=level)
            assert one.result is not None
            fingerprint = {**FACTS, **facts, "boot_id": boot}
            result = one.result.model_copy(update={"host": host, "fingerprint": fingerprint})
            attempts.append(replace(one, host=host, result=result))
    times = {"started_at": f"2026-06-{number:02d}T02:30:00+00:00", "ended_at": f"2026-06-{number:02d}T02:40:00+00:00"}
    record = {"id": f"run{number}", "state": "complete", **times}
    return run_of(results_of(campaign, record, attempts, None), record)


def verdict(found: Combination, metric: Metric = Metric.REQUESTS_PER_S) -> CombinedVerdict:
    return next(one for one in found.verdicts if one.metric is metric)


def test_runs_that_agree_give_a_verdict_with_its_scope() -> None:
    runs = [a_run(n, ratio, boot=f"b{min(n, 3)}") for n, ratio in enumerate((1.10, 1.11, 1.09, 1.10, 1.10), start=1)]
    found = combine(runs)
    one = verdict(found)
    assert one.verdict is VerdictWord.BETTER
    assert one.estimate is not None
    assert one.prediction is not None
    assert 1.08 < one.estimate.low < 1.10 < one.estimate.high < 1.12
    assert one.prediction.low <= one.estimate.low
    assert one.between == pytest.approx(0.006, abs=0.006)
    assert [run.id for run in one.runs] == ["run1", "run2", "run3", "run4", "run5"]
    assert found.scope == "5 runs, 3 boots, 1 host (one), 2026-06-01 02:30 to 2026-06-05 02:40 UTC, Linux 6.18.5"
    assert one.sentence.startswith("ebpf_sk_assign is faster than tproxy at low (closed(8)): 1.10")
    assert "over 5 runs; one further run: [" in one.sentence
    assert found.left_out == found.mixed == ()


def test_what_differs_between_runs_takes_the_word_that_each_run_has() -> None:
    """Every run alone proves its own ratio; together they prove nothing, and a further run may find anything."""
    runs = [a_run(n, ratio) for n, ratio in enumerate((1.20, 0.85, 1.15, 0.90, 1.02), start=1)]
    found = combine(runs)
    one = verdict(found)
    assert all(not run.low <= 1 <= run.high for run in one.runs[:4])
    assert one.verdict is VerdictWord.UNCLEAR
    assert one.prediction is not None
    assert one.prediction.low < 0.8
    assert one.prediction.high > 1.25
    assert one.between is not None
    assert one.between > 0.1
    assert one.between_share is not None
    assert one.between_share > 0.95
    assert "All runs share one boot" in found.cautions[0]


def test_two_runs_have_no_mean() -> None:
    found = combine([a_run(1, 1.1), a_run(2, 1.1)])
    one = verdict(found)
    assert (one.verdict, one.estimate, one.prediction, len(one.runs)) == (VerdictWord.NONE, None, None, 2)
    assert one.note == "a verdict over runs needs 3 with enough pairs, and there are 2"
    assert "no verdict" in one.sentence


def test_other_fingerprints_are_left_out_unless_they_are_wanted() -> None:
    runs = [a_run(n, 1.1) for n in (1, 2, 3)] + [a_run(4, 1.5, kernel="6.19.0 #1")]
    found = combine(runs)
    assert [run.id for run in found.runs] == ["run1", "run2", "run3"]
    (out,) = found.left_out
    assert (out.id, out.reason) == ("run4", "another fingerprint: kernel '6.19.0 #1', not '6.18.5 #1'")
    assert verdict(found).verdict is VerdictWord.BETTER
    mixed = combine(runs, mixed=True)
    assert (len(mixed.runs), mixed.left_out, mixed.mixed) == (4, (), ("kernel",))
    assert mixed.scope.endswith("Linux 6.18.5 and 6.19.0")
    assert verdict(mixed).verdict is VerdictWord.UNCLEAR


def test_other_configurations_are_refused() -> None:
    longer = CAMPAIGN.model_copy(update={"slice_s": 0.4})
    with pytest.raises(DifferentConfigurations, match=r"run1 and run2 .* differ in slice_s"):
        combine([a_run(1, 1.1), a_run(2, 1.1, campaign=longer)])
    seeded = CAMPAIGN.model_copy(update={"seed": 8, "name": "other"})
    assert len(combine([a_run(1, 1.1), a_run(2, 1.1, campaign=seeded)]).runs) == 2


def of_levels(number: int, logs: Mapping[str, float], *, error: float = 0.005, p: float = 0.5) -> Run:
    levels = tuple(
        LevelEstimate(level=level, mean=log, standard_error=error, freedom=5, count=6, weight=1 / len(logs))
        for level, log in logs.items()
    )
    asked = RunQuestion(
        datapath=PAIR[0], reference=PAIR[1], workload="http_keepalive", metric=Metric.REQUESTS_PER_S,
        asked=("low", "high"), levels=levels, differs_p=p,
    )  # fmt: skip
    campaign = a_campaign("tproxy", "ebpf_sk_assign", levels={"low": "closed(8)", "high": "closed(64)"})
    return a_run(number, 1.0, campaign=campaign).model_copy(update={"questions": (asked,)})


def test_levels_have_the_same_weights_in_all_runs_and_are_judged_apart_where_they_differ() -> None:
    alike = combine([of_levels(n, {"low": 0.1, "high": 0.1}) for n in (1, 2, 3, 4)])
    (one,) = alike.verdicts
    assert (one.levels, one.verdict) == (("low", "high"), VerdictWord.BETTER)
    apart = combine([of_levels(n, {"low": 0.1, "high": -0.1}, p=0.01) for n in (1, 2, 3, 4)])
    assert [(one.levels, one.verdict) for one in apart.verdicts] == [
        (("low", "high"), VerdictWord.NONE), (("low",), VerdictWord.BETTER), (("high",), VerdictWord.WORSE),
    ]  # fmt: skip
    lacking = combine([*(of_levels(n, {"low": 0.1, "high": 0.3}) for n in (1, 2, 3)), of_levels(4, {"low": 0.1})])
    (one,) = lacking.verdicts
    assert (one.levels, one.note) == (("low",), "without high, which not every run has")
    assert one.estimate is not None
    assert one.estimate.value == pytest.approx(np.exp(0.1))


def test_shares_of_slow_requests_are_differences() -> None:
    def with_shares(number: int, points: float) -> Run:
        run = of_levels(number, {"low": points, "high": points}, error=0.05)
        question = run.questions[0].model_copy(update={"metric": Metric.PERCENT_OVER_5MS})
        return run.model_copy(update={"questions": (question,)})

    (one,) = combine([with_shares(n, points) for n, points in ((1, 1.9), (2, 2.0), (3, 2.1), (4, 2.0))]).verdicts
    assert (one.is_difference, one.verdict) == (True, VerdictWord.WORSE)
    assert one.estimate is not None
    assert one.estimate.value == pytest.approx(2.0)
    assert "percentage points" in one.sentence


def simulated(rng: np.random.Generator, runs: int, between: float) -> Sequence[Run]:
    template = of_levels(1, {"low": 0.0, "high": 0.0})
    found = []
    for number in range(runs):
        true = rng.normal(0, between)
        levels = []
        for one in template.questions[0].levels:
            own = student_t(rng.normal(true, 0.03, 6))
            sizes = {"mean": own.mean, "standard_error": own.standard_error}
            levels.append(one.model_copy(update=sizes))
        question = template.questions[0].model_copy(update={"levels": tuple(levels)})
        found.append(template.model_copy(update={"id": f"run{number}", "questions": (question,)}))
    return found


@pytest.mark.parametrize(("runs", "between"), [(3, 0.04), (5, 0.04), (5, 0.0)])
def test_a_word_over_runs_is_rarely_false_although_each_run_has_its_own_truth(runs: int, between: float) -> None:
    """No difference on average. Blocks pooled over runs, as if runs were alike, would err in a third of all cases."""
    rng, words, pooled, samples = np.random.default_rng(5), 0, 0, 200
    for _ in range(samples):
        found = simulated(rng, runs, between)
        (one,) = combine(found).verdicts
        words += one.verdict in (VerdictWord.BETTER, VerdictWord.WORSE)
        blocks = [np.log(run.value) for run in one.runs]
        error = 0.03 / np.sqrt(12 * runs)
        pooled += abs(float(np.mean(blocks))) > 1.96 * error
    assert words / samples <= 0.08
    if between:
        assert pooled / samples > 0.3


def test_a_prediction_covers_a_further_run() -> None:
    rng, covered, samples = np.random.default_rng(6), 0, 1000
    for _ in range(samples):
        parts = [student_t(rng.normal(rng.normal(0, 0.05), 0.03, 6)) for _ in range(5)]
        found = random_effects(parts)
        assert found is not None
        assert found.prediction is not None
        covered += found.prediction.low <= rng.normal(0, 0.05) <= found.prediction.high
    assert 0.93 <= covered / samples <= 0.98
