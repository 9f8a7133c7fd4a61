"""Comparisons of slow requests: shares as differences, and how many episodes a word rests on."""

import io
from collections.abc import Mapping

import numpy as np
import pytest
from flask import render_template
from rich.console import Console
from scipy.stats import binom

from coordinator.analysis.reports.report import build_report
from coordinator.scheduling.records import AttemptRecord
from coordinator.web.slow_table import slow_rows
from deploy.cli.shown.render import print_report
from domain.campaigns.campaign import Campaign
from domain.loads.metric import Metric
from domain.reports.report import CampaignReport, Family, Verdict
from domain.reports.verdict_words import VerdictWord
from domain.trials.episodes import LADDER_NS, Episodes
from domain.trials.histogram import LatencyHistogram
from domain.trials.trial import BlockResult, Finding, Reason, TrialResult, Validity
from tests.unit.coordinator.analysis.results import a_campaign, a_trial
from tests.unit.coordinator.coordinator_app import CoordinatorApp

REQUESTS = 20_000
MS = 1_000_000
SIMULATED = 40  # campaigns
LEVELS = {"half": "open(20000)"}


def a_slow_trial(
    label: str, percent: float, *, episodes: int | None = 40, level: str = "half", reasons: tuple[Reason, ...] = ()
) -> TrialResult:
    """So many percent of its requests take 8 ms, in so many episodes; ``None``: nobody counted them."""
    slow = round(REQUESTS * percent / 100)
    count = (
        Episodes(counts=tuple(episodes if at_ns < 16 * MS else 0 for at_ns in LADDER_NS))
        if episodes is not None
        else None
    )
    return a_trial(label, 20_000.0, level).model_copy(
        update={
            "latency": LatencyHistogram.of({300_000: REQUESTS - slow, 8 * MS: slow}),
            "due": REQUESTS,
            "episodes": count,
            "validity": Validity(findings=tuple(Finding(reason=reason, detail="") for reason in reasons)),
        }
    )


def blocks_of(trials: list[dict[str, TrialResult]], level: str = "half", first: int = 0) -> list[AttemptRecord]:
    return [
        AttemptRecord(
            index, f"b-{index}", "http_keepalive", level, 1, "one", "done", "", True,
            BlockResult(host="one", trials=tuple(block.values()), wall_s=1),
        )
        for index, block in enumerate(trials, start=first)
    ]  # fmt: skip


def shares(first: Mapping[str, float], blocks: int = 6, seed: int = 1, **more: object) -> CampaignReport:
    """Shares of slow requests in percent by label, with a tenth of noise, and drift that a block's trials share."""
    rng = np.random.default_rng(seed)
    trials = []
    for _ in range(blocks):
        drift = np.exp(rng.normal(0, 0.2))
        trials.append(
            {
                label: a_slow_trial(label, percent * drift * np.exp(rng.normal(0, 0.1)), **more)  # type: ignore[arg-type]
                for label, percent in first.items()
            }
        )
    return build_report(campaign_of(tuple(first)), {}, blocks_of(trials))


def campaign_of(labels: tuple[str, ...], **more: object) -> Campaign:
    return a_campaign(*labels, **{"levels": LEVELS, **more})


def over(report: CampaignReport, metric: Metric = Metric.PERCENT_OVER_5MS) -> Verdict:
    return next(v for v in report.verdicts if v.metric is metric)


def test_a_share_is_compared_by_the_mean_difference_in_percentage_points() -> None:
    report = shares({"tproxy": 2.0, "ebpf_sk_assign": 1.0})
    verdict = over(report)
    assert (verdict.family, verdict.verdict, verdict.pairs) == (Family.EXPLORATORY, VerdictWord.BETTER, 6)
    assert verdict.difference.value == pytest.approx(verdict.figure - verdict.reference_figure)
    assert -1.3 < verdict.difference.low < -1 < verdict.difference.high < 0
    assert (verdict.ratio, verdict.low, verdict.high) == (None, None, None)
    cells = {cell.datapath: cell for cell in report.results}
    assert cells["tproxy"].percent_over_5ms.value == pytest.approx(verdict.reference_figure)
    assert cells["tproxy"].percent_over_5ms.low < 2 < cells["tproxy"].percent_over_5ms.high
    assert cells["tproxy"].percent_over_20ms.value == 0


