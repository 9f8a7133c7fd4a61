"""Crossovers on ladders of rates: found with an interval that holds, and never where there is none."""

import io
import math
from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
import pytest
from flask import render_template
from rich.console import Console
from scipy.special import stdtrit
from scipy.stats import binom

from coordinator.analysis.inference.statistics import interval
from coordinator.analysis.levels.crossover import Rung, zeros
from coordinator.analysis.reports.report import build_report
from coordinator.scheduling.records import AttemptRecord
from deploy.cli.shown.render import print_report
from domain.campaigns.campaign import read_campaign_toml
from domain.hosts.cpu_time import CpuTime
from domain.loads.load import OpenLoad
from domain.loads.metric import Metric
from domain.reports.report import CampaignReport
from domain.trials.histogram import LatencyHistogram
from domain.trials.trial import BlockResult, Finding, Reason, TrialResult, Validity
from tests import ROOT
from tests.simulated import NOISES, draw
from tests.unit.coordinator.analysis.results import a_campaign, a_trial
from tests.unit.coordinator.coordinator_app import CoordinatorApp

RATES = (4_000, 8_000, 12_000, 16_000, 24_000, 32_000)
SIMULATED = 400
Truth = Callable[[float], float]


def drawn(rng: np.random.Generator, kind: str, truth: Truth, blocks: int = 6) -> list[Rung]:
    """A ladder whose log-ratios have the noise of two trials, 5 % each."""
    found = []
    for rate in RATES:
        noise = 0.05 * (draw(rng, kind, (blocks,)) - draw(rng, kind, (blocks,)))
        estimate = interval(list(truth(rate) + noise))
        assert estimate is not None
        found.append(Rung(rate, f"at_{rate}", estimate))
    return found


@pytest.mark.parametrize("kind", NOISES)
def test_the_interval_holds_the_truth_and_most_crossings_are_found(kind: str) -> None:
    """The difference grows with the logarithm of the rate, through zero at 13,500/s."""
    rng, true_per_s = np.random.default_rng(1), 13_500.0
    found = [
        zero for _ in range(SIMULATED) for zero in zeros(drawn(rng, kind, lambda r: 0.2 * math.log(r / true_per_s)))
    ]
    covered = sum(zero.low_per_s <= true_per_s <= zero.high_per_s for zero in found)
    print(f"{kind}: {len(found)} of {SIMULATED} reported, {covered / len(found):.1%} hold the truth")
    assert len(found) > 0.7 * SIMULATED
    assert covered / len(found) >= 0.93
    assert all(zero.before.estimate.mean < 0 < zero.after.estimate.mean for zero in found)
    middle = float(np.median([zero.per_s for zero in found]))
    assert middle == pytest.approx(true_per_s, rel=0.1)


@pytest.mark.parametrize("kind", NOISES)
@pytest.mark.parametrize("truth", [lambda _: 0.0, lambda rate: 0.1 * math.log(rate / 2_000)], ids=["A/A", "one better"])
def test_no_crossing_is_reported_where_there_is_none(kind: str, truth: Truth) -> None:
    rng = np.random.default_rng(2)
    ladders = [drawn(rng, kind, truth) for _ in range(SIMULATED)]
    false = sum(bool(list(zeros(ladder))) for ladder in ladders)
    naive = sum(len({rung.estimate.mean > 0 for rung in ladder}) == 2 for ladder in ladders)
    print(f"{kind}: {false} of {SIMULATED} ladders cross, {naive} change the sign of their mean")
    assert false <= binom.ppf(0.001, SIMULATED, 0.05)
    if truth(1) == 0:
        assert naive > 0.8 * SIMULATED, "the test can fail"


def interval_at_every_point(rungs: Sequence[Rung]) -> list[float]:
    """The logarithms of the rates between neighbours at which Student's t does not distinguish the mean from zero."""
    found: list[float] = []
    for left, right in pairwise(rungs):
        begin, end = math.log(left.rate_per_s), math.log(right.rate_per_s)
        at = np.linspace(0, 1, 201)
        means = (1 - at) * left.estimate.mean + at * right.estimate.mean
        one, other = ((1 - at) * left.estimate.standard_error) ** 2, (at * right.estimate.standard_error) ** 2
        freedom = (one + other) ** 2 / (one**2 / left.estimate.freedom + other**2 / right.estimate.freedom)
        limits = stdtrit(freedom, 0.975) * np.sqrt(one + other)
        found += (begin + at[np.abs(means) <= limits] * (end - begin)).tolist()
    return found


