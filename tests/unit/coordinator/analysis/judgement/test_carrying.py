"""Overloaded is a result: it is counted per cell, and tested per pair of datapaths."""

import numpy as np
import pytest
from scipy.stats import binomtest, fisher_exact

from coordinator.analysis.judgement.carrying import carried_up_to, carrying_of, clopper_pearson, fisher_p
from coordinator.analysis.levels.ladder import ladders
from coordinator.analysis.reports.report import build_report
from coordinator.analysis.trials.campaign_results import CampaignResults
from coordinator.analysis.trials.digest import trial_digest
from coordinator.analysis.trials.outcome import is_carried
from coordinator.scheduling.records import AttemptRecord
from domain.campaigns.campaign import Campaign
from domain.reports.carrying import Carrying
from domain.reports.report import CampaignReport
from domain.reports.verdict_words import CarryingWord
from domain.trials.histogram import LatencyHistogram
from domain.trials.trial import BlockResult, Finding, Reason, SliceResult, TrialResult, Validity
from tests.unit.coordinator.analysis.results import a_campaign, a_trial

BUSY = {"busy": "open(20000)"}
CARRIED: tuple[Reason, ...] = ()
OVERLOADED = (Reason.OVERLOADED,)
Outcomes = dict[str, tuple[Reason, ...]]


def trial(label: str, reasons: tuple[Reason, ...], level: str = "busy") -> TrialResult:
    over = Reason.OVERLOADED in reasons
    findings = tuple(Finding(reason=reason, detail="made up") for reason in reasons)
    return a_trial(
        label,
        20_000,
        level,
        due=2_000_000,
        delivered=1_500_000 if over else 2_000_000,
        censored=500_000 if over else 0,
        latency=LatencyHistogram.of({100_000_000: 2000} if over else {300_000: 2000}),
    ).model_copy(update={"validity": Validity(findings=findings)})


def report_of(campaign: Campaign, blocks: list[Outcomes], level: str = "busy") -> CampaignReport:
    return build_report(campaign, {"id": "k3f9x2ab"}, attempts_of(blocks, level))


def attempts_of(blocks: list[Outcomes], level: str = "busy", first: int = 0) -> list[AttemptRecord]:
    found = []
    for index, outcomes in enumerate(blocks, start=first):
        trials = tuple(trial(label, reasons, level) for label, reasons in outcomes.items())
        result = BlockResult(host="one", trials=trials, wall_s=1)
        found.append(AttemptRecord(index, f"k-{index}", "http_keepalive", level, 1, "one", "done", "", True, result))
    return found


def only(report: CampaignReport) -> Carrying:
    (statement,) = report.carrying
    return statement


SIX_TO_NONE: list[Outcomes] = [{"tproxy": OVERLOADED, "ebpf_redirect": CARRIED}] * 6
PAIR = a_campaign("tproxy", "ebpf_redirect", levels=BUSY)


def test_six_of_six_against_none_is_decided() -> None:
    found = only(report_of(PAIR, SIX_TO_NONE))
    assert (found.datapath, found.reference, found.word) == ("ebpf_redirect", "tproxy", CarryingWord.CARRIES)
    assert (found.carried, found.reference_carried, found.blocks) == (6, 0, 6)
    assert found.p == pytest.approx(2 / 924)
    assert found.sentence == (
        "tproxy does not carry 20,000/s at busy in 6 of 6 blocks; ebpf_redirect carries it in 6 of 6 "
        "(Fisher's exact test, p = 0.0022)."
    )


def test_the_word_is_that_of_the_first_of_the_two() -> None:
    turned = a_campaign("tproxy", "ebpf_redirect", levels=BUSY, reference="ebpf_redirect")
    found = only(report_of(turned, SIX_TO_NONE))
    assert (found.datapath, found.word, found.carried) == ("tproxy", CarryingWord.DOES_NOT_CARRY, 0)


