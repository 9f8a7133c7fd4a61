"""Results with known answers, and their reports."""

from dataclasses import replace

import numpy as np
import pytest

from coordinator.analysis.reports.report import build_report
from coordinator.scheduling.records import AttemptRecord
from domain.loads.metric import Metric
from domain.probes.telemetry import TelemetryAccount
from domain.reports.report import Family
from domain.reports.verdict_words import VerdictWord
from domain.trials.histogram import LatencyHistogram
from domain.trials.trial import Reason
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
    ("ratio", "pairs", "word"),
    [
        (2.0, 6, VerdictWord.BETTER),
        (0.5, 6, VerdictWord.WORSE),
        (1.0, 12, VerdictWord.SAME),
        (1.02, 30, VerdictWord.SAME),  # a real difference within the margin
    ],
)
def test_a_known_ratio_is_recovered_through_drift(ratio: float, pairs: int, word: VerdictWord) -> None:
    report = reported(a_campaign("tproxy", "ebpf_sk_assign"), pairs_with(ratio, pairs, noise=0.005))
    rate, cpu = the_verdict(report), the_verdict(report, Metric.CPU_US_PER_REQUEST)
    assert (rate.verdict, rate.family) == (word, Family.PRIMARY)
    assert rate.ratio == pytest.approx(ratio, rel=0.01)
    assert rate.low < rate.ratio < rate.high
    assert rate.pairs == pairs
    assert cpu.ratio == pytest.approx(1 / ratio, rel=0.01)


def test_cpu_per_request_of_a_closed_level_repeats_the_rate_and_gets_no_word() -> None:
    cpu = the_verdict(reported(a_campaign("tproxy", "ebpf_sk_assign"), pairs_with(2.0, 6)), Metric.CPU_US_PER_REQUEST)
    assert (cpu.verdict, cpu.family, cpu.p) == (VerdictWord.NONE, Family.SHOWN, None)
    assert "no verdict, as it repeats requests/s: their product is the number of busy CPUs" in cpu.sentence


def test_noise_is_inconclusive_and_says_what_the_data_fit() -> None:
    verdict = the_verdict(reported(a_campaign("tproxy", "ebpf_sk_assign"), pairs_with(1.0, 6, noise=0.1)))
    assert verdict.verdict is VerdictWord.UNCLEAR
    low, high = 100 * (1 - verdict.low), 100 * (verdict.high - 1)
    assert f"unclear, the data fit anything from −{low:.0f} % to +{high:.0f} %" in verdict.sentence
    assert "would not have shown" not in verdict.sentence, "power after the fact says nothing"


def test_swapping_the_reference_swaps_the_verdict() -> None:
    blocks = pairs_with(1.0296, 9, noise=0.0001)
    one = the_verdict(reported(a_campaign("tproxy", "ebpf_sk_assign"), blocks))
    other = the_verdict(reported(a_campaign("tproxy", "ebpf_sk_assign", reference="ebpf_sk_assign"), blocks))
    assert one.ratio == pytest.approx(1 / other.ratio)
    assert (one.verdict, other.verdict) == (VerdictWord.SAME, VerdictWord.SAME)


def test_an_invalid_trial_takes_its_block_from_all_comparisons() -> None:
    blocks = [dict(b, direct=100_000.0) for b in pairs_with(2.0, 6)]
    blocks[2]["ebpf_sk_assign"] = None
    report = reported(a_campaign("tproxy", "ebpf_sk_assign", "direct"), blocks)
    assert {v.pairs for v in report.verdicts} == {5}
    assert the_verdict(report, datapath="ebpf_sk_assign").ratio == pytest.approx(2.0, rel=0.02)
    [listed] = report.invalid
    assert (listed.trial, listed.block, listed.reasons) == ("k3f9x2ab-2-1-1", 2, (Reason.BYPASSED,))
    cell = next(r for r in report.results if r.datapath == "ebpf_sk_assign")
    assert (cell.valid_trials, cell.invalid_trials, cell.pairs) == (5, 1, 5)
    assert cell.invalid_for is None


def test_a_datapath_that_is_rarely_valid_is_left_out_and_takes_no_block() -> None:
    blocks = [dict(b, direct=100_000.0 if i < 2 else None) for i, b in enumerate(pairs_with(2.0, 6))]
    report = reported(a_campaign("tproxy", "ebpf_sk_assign", "direct"), blocks)
    assert the_verdict(report, datapath="ebpf_sk_assign").pairs == 6
    lost = the_verdict(report, datapath="direct")
    assert (lost.pairs, lost.ratio, lost.low) == (0, None, None)
    cell = next(r for r in report.results if r.datapath == "direct")
    assert (cell.compared, cell.pairs, cell.requests_per_s) == (False, 2, pytest.approx(100_000))
    assert cell.caveats == ("valid in 2 of 6 blocks only: its figures are of those, and it is not compared",)


def test_a_cell_without_a_valid_trial_says_for_what_most_of_them_are_invalid() -> None:
    blocks = [dict(b, ebpf_sk_assign=None) for b in pairs_with(2.0, 3)]
    report = reported(a_campaign("tproxy", "ebpf_sk_assign"), blocks)
    assert {r.datapath: r.invalid_for for r in report.results} == {"tproxy": None, "ebpf_sk_assign": Reason.BYPASSED}


