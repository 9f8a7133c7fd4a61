"""Results with known answers, and their reports."""

import math
from dataclasses import replace

import numpy as np
import pytest

from coordinator.analysis.report import build_report
from coordinator.scheduling.records import AttemptRecord
from domain.histogram import LatencyHistogram
from domain.report import Metric, VerdictWord
from domain.telemetry import TelemetryAccount
from domain.trial import Reason
from tests.unit.coordinator.analysis.results import (
    Rates,
    a_campaign,
    a_trial,
    an_attempt,
    pairs_with,
    reported,
    the_verdict,
)


@pytest.mark.parametrize(
    ("ratio", "pairs", "rate_word", "cpu_word"),
    [
        (2.0, 6, VerdictWord.FASTER, VerdictWord.FASTER),
        (0.5, 6, VerdictWord.SLOWER, VerdictWord.SLOWER),
        (1.0, 12, VerdictWord.EQUIVALENT, VerdictWord.EQUIVALENT),
        (1.02, 30, VerdictWord.EQUIVALENT, VerdictWord.EQUIVALENT),  # a real difference within the margin
    ],
)
def test_a_known_ratio_is_recovered_through_drift(
    ratio: float, pairs: int, rate_word: VerdictWord, cpu_word: VerdictWord
) -> None:
    report = reported(a_campaign("tproxy", "ebpf_redirect"), pairs_with(ratio, pairs, noise=0.005))
    rate, cpu = the_verdict(report), the_verdict(report, Metric.CPU_US_PER_REQUEST)
    assert (rate.verdict, cpu.verdict) == (rate_word, cpu_word)
    assert rate.ratio == pytest.approx(ratio, rel=0.01)
    assert cpu.ratio == pytest.approx(1 / ratio, rel=0.01)  # a lower cost is also "faster"
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
    assert tproxy.share_of_direct.value == pytest.approx(0.5)  # paired: the drift of the blocks cancels …
    assert tproxy.share_of_direct.high - tproxy.share_of_direct.low < 1e-6  # … and so does the scatter
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