def test_the_sentence_says_the_share_and_the_points() -> None:
    sentence = over(shares({"ebpf_sk_assign": 1.0, "tproxy": 2.0}), Metric.PERCENT_OVER_1MS).sentence
    assert sentence.startswith(
        "exploratory: 2 % of the requests of tproxy take over 1 ms at half (open(20000)), "
        "0.96 percentage points [0.79, 1.13] more than of ebpf_sk_assign, 6 pairs, p "
    )
    fewer = over(shares({"tproxy": 2.0, "ebpf_sk_assign": 1.0})).sentence
    assert "percentage points [" in fewer
    assert "fewer than of tproxy" in fewer
    equal = over(shares({"tproxy": 0.5, "ebpf_sk_assign": 0.5}))
    assert equal.verdict is VerdictWord.SAME
    assert "as of tproxy within ±0.2 percentage points: " in equal.sentence
    wide = over(shares({"tproxy": 20.0, "ebpf_sk_assign": 20.0}))
    assert wide.verdict is VerdictWord.UNCLEAR
    assert "unclear against tproxy with 2" in wide.sentence


def test_overloaded_trials_keep_their_slow_requests() -> None:
    """Without them, the datapath that fails in its worst blocks would have the smaller share."""
    blocks = [
        {
            "tproxy": a_slow_trial("tproxy", 1.0 + block / 100),
            "ebpf_sk_assign": a_slow_trial(
                "ebpf_sk_assign",
                60.0 + block if block % 2 else 0.5,
                reasons=(Reason.OVERLOADED,) if block % 2 else (),
            ),
        }
        for block in range(6)
    ]
    report = build_report(campaign_of(("tproxy", "ebpf_sk_assign")), {}, blocks_of(blocks))
    cells = {cell.datapath: cell for cell in report.results}
    assert cells["ebpf_sk_assign"].valid_trials == 3
    assert cells["ebpf_sk_assign"].percent_over_5ms.value == pytest.approx((3 * 0.5 + 61 + 63 + 65) / 6)
    assert over(report).pairs == 6
    assert next(v for v in report.verdicts if v.metric is Metric.CPU_US_PER_REQUEST).pairs < 6


@pytest.mark.parametrize(
    ("episodes", "why"),
    [
        (1, "no verdict, as ebpf_sk_assign had 6 episodes over 5 ms, and 10 are needed"),
        (0, "no verdict, as ebpf_sk_assign had no episodes over 5 ms, and 10 are needed"),
        (None, "no verdict, as the trials of ebpf_sk_assign do not count the episodes over 5 ms"),
    ],
)
def test_a_share_of_few_episodes_gets_no_word(episodes: int | None, why: str) -> None:
    verdict = over(shares({"tproxy": 2.0, "ebpf_sk_assign": 1.0}, episodes=episodes))
    assert (verdict.family, verdict.verdict) == (Family.SHOWN, VerdictWord.NONE)
    assert why in verdict.sentence
    assert verdict.difference is not None, "the figures are still shown"
    assert over(shares({"tproxy": 2.0, "ebpf_sk_assign": 1.0}, episodes=2)).family is Family.EXPLORATORY


def test_p99_needs_ten_episodes_of_each_datapath() -> None:
    def p99(episodes: int | None) -> Verdict:
        return over(shares({"tproxy": 2.0, "ebpf_sk_assign": 2.0}, episodes=episodes), Metric.LATENCY_P99_US)

    assert (p99(1).family, p99(1).verdict) == (Family.SHOWN, VerdictWord.NONE)
    assert "as ebpf_sk_assign had 6 episodes beyond p99, and 10 are needed" in p99(1).sentence
    assert p99(2).family is Family.EXPLORATORY
    assert p99(None).family is Family.EXPLORATORY, "of older results and other generators, requests are all there is"


