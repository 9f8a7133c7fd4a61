"""The report says how the generator drove open levels: arrivals, the limit of requests in flight, and its priority."""

import pytest

from coordinator.analysis.reports.report import build_report
from coordinator.scheduling.records import AttemptRecord
from domain.hosts.placement import GENERATOR_PRIORITY
from tests.unit.coordinator.analysis.results import a_campaign, an_attempt, ran_with

RATES = {"half": "open(1000)", "busy": "open(2000)"}
REAL_TIME = "real-time (SCHED_RR)"


def ran(index: int, level: str, in_flight: int | None = 512, priority: str = REAL_TIME) -> AttemptRecord:
    """A block with a valid trial of each datapath."""
    attempt = an_attempt(index, {"direct": 900, "tproxy": 900}, level=level, in_flight=in_flight)
    return ran_with(attempt, {"kernel": "6.18", GENERATOR_PRIORITY: priority})


@pytest.mark.parametrize(
    ("levels", "limits", "text"),
    [
        (RATES, {}, f"Poisson arrivals, at most 512 requests in flight; priority: {REAL_TIME}"),
        (RATES | {"n": "closed(8)"}, {}, f"Poisson arrivals, at most 512 requests in flight; priority: {REAL_TIME}"),
        (
            {"half": "open(1000, constant)", "busy": "open(2000)"},
            {"busy": 16},
            "half: constant arrivals, at most 512 requests in flight; busy: Poisson arrivals, at most 16 requests in "
            f"flight; priority: {REAL_TIME}",
        ),
        (RATES, {"half": None, "busy": None}, f"Poisson arrivals; priority: {REAL_TIME}"),
        ({"half": "open(1000, poisson, in_flight<=64)"}, {"half": None}, f"Poisson arrivals; priority: {REAL_TIME}"),
        ({"n": "closed(8)"}, {}, ""),
    ],
)
def test_levels_that_are_driven_alike_are_said_once(
    levels: dict[str, str], limits: dict[str, int | None], text: str
) -> None:
    blocks = [ran(index, level, limits.get(level, 512)) for index, level in enumerate(levels)]
    report = build_report(a_campaign("direct", "tproxy", levels=levels), {"id": "k3f9x2ab"}, blocks)
    assert report.generator == text


def test_hosts_with_different_priorities_are_both_named() -> None:
    """Their fingerprints differ, so only one of them is analysed."""
    refused = "the usual one: SCHED_RR is refused (Operation not permitted)"
    blocks = [ran(at, "half", priority=one) for at, one in enumerate([REAL_TIME, REAL_TIME, refused])]
    report = build_report(a_campaign("direct", "tproxy", levels=RATES), {"id": "k3f9x2ab"}, blocks)
    assert report.generator.endswith(f"; priority: {REAL_TIME}; or {refused}")
    assert report.left_out, "blocks of another priority are not pooled"