def test_three_blocks_decide_nothing() -> None:
    found = only(report_of(PAIR, SIX_TO_NONE[:3]))
    assert found.word is CarryingWord.UNCLEAR
    assert found.sentence == (
        "ebpf_redirect carries 20,000/s at busy in 3 of 3 blocks, tproxy in 0 of 3: unclear "
        "(Fisher's exact test, p = 0.1)."
    )


def test_an_equal_outcome_has_no_p() -> None:
    both: list[Outcomes] = [{"tproxy": OVERLOADED, "ebpf_redirect": OVERLOADED}] * 6
    found = only(report_of(PAIR, both))
    assert (found.p, found.word, found.comparisons, found.is_plain) == (None, CarryingWord.UNCLEAR, 0, False)
    assert found.sentence == "neither ebpf_redirect nor tproxy carries 20,000/s at busy in any of 6 blocks."
    assert only(report_of(PAIR, [{"tproxy": CARRIED, "ebpf_redirect": CARRIED}] * 6)).is_plain


@pytest.mark.parametrize(
    ("reasons", "word"),
    [
        (CARRIED, True),
        (OVERLOADED, False),
        ((Reason.OVERLOADED, Reason.ERRORS), False),
        ((Reason.ERRORS,), False),
        ((Reason.NO_REQUESTS,), False),
        ((Reason.ERRORS, Reason.BYPASSED), None),
        ((Reason.STEAL,), None),
        ((Reason.OVERLOADED, Reason.STEAL), None),
        ((Reason.OVERLOADED, Reason.BYPASSED), None),
        ((Reason.OVERLOADED, Reason.DROPS), False),
        ((Reason.DROPS,), None),
        ((Reason.OTHER_FINGERPRINT,), None),
    ],
)
def test_only_outcomes_speak_of_the_load(reasons: tuple[Reason, ...], word: bool | None) -> None:
    assert is_carried(trial_digest(trial("tproxy", reasons))) is word


def test_a_result_that_does_not_say_what_was_due_counts_for_nothing() -> None:
    assert is_carried(trial_digest(a_trial("tproxy", 20_000))) is None


def test_noise_takes_the_block_from_both_and_a_failed_proof_too() -> None:
    noisy: Outcomes = {"tproxy": OVERLOADED, "ebpf_redirect": (Reason.STEAL,)}
    unproven: Outcomes = {"tproxy": OVERLOADED, "ebpf_redirect": (Reason.BYPASSED,)}
    report = report_of(PAIR, [*SIX_TO_NONE, noisy, unproven])
    assert only(report).blocks == 6
    tproxy = next(cell for cell in report.results if cell.datapath == "tproxy")
    assert tproxy.carried_in is not None
    assert (tproxy.carried_in.blocks, tproxy.carried_in.of) == (0, 7), "the failed proof of another says nothing of it"


def test_blocks_with_errors_alone_count_as_not_carried() -> None:
    """Left out, they would make the datapath that refuses requests look better than it is."""
    some: list[Outcomes] = [{"tproxy": (Reason.ERRORS,), "ebpf_redirect": CARRIED}] * 4
    report = report_of(PAIR, [*some, *SIX_TO_NONE[:2]])
    assert (only(report).carried, only(report).reference_carried, only(report).blocks) == (6, 0, 6)
    tproxy = next(cell for cell in report.results if cell.datapath == "tproxy")
    assert tproxy.carried_in is not None
    assert tproxy.overloaded is not None
    assert (tproxy.carried_in.blocks, tproxy.carried_in.of, tproxy.overloaded.trials) == (0, 6, 6)