def test_p999_is_compared_only_where_each_trial_has_ten_episodes_on_average() -> None:
    def metrics(episodes: int | None) -> set[Metric]:
        report = shares({"tproxy": 2.0, "ebpf_sk_assign": 2.0}, episodes=episodes)
        return {v.metric for v in report.verdicts}

    assert Metric.LATENCY_P999_US in metrics(10)
    assert Metric.LATENCY_P999_US not in metrics(9)
    assert Metric.LATENCY_P999_US not in metrics(None)
    verdict = over(shares({"tproxy": 2.0, "ebpf_sk_assign": 2.0}), Metric.LATENCY_P999_US)
    assert verdict.family is Family.EXPLORATORY


def test_mark_and_verdict_of_a_percentile_follow_the_same_rule() -> None:
    """Of 120,000 requests 1,200 lie beyond p99: that is few, if they belong to six episodes."""
    few = shares({"tproxy": 2.0, "ebpf_sk_assign": 2.0}, episodes=1).results[0].latency_us
    assert (few.count, few.p99_episodes, few.rests_on_few(99), few.rests_on_few(50)) == (120_000, 6, True, False)
    enough = shares({"tproxy": 2.0, "ebpf_sk_assign": 2.0}, episodes=2).results[0].latency_us
    assert (enough.p99_episodes, enough.rests_on_few(99)) == (12, False)
    unknown = shares({"tproxy": 2.0, "ebpf_sk_assign": 2.0}, episodes=None).results[0].latency_us
    assert (unknown.p99_episodes, unknown.rests_on_few(99)) == (None, False)


def test_a_declared_share_is_primary_and_pooled_over_levels() -> None:
    rng = np.random.default_rng(5)
    attempts: list[AttemptRecord] = []
    for level in ("half", "busy"):
        trials = [
            {
                label: a_slow_trial(label, percent * np.exp(rng.normal(0, 0.1)), level=level)
                for label, percent in (("tproxy", 1.0), ("ebpf_sk_assign", 2.0))
            }
            for _ in range(8)
        ]
        attempts += blocks_of(trials, level, len(attempts))
    campaign = campaign_of(
        ("tproxy", "ebpf_sk_assign"),
        levels={"half": "open(20000)", "busy": "open(30000)"},
        primary=["ebpf_sk_assign / tproxy: percent_over_5ms"],
    )
    report = build_report(campaign, {}, attempts)
    (primary,) = [v for v in report.verdicts if v.family is Family.PRIMARY]
    assert (primary.metric, primary.verdict) == (Metric.PERCENT_OVER_5MS, VerdictWord.WORSE)
    assert primary.pooled_over == ("half", "busy")
    assert primary.simultaneous_low < 1 < primary.simultaneous_high
    assert primary.sentence.startswith("requests of ebpf_sk_assign that take over 5 ms over the levels half, busy (")
    assert "(busy has 79 % of the weight): 1.02 percentage points" in primary.sentence
    assert "more than of tproxy, 16 pairs, p < 0.001 among 1 primary comparison." in primary.sentence


def test_the_margin_is_that_of_the_metric() -> None:
    """The same data: one percent apart is within the usual margin of p50, and beyond one of half a percent."""

    def words(**more: object) -> dict[Metric, VerdictWord]:
        rng = np.random.default_rng(3)
        trials = [
            {
                label: a_slow_trial(label, 0.0).model_copy(
                    update={"latency": LatencyHistogram.of({round(p50_ns * np.exp(rng.normal(0, 0.002))): REQUESTS})}
                )
                for label, p50_ns in (("tproxy", 1_000_000), ("ebpf_sk_assign", 1_040_000))
            }
            for _ in range(8)
        ]
        report = build_report(campaign_of(("tproxy", "ebpf_sk_assign"), **more), {}, blocks_of(trials))
        return {v.metric: v.verdict for v in report.verdicts}

    assert words()[Metric.LATENCY_P50_US] is VerdictWord.SAME
    assert words(equivalence_margin=0.03)[Metric.LATENCY_P50_US] is VerdictWord.WORSE
    assert words(margins={"latency_p50_us": 0.03})[Metric.LATENCY_P50_US] is VerdictWord.WORSE


