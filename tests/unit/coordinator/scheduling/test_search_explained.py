"""A search without a figure: a result, or a cell that is lost."""

import pytest

from deploy.cli.render import lost_cells
from domain.report import CampaignReport
from domain.trial import Reason
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