def test_ps_are_adjusted_over_the_comparisons_that_can_be_decided() -> None:
    campaign = a_campaign("tproxy", "ebpf_redirect", levels=BUSY | {"calm": "open(100)", "full": "open(30000)"})
    calm: list[Outcomes] = [{"tproxy": CARRIED, "ebpf_redirect": CARRIED}] * 6
    full: list[Outcomes] = [{"tproxy": OVERLOADED, "ebpf_redirect": OVERLOADED}] * 5
    full += [{"tproxy": OVERLOADED, "ebpf_redirect": CARRIED}]
    attempts = [*attempts_of(SIX_TO_NONE), *attempts_of(calm, "calm", 6), *attempts_of(full, "full", 12)]
    found = {one.level: one for one in build_report(campaign, {"id": "k"}, attempts).carrying}
    assert {level: one.comparisons for level, one in found.items()} == {"busy": 2, "calm": 2, "full": 2}
    assert found["busy"].p == pytest.approx(2 * 2 / 924)
    assert found["busy"].p_alone == pytest.approx(2 / 924)
    assert "p = 0.0043 among 2 comparisons" in found["busy"].sentence
    assert (found["full"].p, found["full"].word) == (1.0, CarryingWord.UNCLEAR)


def test_equal_datapaths_get_a_word_in_at_most_five_percent_of_campaigns() -> None:
    """Also where a block disturbs all datapaths alike."""
    rng = np.random.default_rng(1)
    labels = ["tproxy", "ebpf_sk_assign", "ebpf_redirect", "direct"]
    campaign = a_campaign(*labels, levels=BUSY)
    false = 0
    for _ in range(200):
        block_shares = rng.beta(1, 1, 8)
        blocks: list[Outcomes] = [
            {label: CARRIED if rng.random() < share else OVERLOADED for label in labels} for share in block_shares
        ]
        data = CampaignResults(campaign, attempts_of(blocks), 1, {})
        words = {one.word for one in carrying_of(data)}
        false += words != {CarryingWord.UNCLEAR}
    assert false <= 10


def test_the_overloaded_trials_are_kept_and_shown() -> None:
    tproxy, redirect = report_of(PAIR, SIX_TO_NONE).results
    assert tproxy.overloaded is not None
    assert (tproxy.overloaded.trials, tproxy.overloaded.censored_share) == (6, 1.0)
    assert tproxy.overloaded.p99_us == pytest.approx(100_000, rel=1e-3)
    assert (tproxy.overloaded.delivered_per_s, tproxy.overloaded.due_per_s) == (15_000, 20_000)
    assert tproxy.overloaded.cpus_used == 2.0
    assert (tproxy.latency_p99_us, tproxy.latency_us) == (None, None), "they are compared with nothing"
    assert (redirect.overloaded, redirect.caveats) == (None, ())


def test_figures_of_some_blocks_say_that_the_others_were_overloaded() -> None:
    some: list[Outcomes] = [{"tproxy": OVERLOADED, "ebpf_redirect": CARRIED}] * 2
    some += [{"tproxy": CARRIED, "ebpf_redirect": CARRIED}] * 4
    tproxy = report_of(PAIR, some).results[0]
    assert any(one.startswith("load not carried in 2 of 6 blocks, with a p99 of at least") for one in tproxy.caveats)


def test_a_closed_level_has_no_load_to_carry() -> None:
    report = report_of(a_campaign("tproxy", "direct"), [{"tproxy": CARRIED, "direct": CARRIED}] * 5, "low")
    assert report.carrying == ()
    assert report.results[0].carried_in is None


@pytest.mark.parametrize(("carried", "count"), [(0, 6), (6, 6), (3, 6), (1, 1), (19, 20)])
def test_the_interval_of_a_share_is_exact(carried: int, count: int) -> None:
    exact = binomtest(carried, count).proportion_ci(0.95, method="exact")
    assert clopper_pearson(carried, count) == pytest.approx((exact.low, exact.high))


def test_the_p_is_that_of_scipy() -> None:
    rng = np.random.default_rng(2)
    for _ in range(200):
        a, b, c, d = (int(one) for one in rng.integers(0, 12, 4))
        assert fisher_p(a, b, c, d) == pytest.approx(fisher_exact([[a, b], [c, d]]).pvalue)


RAMP = {"busy": "open(1000, 2000, 3000, steps)"}


def step(per_s: int, delivered: int, **more: object) -> SliceResult:
    counts = {"requests": delivered, "delivered": delivered, "due": per_s, "connections": 8, "bytes_received": 0}
    return SliceResult(started_s=0.0, duration_s=1.0, **counts, **more)