def stalled(rng: np.random.Generator, per_s: float, median_ms: float, spread: float) -> tuple[float, int]:
    """A trial of 10 s at 5,000/s: percent over 5 ms, and its episodes. Stalls hit each request that is due in them."""
    lengths = median_ms * np.exp(spread * rng.standard_normal(rng.poisson(per_s * 10)))
    over_5ms = np.maximum(0, lengths - 5)
    return float(over_5ms.sum() / 10_000 * 100), int((over_5ms > 0.2).sum())


@pytest.mark.parametrize(("one", "other"), [((3, 3, 1.0), (3, 3, 1.0)), ((3, 5, 1.0), (6, 5, 1.0))])
def test_intervals_of_shares_cover_the_truth(
    one: tuple[float, float, float], other: tuple[float, float, float]
) -> None:
    rng = np.random.default_rng(6)
    truth = [np.mean([stalled(rng, *arm)[0] for _ in range(20_000)]) for arm in (one, other)]
    covered = judged = 0
    for _ in range(SIMULATED):
        trials = []
        for _ in range(6):
            drawn = {"tproxy": stalled(rng, *other), "ebpf_sk_assign": stalled(rng, *one)}
            trials.append(
                {label: a_slow_trial(label, percent, episodes=count) for label, (percent, count) in drawn.items()}
            )
        verdict = over(build_report(campaign_of(("tproxy", "ebpf_sk_assign")), {}, blocks_of(trials)))
        judged += verdict.family is Family.EXPLORATORY
        covered += verdict.difference.low <= truth[0] - truth[1] <= verdict.difference.high
    assert judged > 0.8 * SIMULATED
    assert covered >= binom.ppf(0.001, SIMULATED, 0.93)


def test_shares_are_on_every_surface(coordinator_app: CoordinatorApp) -> None:
    """The table of the command line, of the page, and the CSV files."""
    report = shares({"tproxy": 2.0, "ebpf_sk_assign": 1.0})
    out = io.StringIO()
    print_report(report, Console(file=out, width=100))
    rows = [line.split() for line in out.getvalue().splitlines()]
    assert ["over", "5", "ms", "2", "%", "0.98", "%"] in [row for row in rows if row[:2] == ["over", "5"]]
    (first, second) = slow_rows(report)
    assert (first.label, first.level, len(first.shares)) == ("tproxy", "half", 3)
    assert first.shares[1][0] == "2.00 %"
    with coordinator_app.app.test_request_context():
        page = render_template("web/_slow.html", slow=(first, second), many_workloads=False)
    assert "<strong>2.00 %</strong>" in page
    coordinator_app.register()
    campaign_id = coordinator_app.submit(blocks=1, levels={"low": "closed(8)"})
    columns = {
        name: coordinator_app.get(f"campaigns/{campaign_id}/{name}.csv").text.splitlines()[0].split(",")
        for name in ("results", "verdicts")
    }
    assert {"percent_over_5ms_value", "percent_over_5ms_low", "percent_over_5ms_high"} <= set(columns["results"])
    assert {"difference_value", "difference_low", "difference_high"} <= set(columns["verdicts"])


def test_a_share_that_is_zero_in_every_block_has_no_interval() -> None:
    """No such request in a few trials does not prove that there is none."""
    report = shares({"tproxy": 2.0, "ebpf_sk_assign": 2.0})
    cells = {cell.datapath: cell for cell in report.results}
    found = cells["tproxy"].percent_over_20ms
    assert (found.value, found.low, found.high) == (0, None, None)
    assert slow_rows(report)[0].shares[2] == ("0 %", "")
    sentence = over(report, Metric.PERCENT_OVER_20MS).sentence
    assert ": 0 percentage points in every block, 6 pairs." in sentence
