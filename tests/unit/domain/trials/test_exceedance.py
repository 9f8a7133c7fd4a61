"""Shares of slow requests of a trial."""

import pytest

from domain.trials.exceedance import has_shares, percents_over
from domain.trials.histogram import LatencyHistogram
from domain.trials.trial import Finding, Reason, TrialResult, Validity

LATENCY = LatencyHistogram.of({300_000: 900, 2_000_000: 60, 8_000_000: 30, 50_000_000: 10})


def trial(*reasons: Reason, **more: object) -> TrialResult:
    findings = tuple(Finding(reason=reason, detail="") for reason in reasons)
    facts = {"latency": LATENCY, "duration_s": 1.0, "requests": 1000, "due": 1000} | more
    return TrialResult(
        datapath="direct", function="forward", workload="http_keepalive", level="low",
        validity=Validity(findings=findings), **facts,
    )  # fmt: skip


def test_a_histogram_counts_what_is_longer() -> None:
    assert LATENCY.counts_over([0, 1e6, 5e6, 20e6, 1e9]) == (1000, 100, 40, 10, 0)
    assert LatencyHistogram.decode(LATENCY.encode()).counts_over([5e6]) == (40,)
    assert LatencyHistogram().counts_over([1e6]) == (0,)


def test_shares_are_of_the_due_requests() -> None:
    assert percents_over(trial(), (1, 5, 20)) == pytest.approx((10, 4, 1))
    # What was due and has no time took longer than anything: 250 of 1,250.
    assert percents_over(trial(due=1250), (1, 5, 20)) == pytest.approx((28, 23.2, 20.8))
    assert percents_over(trial(due=None), (20,)) == pytest.approx((1,)), "results of older versions"
    assert percents_over(trial(latency=None), (20,)) is None


@pytest.mark.parametrize(
    ("reasons", "counts"),
    [
        ((), True),
        ((Reason.OVERLOADED,), True),
        ((Reason.ERRORS, Reason.OVERLOADED), True),
        ((Reason.BYPASSED,), False),
        ((Reason.OVERLOADED, Reason.STEAL), False),
        ((Reason.OTHER_FINGERPRINT,), False),
    ],
)
def test_an_overloaded_trial_is_a_result_and_an_unproven_one_is_none(reasons: tuple[Reason, ...], counts: bool) -> None:
    assert has_shares(trial(*reasons)) is counts
    assert (percents_over(trial(*reasons), (5,)) is not None) is counts
