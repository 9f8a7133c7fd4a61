"""Results with known answers, and the report that must come of them."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coordinator.analysis.report import build_report
from coordinator.scheduling.records import AttemptRecord
from domain.campaign import Campaign, read_campaign
from domain.cpu_time import CpuTime
from domain.histogram import LatencyHistogram
from domain.report import CLOSED_METRICS, OPEN_METRICS, Calibration, CampaignReport, Metric, Verdict, VerdictWord
from domain.telemetry import TelemetryAccount
from domain.trial import BlockResult, Finding, Reason, SliceResult, TrialResult, Validity

FUNCTIONS = {"direct": "forward", "tproxy": "steer", "ebpf_sk_assign": "steer", "ebpf_redirect": "forward"}
Rates = Mapping[str, float | None]  # None: an invalid trial


def a_campaign(*datapaths: str, **more: object) -> Campaign:
    return read_campaign({"name": "t", "datapaths": list(datapaths), "levels": {"low": "closed(8)"}, "seed": 7, **more})


def a_trial(label: str, rate: float | None, level: str = "low", **more: object) -> TrialResult:
    found = () if rate else (Finding(reason=Reason.BYPASSED, detail=f"{label}: counted 0 of 100"),)
    requests = round((rate or 50_000) * 100)
    return TrialResult(
        datapath=label,
        function=FUNCTIONS.get(label.partition("#")[0], "steer"),
        workload="http_keepalive",
        level=level,
        duration_s=100.0,
        requests=requests,
        # The host is fully busy on two CPUs: CPU per request is the inverse of the rate.
        cpu=CpuTime(wall_s=100.0, cpus=2, user_s=100.0, softirq_s=100.0),
        validity=Validity(findings=found),
        **more,
    )


def an_attempt(index: int, rates: Rates, *, attempt: int = 1, accepted: bool = True, **more: object) -> AttemptRecord:
    result = BlockResult(
        host="one",
        trials=tuple(a_trial(label, rate, **more) for label, rate in rates.items()),
        telemetry=TelemetryAccount(produced=10, delivered=9, lost=1),
        wall_s=1,
    )
    level = str(more.get("level", "low"))
    return AttemptRecord(
        index, f"k3f9x2ab-{index}", "http_keepalive", level, attempt, "one", "done", "", accepted, result
    )


def reported(campaign: Campaign, blocks: Sequence[Rates]) -> CampaignReport:
    return build_report(campaign, {"id": "k3f9x2ab"}, [an_attempt(i, rates) for i, rates in enumerate(blocks)])


def the_verdict(report: CampaignReport, metric: Metric = Metric.REQUESTS_PER_S, datapath: str = "") -> Verdict:
    return next(v for v in report.verdicts if v.metric is metric and datapath in ("", v.datapath))


def pairs_with(ratio: float, pairs: int, noise: float = 0.01, seed: int = 1) -> list[Rates]:
    rng = np.random.default_rng(seed)
    drift = np.exp(rng.normal(0, 0.3, pairs))  # the machine's weather, common to both trials of a block
    own = np.exp(rng.normal(0, noise, pairs))
    return [{"tproxy": 50_000 * d, "ebpf_redirect": 50_000 * ratio * d * o} for d, o in zip(drift, own, strict=True)]


@pytest.mark.parametrize(
    ("ratio", "pairs", "rate_word", "cpu_word"),
    [
        (2.0, 6, VerdictWord.FASTER, VerdictWord.FASTER),
        (0.5, 6, VerdictWord.SLOWER, VerdictWord.SLOWER),
        (1.0, 12, VerdictWord.EQUIVALENT, VerdictWord.EQUIVALENT),
        (1.02, 30, VerdictWord.EQUIVALENT, VerdictWord.EQUIVALENT),  # there, but too small to matter
    ],
)
def test_a_known_ratio_is_recovered_through_drift(
    ratio: float, pairs: int, rate_word: VerdictWord, cpu_word: VerdictWord
) -> None:
    report = reported(a_campaign("tproxy", "ebpf_redirect"), pairs_with(ratio, pairs, noise=0.005))
    rate, cpu = the_verdict(report), the_verdict(report, Metric.CPU_US_PER_REQUEST)
    assert (rate.verdict, cpu.verdict) == (rate_word, cpu_word)
    assert rate.ratio == pytest.approx(ratio, rel=0.01)
    assert cpu.ratio == pytest.approx(1 / ratio, rel=0.01)  # a lower cost, and still "faster"
    assert rate.low < rate.ratio < rate.high
    assert rate.pairs == pairs


def test_noise_is_inconclusive_and_says_what_would_have_shown() -> None:
    verdict = the_verdict(reported(a_campaign("tproxy", "ebpf_redirect"), pairs_with(1.0, 6, noise=0.1)))
    assert verdict.verdict is VerdictWord.INCONCLUSIVE
    half = math.log(verdict.high / verdict.low) / 2
    assert verdict.smallest_effect > math.exp(half) - 1
    assert f"a difference below {verdict.smallest_effect * 100:.2g} % would not have shown" in verdict.sentence


def test_swapping_the_reference_swaps_the_verdict() -> None:
    blocks = pairs_with(1.0296, 9, noise=0.0001)
    one = the_verdict(reported(a_campaign("tproxy", "ebpf_redirect"), blocks))
    other = the_verdict(reported(a_campaign("tproxy", "ebpf_redirect", reference="ebpf_redirect"), blocks))
    assert one.ratio == pytest.approx(1 / other.ratio)
    assert (one.verdict, other.verdict) == (VerdictWord.EQUIVALENT, VerdictWord.EQUIVALENT)


def test_an_invalid_trial_drops_its_pair_and_no_other() -> None:
    blocks = [dict(b, direct=100_000.0) for b in pairs_with(2.0, 6)]
    blocks[2]["ebpf_redirect"] = None
    report = reported(a_campaign("tproxy", "ebpf_redirect", "direct"), blocks)
    assert the_verdict(report, datapath="ebpf_redirect").pairs == 5
    assert the_verdict(report, datapath="direct").pairs == 6
    assert the_verdict(report, datapath="ebpf_redirect").ratio == pytest.approx(2.0, rel=0.02)
    [listed] = report.invalid
    assert (listed.trial, listed.block, listed.reasons) == ("k3f9x2ab-2-1-1", 2, (Reason.BYPASSED,))
    cell = next(r for r in report.results if r.datapath == "ebpf_redirect")
    assert (cell.valid_trials, cell.invalid_trials) == (5, 1)
    assert cell.invalid_for is None


def test_a_cell_without_a_valid_trial_says_for_what_most_of_them_are_invalid() -> None:
    blocks = [dict(b, ebpf_redirect=None) for b in pairs_with(2.0, 3)]
    report = reported(a_campaign("tproxy", "ebpf_redirect"), blocks)
    assert {r.datapath: r.invalid_for for r in report.results} == {"tproxy": None, "ebpf_redirect": Reason.BYPASSED}


def test_no_verdict_from_four_pairs_however_clear() -> None:
    verdict = the_verdict(reported(a_campaign("tproxy", "ebpf_redirect"), pairs_with(2.0, 4)))
    assert verdict.verdict is VerdictWord.INCONCLUSIVE
    assert verdict.low > 1
    assert verdict.p is None
    assert "only 4 pairs of valid trials; a verdict needs 5" in verdict.sentence


def test_only_accepted_attempts_count_but_all_invalid_trials_show() -> None:
    campaign = a_campaign("tproxy", "ebpf_redirect")
    attempts = [an_attempt(i, rates) for i, rates in enumerate(pairs_with(2.0, 5))]
    attempts.append(an_attempt(0, {"tproxy": 1e4, "ebpf_redirect": 1e9}, attempt=2, accepted=False))
    attempts.append(an_attempt(0, {"tproxy": None, "ebpf_redirect": 1e9}, attempt=3, accepted=False))
    lost = AttemptRecord(1, "k3f9x2ab-1", "http_keepalive", "low", 2, "two", "failed", "lease expired", False, None)
    report = build_report(campaign, {}, [*attempts, lost])
    assert the_verdict(report).ratio == pytest.approx(2.0, rel=0.02)
    assert [t.trial for t in report.invalid] == ["k3f9x2ab-0-3-0"]
    assert [(f.block, f.attempt, f.host, f.reason) for f in report.failed_attempts] == [(1, 2, "two", "lease expired")]
    assert report.telemetry == TelemetryAccount(produced=70, delivered=63, lost=7)


def test_nothing_measured_is_none_and_never_zero() -> None:
    report = build_report(a_campaign("tproxy", "direct"), {"id": "x"}, [])
    assert [r.valid_trials for r in report.results] == [0, 0]
    for result in report.results:
        figures = result.model_dump(include={"requests_per_s", "requests_per_s_low", "cpu_us_per_request"})
        assert set(figures.values()) == {None}
        assert result.share_of_direct is result.latency_us is result.service_time_us is None
    assert {(v.verdict, v.ratio, v.low, v.p, v.pairs) for v in report.verdicts} == {
        ("inconclusive", None, None, None, 0)
    }
    assert report.campaign == {"id": "x", "aa": None, "probe_tax": None}


def test_cells_give_geometric_means_and_the_share_of_direct() -> None:
    blocks: list[Rates] = [{"tproxy": 40_000.0, "direct": 80_000.0}, {"tproxy": 90_000.0, "direct": 180_000.0}]
    tproxy, direct = reported(a_campaign("tproxy", "direct"), blocks).results
    assert tproxy.requests_per_s == pytest.approx(60_000)
    assert tproxy.cpu_us_per_request == pytest.approx(2e6 / 60_000)
    assert tproxy.requests_per_s_low < 60_000 < tproxy.requests_per_s_high
    assert tproxy.share_of_direct.value == pytest.approx(0.5)  # paired: the drift of the two blocks is gone …
    assert tproxy.share_of_direct.high - tproxy.share_of_direct.low < 1e-6  # … and with it the scatter
    assert (direct.share_of_direct.value, direct.load, direct.function) == (1.0, "closed(8)", "forward")
    assert (tproxy.role, direct.role) == ("", "limit"), "results from before roles"
    assert reported(a_campaign("tproxy"), [{"tproxy": 1.0}]).results[0].share_of_direct is None


def test_the_limit_is_the_datapath_whose_trials_say_so() -> None:
    roles = {"tproxy": "", "direct": "", "ebpf_redirect": "limit"}
    rates = {"tproxy": 40_000.0, "direct": 80_000.0, "ebpf_redirect": 160_000.0}
    trials = tuple(a_trial(label, rate, role=roles[label]) for label, rate in rates.items())
    attempt = an_attempt(0, rates)
    attempts = [replace(attempt, result=attempt.result.model_copy(update={"trials": trials}), block_index=i)
                for i in range(2)]  # fmt: skip
    found = build_report(a_campaign(*rates), {}, attempts).results
    assert {one.datapath: (one.role, one.share_of_direct.value) for one in found} == {
        "tproxy": ("", pytest.approx(0.25)), "direct": ("", pytest.approx(0.5)), "ebpf_redirect": ("limit", 1.0)
    }  # fmt: skip


def test_a_second_copy_of_the_limit_is_not_the_limit() -> None:
    blocks = [{"direct": 100.0, "direct#2": 50.0}] * 2
    found = reported(a_campaign("direct", "direct"), blocks).results
    assert [(one.role, one.share_of_direct.value) for one in found] == [("limit", 1.0), ("", pytest.approx(0.5))]


def test_percentiles_are_read_from_merged_histograms() -> None:
    fast, slow = LatencyHistogram.of({100_000: 990}), LatencyHistogram.of({9_000_000: 10})
    attempts = [an_attempt(i, {"tproxy": 1e4}, service_time=h) for i, h in enumerate((fast, slow))]
    figures = build_report(a_campaign("tproxy"), {}, attempts).results[0].service_time_us
    assert (figures.p50, figures.p99, figures.p999) == pytest.approx((100, 100, 9000), rel=0.005)
    assert figures.count == 1000


def test_different_functions_and_small_families_are_said() -> None:
    verdict = the_verdict(reported(a_campaign("tproxy", "ebpf_redirect"), pairs_with(2.0, 6)))
    assert verdict.caveats[0] == "forwarding is not proxying"
    assert verdict.p == pytest.approx(2 * 2 / 64)  # two comparisons, the smallest p of six pairs
    assert "6 pairs could not have made it smaller than 0.05" in verdict.caveats[1]
    assert verdict.sentence.startswith("ebpf_redirect is faster than tproxy at low load (closed(8)): 2.0")
    assert verdict.sentence.endswith("6 pairs; note: forwarding is not proxying.")
    same = reported(a_campaign("tproxy", "ebpf_sk_assign"), [{"tproxy": 1e4, "ebpf_sk_assign": 2e4}] * 9)
    assert the_verdict(same).caveats == ()
    assert the_verdict(same, Metric.CPU_US_PER_REQUEST).sentence == (
        "ebpf_sk_assign costs less CPU per request than tproxy at low load (closed(8)): "
        "0.50 × the CPU time per request [0.50, 0.50], 9 pairs."
    )


def test_a_clear_interval_with_an_unclear_p_is_said() -> None:
    # Seven of eight pairs agree, the eighth differs a little: p = 4/256, times the four comparisons.
    ratios = (1.2, 1.21, 1.22, 1.23, 1.24, 1.25, 1.26, 0.9)
    blocks = [{"tproxy": 1e4, "ebpf_sk_assign": 1e4 * r, "ebpf_redirect": 1e4} for r in ratios]
    report = reported(a_campaign("tproxy", "ebpf_sk_assign", "ebpf_redirect"), blocks)
    verdict = the_verdict(report, datapath="ebpf_sk_assign")
    assert verdict.verdict is VerdictWord.FASTER
    assert verdict.p == pytest.approx(4 * 4 / 256)
    assert "note: p after Holm's adjustment over 4 comparisons is 0.062" in verdict.sentence


def test_copies_are_compared_with_their_original_and_counted() -> None:
    rng = np.random.default_rng(4)
    labels = ("direct", "tproxy", "tproxy#2")
    blocks = [{label: float(5e4 * np.exp(rng.normal(0, 0.1))) for label in labels} for _ in range(12)]
    report = reported(a_campaign("direct", "tproxy", "tproxy"), blocks)
    compared = [(v.datapath, v.reference) for v in report.verdicts if v.metric is Metric.REQUESTS_PER_S]
    assert compared == [("tproxy", "direct"), ("tproxy#2", "direct"), ("tproxy#2", "tproxy")]
    copies = [v for v in report.verdicts if v.reference == "tproxy"]
    assert all(any(c.startswith("A/A") for c in v.caveats) for v in copies)
    assert report.campaign["aa"] == {"comparisons": 2, "false_positives": 0, "rate": 0.0, "intervals_without_1": 0}
    biased = [dict(b, **{"tproxy#2": b["tproxy"] * 1.5}) for b in blocks]
    found = reported(a_campaign("direct", "tproxy", "tproxy"), biased).campaign["aa"]
    assert (found["false_positives"], found["rate"]) == (2, 1.0)


def test_the_false_positive_rate_of_copies_is_near_five_percent() -> None:
    rng = np.random.default_rng(9)
    false = 0
    for _ in range(150):
        blocks = [{k: float(5e4 * np.exp(rng.normal(0, 0.08))) for k in ("tproxy", "tproxy#2")} for _ in range(6)]
        false += reported(a_campaign("tproxy", "tproxy"), blocks).campaign["aa"]["false_positives"] / 2
    assert 1 <= false <= 16  # 7.5 expected; both metrics of a pair mirror each other here


def test_watched_slices_tell_the_tax_of_the_probes() -> None:
    def slices(rate: int) -> tuple[SliceResult, ...]:
        common = {"started_s": 0.0, "duration_s": 1.0, "connections": 8, "bytes_received": 0}
        return (SliceResult(requests=rate, probed=True, **common), SliceResult(requests=10_000, **common))

    attempts = [
        an_attempt(i, {"tproxy": 10_000.0}, slices=slices(rate)) for i, rate in enumerate((9_000, 9_200, 9_100))
    ]
    tax = build_report(a_campaign("tproxy", probes=["run_queue"]), {}, attempts).campaign["probe_tax"]
    assert tax["tproxy"]["ratio"] == pytest.approx((0.9 * 0.92 * 0.91) ** (1 / 3))
    assert tax["tproxy"]["low"] < tax["tproxy"]["ratio"] < tax["tproxy"]["high"] < 1
    assert tax["tproxy"]["pairs"] == 3


def test_a_difference_below_the_probes_tax_says_so_and_a_larger_one_does_not() -> None:
    """tproxy loses 9 % while watched: a difference of 5 % is below that, one of 30 % above."""

    def slices(rate: float, watched: float) -> tuple[SliceResult, ...]:
        common = {"started_s": 0.0, "duration_s": 1.0, "connections": 8, "bytes_received": 0}
        return (
            SliceResult(requests=round(rate * watched), probed=True, **common),
            SliceResult(requests=round(rate), **common),
        )

    def sentences(ratio: float) -> list[str]:
        campaign = a_campaign("tproxy", "ebpf_sk_assign", probes=["run_queue"], levels={"high": "closed(8)"})
        attempts = []
        for i in range(6):
            rates = {"tproxy": 10_000.0 + i, "ebpf_sk_assign": 10_000.0 * ratio + 7 * i}
            whole = an_attempt(i, rates, level="high")
            trials = [
                t.model_copy(update={"slices": slices(rates[t.datapath], 0.91 if t.datapath == "tproxy" else 0.99)})
                for t in whole.result.trials
            ]
            attempts.append(replace(whole, result=whole.result.model_copy(update={"trials": tuple(trials)})))
        report = build_report(campaign, {}, attempts)
        return [v.sentence for v in report.verdicts if v.metric is Metric.REQUESTS_PER_S]

    (small,), (large,) = sentences(1.05), sentences(1.3)
    assert "is faster than" in small
    assert "the difference is smaller than what watching cost (9 % of requests/s" in small
    assert "is faster than" in large
    assert "watching cost" not in large


def test_open_levels_compare_cost_and_latency_and_never_the_rate_that_was_given() -> None:
    campaign = a_campaign("tproxy", "ebpf_sk_assign", "direct", levels={"low": "open(1000)", "high": "closed(8)"})
    quick = {50_000: 980, 200_000: 15, 900_000: 5}  # p50, p99 and p99.9 lie apart
    slow = {100_000: 980, 800_000: 15, 900_000: 5}

    def attempt(index: int) -> AttemptRecord:
        whole = an_attempt(index, {"tproxy": 1e3, "ebpf_sk_assign": 1e3, "direct": 1e3})
        histograms = {"ebpf_sk_assign": quick}
        trials = [
            t.model_copy(update={"latency": LatencyHistogram.of(histograms.get(t.datapath, slow))})
            for t in whole.result.trials
        ]
        return replace(whole, result=whole.result.model_copy(update={"trials": tuple(trials)}))

    report = build_report(campaign, {}, [attempt(i) for i in range(6)])
    of_low = [v for v in report.verdicts if v.level == "low" and v.datapath == "ebpf_sk_assign"]
    assert [v.metric for v in of_low] == list(OPEN_METRICS)
    assert {v.metric for v in report.verdicts if v.level == "high"} == set(CLOSED_METRICS)
    words = {v.metric: (v.verdict, v.ratio) for v in of_low}
    assert words[Metric.CPU_US_PER_REQUEST][0] is VerdictWord.EQUIVALENT
    assert words[Metric.LATENCY_P50_US] == (VerdictWord.FASTER, pytest.approx(0.5, rel=0.01))
    assert words[Metric.LATENCY_P99_US] == (VerdictWord.FASTER, pytest.approx(0.25, rel=0.01))
    assert words[Metric.LATENCY_P999_US] == (VerdictWord.EQUIVALENT, pytest.approx(1.0))
    sentence = next(v.sentence for v in of_low if v.metric is Metric.LATENCY_P99_US)
    assert sentence.startswith(
        "ebpf_sk_assign answers faster than tproxy at low load (open(1000)): 0.25 × the p99 latency [0.25, 0.25], 6 pai"
    )
    assert {r.share_of_direct for r in report.results if r.level == "low"} == {None}


def test_too_few_requests_have_no_high_percentile() -> None:
    campaign = a_campaign("tproxy", "direct", levels={"low": "open(1000)"})
    few = LatencyHistogram.of({50_000: 950, 900_000: 49})
    attempts = [an_attempt(i, {"tproxy": 1e3, "direct": 1e3}, latency=few) for i in range(6)]
    pairs = {v.metric: v.pairs for v in build_report(campaign, {}, attempts).verdicts}
    assert pairs[Metric.LATENCY_P99_US] == 6
    assert pairs[Metric.LATENCY_P999_US] == 0
    verdict = the_verdict(build_report(campaign, {}, attempts), Metric.LATENCY_P999_US)
    assert verdict.verdict is VerdictWord.INCONCLUSIVE
    assert "only 0 pairs of valid trials with enough requests" in verdict.sentence


def test_a_closed_level_never_compares_latency_even_where_a_trial_has_one() -> None:
    attempts = [an_attempt(i, {"tproxy": 1e4, "direct": 2e4}, latency=LatencyHistogram.of({9: 1})) for i in range(5)]
    report = build_report(a_campaign("tproxy", "direct"), {}, attempts)
    assert {v.metric for v in report.verdicts} == set(CLOSED_METRICS)


def test_calibration_is_no_cell_and_its_rate_is_shown() -> None:
    campaign = a_campaign("tproxy", "direct", levels={"low": "open(25%)"})
    found = Calibration(load="closed(64)", requests_per_s=4e4, datapath="tproxy", host="h", rates_per_s={"low": 10_000})
    calibration = replace(an_attempt(0, {"tproxy": None, "direct": 9e4}, level="calibration"), calibration=True)
    attempts = [calibration, *(an_attempt(i, {"tproxy": 1e4, "direct": 1e4}) for i in range(1, 6))]
    report = build_report(campaign, {"calibration": {"http_keepalive": found.model_dump()}}, attempts)
    assert {(r.level, r.load, r.valid_trials, r.invalid_trials) for r in report.results} == {
        ("low", "open(25%) = 10,000/s", 5, 0)
    }
    assert [(t.level, t.block) for t in report.invalid] == [("calibration", 0)]  # seen, though it counts nowhere
    assert all("(open(25%) = 10,000/s)" in v.sentence for v in report.verdicts)
    assert {v.pairs for v in report.verdicts if v.metric is Metric.CPU_US_PER_REQUEST} == {5}


def test_the_order_of_attempts_and_other_figures_change_nothing() -> None:
    blocks = [dict(b, direct=100_000.0) for b in pairs_with(1.3, 70)]
    attempts = [an_attempt(i, rates) for i, rates in enumerate(blocks)]
    campaign = a_campaign("tproxy", "ebpf_redirect", "direct")
    assert build_report(campaign, {}, attempts) == build_report(campaign, {}, attempts[::-1])
    fewer = build_report(a_campaign("tproxy", "ebpf_redirect"), {}, attempts)
    both = build_report(campaign, {}, attempts)
    pick: Callable[[CampaignReport], object] = lambda r: the_verdict(r, datapath="ebpf_redirect").low  # noqa: E731
    assert pick(fewer) == pick(both)


rates = st.one_of(st.none(), st.floats(1e-300, 1e300), st.just(50_000.0))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.fixed_dictionaries({"tproxy": rates, "tproxy#2": rates, "direct": rates}), max_size=8))
def test_no_report_contains_a_nan(blocks: list[Rates]) -> None:
    blocks = [{k: v if v is None or v >= 0.01 else 0.01 for k, v in b.items()} for b in blocks]
    blocks = [{k: v if v is None or v < 1e290 else 1e290 for k, v in b.items()} for b in blocks]
    report = reported(a_campaign("direct", "tproxy", "tproxy"), blocks)
    text = report.model_dump_json()
    assert "NaN" not in text
    assert "Infinity" not in text
    assert CampaignReport.model_validate_json(text) == report
    for verdict in report.verdicts:
        figures = [f for f in (verdict.ratio, verdict.low, verdict.high, verdict.p) if f is not None]
        assert all(map(math.isfinite, figures))
        assert "nan" not in verdict.sentence.replace("inconclusive", "")


def test_an_open_level_that_finished_less_than_asked_says_so() -> None:
    campaign = a_campaign("direct", "tproxy", levels={"low": "open(50000)"})
    report = reported(campaign, [{"direct": 49_700, "tproxy": 48_500}] * 5)
    found = {r.datapath: r.caveats for r in report.results}
    assert found["direct"] == ()
    assert found["tproxy"] == ("finished 48,500 requests/s, 97.0 % of the 50,000/s that its schedule asked for",)
    share = a_campaign("direct", "tproxy", levels={"low": "open(50%)"})
    calibration = Calibration(load="closed(64)", requests_per_s=98_000, rates_per_s={"low": 49_000})
    attempts = [an_attempt(i, {"direct": 48_900, "tproxy": 40_000}) for i in range(5)]
    record = {"id": "k3f9x2ab", "calibration": {"http_keepalive": calibration.model_dump()}}
    results = build_report(share, record, attempts).results
    assert [len(r.caveats) for r in results] == [0, 1]
    assert reported(a_campaign("direct"), [{"direct": 1}]).results[0].caveats == ()  # a closed level asks for nothing
