"""The chart over time begins with the stage that differs most between the datapaths."""

from typing import Any

import pytest
from flask.testing import FlaskClient

from coordinator.web.initial_stage import MOST, largest_parts, most_different
from domain.reports.explanation import Decomposition, Difference, StagePart
from domain.reports.report import CampaignReport
from tests.unit.coordinator.coordinator_app import CoordinatorApp
from tests.unit.coordinator.web.test_why_pages import measured


def part(stage: str, us: float, role: str = "", *, known: bool = False) -> StagePart:
    ends = {"low_us": us - abs(us) / 2, "high_us": us + abs(us) / 2} if known else {}
    return StagePart(stage=stage, role=role, us=us, **ends)


def cell(datapath: str, level: str, mean_us: float, *parts: StagePart) -> Decomposition:
    return Decomposition(
        datapath=datapath, workload="w", level=level, trials=5, mean_us=mean_us, parts=parts, unattributed_us=0
    )


def difference(level: str, *parts: StagePart, datapath: str = "tproxy", pairs: int = 5, **more: Any) -> Difference:
    return Difference(
        datapath=datapath,
        reference="direct",
        workload="w",
        level=level,
        pairs=pairs,
        mean_us=part("mean", 1),
        parts=parts,
        rest=part("rest", 1),
        **more,
    )


def report(decompositions: list[Decomposition], differences: list[Difference]) -> CampaignReport:
    empty = CampaignReport.model_construct()
    return empty.model_copy(update={"decompositions": tuple(decompositions), "differences": tuple(differences)})


MEANS = [cell("direct", "low", 100), cell("direct", "high", 10_000)]


def test_a_difference_is_as_large_as_its_share_of_the_references_mean() -> None:
    found = [
        difference("high", part("notify", 500, known=True)),  # 5 % of the mean there
        difference("low", part("device_hop", 3, "server", known=True), part("run_queue", -40, "proxy", known=True)),
    ]
    assert most_different(report(MEANS, found), "direct").split() == [
        "run_queue.proxy/w.low/tproxy",
        "notify./w.high/tproxy",
        "device_hop.server/w.low/tproxy",
    ]


def test_what_only_one_datapath_has_counts_and_the_wait_to_send_does_not() -> None:
    found = difference("low", part("send_wait", 90, known=True), only_datapath=(part("relay", 50, known=True),))
    assert most_different(report(MEANS, [found]), "direct") == "relay./w.low/tproxy"


def test_known_differences_precede_larger_ones_that_may_be_zero() -> None:
    found = difference("low", part("notify", 80), part("device_hop", 5, known=True))
    assert most_different(report(MEANS, [found]), "direct").split()[0] == "device_hop./w.low/tproxy"


def test_without_pairs_the_estimates_decide() -> None:
    cells = [
        cell("direct", "low", 100, part("device_hop", 10), part("notify", 30)),
        cell("tproxy", "low", 150, part("device_hop", 12), part("notify", 30), part("relay", 40, "to_origin")),
    ]
    few = difference("low", part("device_hop", 2, known=True), pairs=4)
    assert most_different(report(cells, [few]), "direct").split() == [
        "relay.to_origin/w.low/tproxy",
        "device_hop./w.low/tproxy",
    ]


@pytest.mark.parametrize("cells", [[], [cell("tproxy", "low", 1, part("notify", 1))], [cell("direct", "low", 0)]])
def test_nothing_to_compare_names_nothing(cells: list[Decomposition]) -> None:
    assert most_different(report(cells, []), "direct") == ""


def test_a_page_names_a_few_only() -> None:
    many = difference("low", *(part(f"stage_{number}", number + 1, known=True) for number in range(3 * MOST)))
    assert len(most_different(report(MEANS, [many]), "direct").split()) == MOST


def test_a_trial_begins_with_its_longest_stage() -> None:
    found = cell("tproxy", "low", 100, part("send_wait", 60), part("notify", 10), part("run_queue", 30, "proxy"))
    assert largest_parts(found) == "run_queue.proxy/w.low/tproxy notify./w.low/tproxy"


def test_the_pages_have_them(coordinator_app: CoordinatorApp, browser: FlaskClient) -> None:
    campaign_id = measured(coordinator_app)
    first = 'data-differs="proxy_residence.to_origin/http_keepalive.low/tproxy'
    assert first in browser.get(f"/campaigns/{campaign_id}/why").text
    trials = [browser.get(f"/trials/{campaign_id}-0-1-{position}").text for position in (0, 1)]
    assert sum(first in one for one in trials) == 1
