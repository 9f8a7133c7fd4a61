"""The cost of a condition: known ratios are found from blocks of the same turn."""

from dataclasses import replace

import pytest

from coordinator.analysis.reports.report import build_report
from coordinator.scheduling.records import AttemptRecord
from domain.campaigns.campaign import Campaign
from domain.loads.metric import Metric
from domain.reports.condition_cost import ConditionCost
from domain.reports.report import CampaignReport
from domain.trials.trial import Finding, Reason, Validity
from tests.unit.coordinator.analysis.results import a_campaign, an_attempt

CONDITIONS = {"plain": "", "ruled": "ballast(1000)"}
HOST_NOISE = (1.0, 0.5, 2.0, 0.8, 1.3, 1.1, 0.9)  # the host's speed in each round
COSTS = {"direct": 0.5, "ebpf_redirect": 1.0}


def the_campaign(**more: object) -> Campaign:
    return a_campaign(*COSTS, conditions=CONDITIONS, **more)


def rounds(count: int = 6) -> list[AttemptRecord]:
    """Rounds of a plain and a ruled block, in alternating order."""
    attempts = []
    for turn in range(count):
        for place, ruled in enumerate((turn % 2 == 0, turn % 2 == 1)):
            rates = {name: 50_000 * HOST_NOISE[turn] * (cost if ruled else 1.0) for name, cost in COSTS.items()}
            level = "low_ruled" if ruled else "low_plain"
            attempts.append(an_attempt(2 * turn + place, rates, level=level))
    return attempts


def report(attempts: list[AttemptRecord], campaign: Campaign | None = None) -> CampaignReport:
    return build_report(campaign or the_campaign(), {"id": "k3f9x2ab"}, attempts)


def cost(found: CampaignReport, datapath: str, metric: Metric = Metric.REQUESTS_PER_S) -> ConditionCost:
    (one,) = [c for c in found.condition_costs if c.datapath == datapath and c.metric is metric]
    return one


def test_host_noise_cancels_within_paired_turns() -> None:
    found = report(rounds())
    for name, ratio in COSTS.items():
        one = cost(found, name)
        assert (one.level, one.plain, one.pairs) == ("low_ruled", "low_plain", 6)
        assert (one.ratio, one.low, one.high) == pytest.approx((ratio, ratio, ratio), rel=1e-4)
        assert cost(found, name, Metric.CPU_US_PER_REQUEST).ratio == pytest.approx(1 / ratio, rel=1e-4)


def test_a_block_that_failed_leaves_the_others_in_their_turns() -> None:
    attempts = rounds()
    lost = next(a for a in attempts if a.level == "low_plain" and a.block_index > 1)
    attempts[attempts.index(lost)] = replace(lost, accepted=False, result=None, state="failed", reason="no lab")
    one = cost(report(attempts), "direct")
    assert one.pairs == 5
    assert (one.low, one.high) == pytest.approx((0.5, 0.5), rel=1e-4)


def test_the_accepted_attempt_of_several_counts_and_invalid_trials_do_not() -> None:
    attempts = rounds()
    first = attempts[0]
    attempts.insert(0, replace(an_attempt(0, dict.fromkeys(COSTS, 1.0), level=first.level, accepted=False)))
    attempts[1] = replace(first, attempt=2)
    attempts[2] = an_attempt(1, {"direct": None, "ebpf_redirect": 50_000}, level=attempts[2].level)
    found = report(attempts)
    assert cost(found, "direct").pairs == 5
    assert cost(found, "direct").ratio == pytest.approx(0.5, rel=1e-4)
    assert cost(found, "ebpf_redirect").pairs == 6


def test_a_disturbed_block_counts_for_no_datapath() -> None:
    attempts = rounds()
    assert attempts[0].result is not None
    first, *others = attempts[0].result.trials
    noisy = first.model_copy(update={"validity": Validity(findings=(Finding(reason=Reason.STEAL, detail="9 %"),))})
    result = attempts[0].result.model_copy(update={"trials": (noisy, *others)})
    attempts[0] = replace(attempts[0], result=result)
    assert {one.pairs for one in report(attempts).condition_costs} == {5}


def test_blocks_of_different_hosts_are_no_pair() -> None:
    attempts = [
        replace(a, host="other") if a.level == "low_ruled" and a.block_index < 4 else a for a in rounds(7)
    ]  # fmt: skip
    found = report(attempts)
    assert {c.pairs for c in found.condition_costs} == {5}


@pytest.mark.parametrize(
    "more", [{"conditions": {"ruled": "ballast(9)"}}, {"conditions": {"plain": ""}}, {"levels": {"low": "closed(8)"}}]
)
def test_without_the_plain_level_or_a_condition_there_is_nothing_to_tell(more: dict[str, object]) -> None:
    campaign = a_campaign(*COSTS, **more)
    attempts = [an_attempt(i, dict.fromkeys(COSTS, 9.0), level=next(iter(campaign.levels))) for i in range(5)]
    assert report(attempts, campaign).condition_costs == ()


def test_other_loads_are_not_compared() -> None:
    campaign = a_campaign(*COSTS, levels={"low_plain": "closed(8)", "low_ruled": "closed(9) under ballast(9)"})
    assert report(rounds(), campaign).condition_costs == ()