def test_no_verdict_from_four_pairs_however_clear() -> None:
    verdict = the_verdict(reported(a_campaign("tproxy", "ebpf_sk_assign"), pairs_with(2.0, 4)))
    assert verdict.verdict is VerdictWord.TOO_FEW
    assert (verdict.ratio, verdict.low, verdict.p) == (None, None, None), "nor a ratio that looks like one"
    assert "only 4 pairs of valid trials; a verdict needs 5" in verdict.sentence


def test_only_accepted_attempts_count_but_all_invalid_trials_show() -> None:
    campaign = a_campaign("tproxy", "ebpf_sk_assign")
    attempts = [an_attempt(i, rates) for i, rates in enumerate(pairs_with(2.0, 5))]
    attempts.append(an_attempt(0, {"tproxy": 1e4, "ebpf_sk_assign": 1e9}, attempt=2, accepted=False))
    attempts.append(an_attempt(0, {"tproxy": None, "ebpf_sk_assign": 1e9}, attempt=3, accepted=False))
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
    assert {(v.ratio, v.low, v.p, v.pairs) for v in report.verdicts} == {(None, None, None, 0)}
    assert {v.verdict for v in report.verdicts} == {VerdictWord.TOO_FEW, VerdictWord.NONE}
    outcome = {"outcome": "nothing_measured", "outcome_sentence": "no trial is valid"}
    assert report.campaign == {"id": "x", "aa": None, "probe_tax": None, **outcome}


def test_cells_give_geometric_means_and_the_share_of_direct() -> None:
    blocks: list[Rates] = [{"tproxy": 40_000.0, "direct": 80_000.0}, {"tproxy": 90_000.0, "direct": 180_000.0}]
    tproxy, direct = reported(a_campaign("tproxy", "direct"), blocks * 3).results
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
                for i in range(5)]  # fmt: skip
    found = build_report(a_campaign(*rates), {}, attempts).results
    assert {one.datapath: (one.role, one.share_of_direct.value) for one in found} == {
        "tproxy": ("", pytest.approx(0.25)), "direct": ("", pytest.approx(0.5)), "ebpf_redirect": ("limit", 1.0)
    }  # fmt: skip


def test_a_second_copy_of_the_limit_is_not_the_limit() -> None:
    blocks = [{"direct": 100.0, "direct#2": 50.0}] * 5
    found = reported(a_campaign("direct", "direct"), blocks).results
    assert [(one.role, one.share_of_direct.value) for one in found] == [("limit", 1.0), ("", pytest.approx(0.5))]


def test_percentiles_are_read_from_merged_histograms() -> None:
    fast, slow = LatencyHistogram.of({100_000: 990}), LatencyHistogram.of({9_000_000: 10})
    attempts = [an_attempt(i, {"tproxy": 1e4}, service_time=h) for i, h in enumerate((fast, slow))]
    figures = build_report(a_campaign("tproxy"), {}, attempts).results[0].service_time_us
    assert (figures.p50, figures.p99, figures.p999) == pytest.approx((100, 100, 9000), rel=0.005)
    assert figures.count == 1000


def test_different_functions_have_no_winner() -> None:
    blocks = [{"tproxy": b["tproxy"], "ebpf_redirect": b["ebpf_sk_assign"]} for b in pairs_with(2.0, 6)]
    verdict = the_verdict(reported(a_campaign("tproxy", "ebpf_redirect"), blocks))
    assert (verdict.verdict, verdict.family, verdict.p) == (VerdictWord.NONE, Family.SHOWN, None)
    assert verdict.ratio == pytest.approx(2.0, rel=0.02)
    assert "no verdict, as forwarding is not proxying and has a price instead: 2.0" in verdict.sentence
    assert "faster" not in verdict.sentence


def test_a_sentence_has_ratio_simultaneous_interval_pairs_and_p() -> None:
    verdict = the_verdict(reported(a_campaign("tproxy", "ebpf_sk_assign"), pairs_with(2.0, 6)))
    interval = f"[{verdict.simultaneous_low:.3f}, {verdict.simultaneous_high:.3f}]"
    claim, figures = verdict.sentence.split(": ")
    assert claim == "ebpf_sk_assign is faster than tproxy at low (closed(8))"
    assert figures == (
        f"{verdict.ratio:.3f} × the requests/s {interval}, 6 pairs, p < 0.001 among 1 primary comparison."
    )
    assert verdict.caveats == ()


def test_copies_are_compared_with_their_original_and_counted() -> None:
    rng = np.random.default_rng(4)
    labels = ("direct", "tproxy", "tproxy#2")
    blocks = [{label: float(5e4 * np.exp(rng.normal(0, 0.1))) for label in labels} for _ in range(12)]
    report = reported(a_campaign("direct", "tproxy", "tproxy"), blocks)
    compared = {(v.datapath, v.reference): v.family for v in report.verdicts if v.metric is Metric.REQUESTS_PER_S}
    assert compared == {
        ("tproxy#2", "tproxy"): Family.PRIMARY,
        ("tproxy", "direct"): Family.SHOWN,
        ("tproxy#2", "direct"): Family.SHOWN,
    }
    copies = [v for v in report.verdicts if v.reference == "tproxy"]
    assert all(any(c.startswith("A/A") for c in v.caveats) for v in copies)
    assert report.campaign["aa"] == {"comparisons": 1, "false_positives": 0, "rate": 0.0, "intervals_without_1": 0}
    biased = [dict(b, **{"tproxy#2": b["tproxy"] * 1.5}) for b in blocks]
    found = reported(a_campaign("direct", "tproxy", "tproxy"), biased).campaign["aa"]
    assert (found["false_positives"], found["rate"]) == (1, 1.0)
