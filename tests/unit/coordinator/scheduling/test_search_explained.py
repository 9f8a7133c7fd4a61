"""A search without a figure: a result, or a cell that is lost."""

from dataclasses import replace

import pytest

from coordinator.analysis.trials.searched import is_left_open
from coordinator.scheduling.likelihood import RateTrials
from coordinator.scheduling.saturation import Goal, Search
from coordinator.scheduling.step_result import Aim
from deploy.cli.shown.render import lost_cells
from domain.loads.load import CapacityLoad
from domain.reports.report import CampaignReport
from domain.trials.trial import Reason
from tests.unit.coordinator.coordinator_app import CoordinatorApp
from tests.unit.coordinator.scheduling.test_search_flow import THRESHOLDS, step, submit


@pytest.mark.parametrize("lost", [False, True])
def test_a_goal_that_is_missed_at_every_rate_is_a_result_and_host_noise_is_none(
    coordinator_app: CoordinatorApp, monkeypatch: pytest.MonkeyPatch, lost: bool
) -> None:
    monkeypatch.setitem(THRESHOLDS, "tproxy", 1)
    coordinator_app.register()
    campaign_id = submit(coordinator_app)
    coordinator_app.wait(1, present=("h1",))
    step(coordinator_app)
    while coordinator_app.view(campaign_id)["state"] in ("queued", "running"):
        coordinator_app.wait(1, present=("h1",))
        step(coordinator_app, reasons={"tproxy": ("steal",)} if lost else None)
    report = CampaignReport.model_validate(coordinator_app.get(f"campaigns/{campaign_id}/report").json)
    cell = next(cell for cell in report.results if cell.datapath == "tproxy")
    assert (cell.valid_trials, cell.invalid_for) == (0, None if lost else Reason.OVERLOADED)
    assert (cell in lost_cells(report)) is lost


def test_a_search_whose_trials_leave_it_open_is_a_result_and_one_without_trials_is_none() -> None:
    goal = Goal(Aim(CapacityLoad(p99_us=5_000)), 0.02)
    trials = RateTrials(10_000, 2, 1), RateTrials(20_000, 1, 2), RateTrials(40_000, 1, 2)
    ended = Search(8_000.0, 50_000.0, goal, trials, steps=goal.steps)
    assert ended.figure_per_s is None
    assert "leave it open" in ended.why_none
    assert is_left_open([ended])
    assert not is_left_open([ended, replace(ended, lost="steal, 9 %")])
    assert not is_left_open([replace(ended, trials=())])
    assert not is_left_open([])