def stepped(label: str, *slices: SliceResult, reasons: tuple[Reason, ...] = OVERLOADED) -> TrialResult:
    return trial(label, reasons).model_copy(update={"slices": slices})


def test_where_the_rate_changes_the_highest_carried_one_counts() -> None:
    up_to_2000 = stepped("tproxy", step(3000, 2100), step(1000, 1000), step(2000, 1990))
    up_to_1000 = stepped("tproxy", step(1000, 1000), step(2000, 1800), step(3000, 3000))
    nothing = stepped("tproxy", step(1000, 500), step(2000, 2000), step(3000, 3000))
    everything = stepped("tproxy", step(1000, 995), step(3000, 3000), reasons=CARRIED)
    noisy = stepped("tproxy", step(3000, 3000), reasons=(Reason.STEAL,))
    assert carried_up_to([trial_digest(noisy)]) is None
    found = carried_up_to([*map(trial_digest, (up_to_2000, up_to_1000, nothing, everything, noisy))])
    assert found is not None
    assert (found.blocks, found.median_per_s, found.lowest_per_s, found.highest_per_s) == (4, 1500, 0, 3000)
    assert (found.whole, found.text) == (1, "1,500 (0 – 3,000 in 4 blocks, all of it in 1)")
    whole = carried_up_to([trial_digest(everything)] * 2)
    assert whole is not None
    assert whole.text == "all of it (2 of 2 blocks)"


def test_a_slice_that_filled_the_host_ends_what_was_carried() -> None:
    slices = step(1000, 1000), step(2000, 2000, carried=False), step(3000, 3000)
    for reasons in (OVERLOADED, CARRIED):  # one slice alone does not make the trial overloaded
        found = carried_up_to([trial_digest(stepped("tproxy", *slices, reasons=reasons))])
        assert found is not None
        assert (found.highest_per_s, found.whole) == (1000, 0)


def test_watched_slices_are_no_part_of_the_profile() -> None:
    watched = stepped("tproxy", step(1000, 1000), step(2000, 100, probed=True), step(3000, 100, profiled=True))
    found = carried_up_to([trial_digest(watched)])
    assert found is not None
    assert found.median_per_s == 1000


def test_a_level_whose_rate_changes_has_figures_and_statements_but_no_verdict() -> None:
    campaign = a_campaign("tproxy", "ebpf_sk_assign", levels=RAMP, slices=12)
    blocks: list[Outcomes] = [{"tproxy": OVERLOADED, "ebpf_sk_assign": CARRIED}] * 6
    report = report_of(campaign, blocks)
    assert (report.verdicts, report.prices) == ((), ())
    assert only(report).sentence.startswith(
        "tproxy does not carry all of open(1000, 2000, 3000, steps) at busy in 6 of 6 blocks; ebpf_sk_assign"
    )
    tproxy, sk_assign = report.results
    assert sk_assign.cpu_us_per_request is not None
    assert tproxy.carried_up_to is not None
    assert report_of(PAIR, SIX_TO_NONE).results[0].carried_up_to is None


def test_a_copy_is_named_as_one() -> None:
    blocks: list[Outcomes] = [{"tproxy": OVERLOADED, "tproxy#2": CARRIED}] * 6
    found = only(report_of(a_campaign("tproxy", "tproxy", levels=BUSY), blocks))
    assert found.sentence.endswith("(Fisher's exact test, p = 0.0022; note: A/A, the same datapath twice).")


def test_a_level_whose_rate_changes_is_no_rung_of_a_ladder() -> None:
    rungs = {f"at_{rate}": f"open({rate})" for rate in (1000, 2000, 4000)}
    campaign = a_campaign("tproxy", "direct", levels=rungs | RAMP, slices=12)
    (ladder,) = ladders(CampaignResults(campaign, [], 1, {}))
    assert [rate for rate, _ in ladder.rungs] == [1000, 2000, 4000]