@pytest.mark.parametrize("kind", NOISES)
def test_the_interval_is_that_of_every_point(kind: str) -> None:
    """Quantiles are computed near zero only."""
    rng, compared = np.random.default_rng(4), 0
    for _ in range(SIMULATED // 4):
        rungs = drawn(rng, kind, lambda r: 0.2 * math.log(r / 13_500.0))
        for zero in zeros(rungs):
            between = rungs[rungs.index(zero.before) : rungs.index(zero.after) + 1]
            logs = [*interval_at_every_point(between), math.log(zero.per_s)]
            assert zero.low_per_s == pytest.approx(math.exp(min(logs)), rel=1e-15)
            assert zero.high_per_s == pytest.approx(math.exp(max(logs)), rel=1e-15)
            compared += 1
    assert compared > SIMULATED // 8


def test_a_difference_that_only_vanishes_is_no_crossing() -> None:
    rng = np.random.default_rng(3)
    assert not list(zeros(drawn(rng, "normal", lambda rate: max(0.0, 0.3 * math.log(20_000 / rate)))))
    assert not list(zeros([]))


def a_report(*, crosses: bool = True, blocks: int = 6, overloaded_from: int = 24_000) -> CampaignReport:
    """ebpf_sk_assign costs less CPU above 13,500/s; tproxy is overloaded from some rate on."""
    rng = np.random.default_rng(8)
    levels = {f"at_{rate // 1000}k": f"open({rate})" for rate in RATES}
    campaign = a_campaign("tproxy", "ebpf_sk_assign", "direct", levels=levels, blocks=blocks)
    attempts: list[AttemptRecord] = []
    for level, load in campaign.levels.items():
        assert isinstance(load, OpenLoad)
        gain = 0.3 * math.log(load.rate_per_s / 13_500) if crosses else 0.3
        for _ in range(blocks):
            costs = {"tproxy": 60.0, "ebpf_sk_assign": 60.0 * math.exp(-gain), "direct": 30.0}
            over = load.rate_per_s >= overloaded_from
            trials = tuple(
                measured(label, level, cost * math.exp(rng.normal(0, 0.02)), overloaded=over and label == "tproxy")
                for label, cost in costs.items()
            )
            index, block = len(attempts), BlockResult(host="one", trials=trials, wall_s=1)
            attempts.append(
                AttemptRecord(index, f"b-{index}", "http_keepalive", level, 1, "one", "done", "", True, block)
            )
    return build_report(campaign, {}, attempts)


def measured(label: str, level: str, cpu_us: float, *, overloaded: bool) -> TrialResult:
    findings = (Finding(reason=Reason.OVERLOADED, detail=""),) if overloaded else ()
    return a_trial(label, 100.0, level).model_copy(
        update={
            "cpu": CpuTime(wall_s=100.0, cpus=2, user_s=1, idle_s=200.0 - cpu_us * 10_000 / 1e6),
            "due": 10_000,
            "latency": LatencyHistogram.of({300_000: 10_000}),
            "validity": Validity(findings=findings),
        }
    )


def test_a_report_says_at_which_load_the_better_one_changes() -> None:
    report = a_report(overloaded_from=99_000)
    (found,) = report.crossovers
    assert (found.below, found.above, found.metric) == ("tproxy", "ebpf_sk_assign", Metric.CPU_US_PER_REQUEST)
    assert found.low_per_s <= 13_500 <= found.high_per_s
    assert found.high_per_s < 1.2 * found.low_per_s
    assert found.sentence.startswith("ebpf_sk_assign costs the host less CPU per request than tproxy from 13,")
    assert found.sentence.endswith(
        f"on, and tproxy below it; interpolated between {found.last_below} and {found.first_above}."
    )
    assert report.overload_onsets == ()
    assert CampaignReport.model_validate_json(report.model_dump_json()) == report


def test_no_crossing_is_printed_without_one() -> None:
    report = a_report(crosses=False, overloaded_from=99_000)
    assert (report.crossovers, report.overload_onsets) == ((), ())
    out = io.StringIO()
    print_report(report, Console(file=out, width=100))
    assert "Over the rates" not in out.getvalue()
    assert a_report(blocks=4, overloaded_from=99_000).crossovers == (), "four pairs are no evidence"


def test_where_a_datapath_begins_to_fail_is_an_interval_between_rates() -> None:
    (onset,) = a_report().overload_onsets
    assert (onset.datapath, onset.carried_per_s, onset.overloaded_per_s) == ("tproxy", 16_000, 24_000)
    assert (onset.carried, onset.overloaded) == ((6, 6), (6, 6))
    assert onset.sentence == (
        "tproxy begins to fail between 16,000/s, which it carries in 6 of 6 blocks, "
        "and 24,000/s, which overloads it in 6 of 6 blocks."
    )
    (always,) = a_report(overloaded_from=1).overload_onsets
    assert always.sentence == "tproxy is overloaded at 4,000/s already, in 6 of 6 blocks."
    assert a_report(blocks=4).overload_onsets == (), "four of four blocks prove no majority"


def test_crossovers_are_printed_and_on_the_page(coordinator_app: CoordinatorApp) -> None:
    report = a_report()
    sentences = [one.sentence for one in (*report.overload_onsets, *report.crossovers)]
    assert len(sentences) == 2
    out = io.StringIO()
    print_report(report, Console(file=out, width=400))
    with coordinator_app.app.test_request_context():
        page = render_template("web/_crossovers.html", report=report)
    for sentence in sentences:
        assert sentence in out.getvalue()
        assert f"<li>{sentence}</li>" in page


def test_the_crossover_campaign_is_one_ladder_with_enough_blocks() -> None:
    campaign = read_campaign_toml((ROOT / "deploy/campaigns/crossover.toml").read_text())
    rates = [load.rate_per_s for load in campaign.levels.values() if isinstance(load, OpenLoad)]
    assert len(rates) == len(campaign.levels) >= 5
    assert rates == sorted(set(rates))
    assert campaign.blocks >= 5
    assert campaign.traffic_s < 500, "twelve minutes in all, labs included"
