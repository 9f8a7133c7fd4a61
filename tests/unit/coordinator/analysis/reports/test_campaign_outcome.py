"""A cell without a figure is a result or is lost: the outcome and the command line say the same of every reason."""

import pytest

from coordinator.analysis.reports.campaign_outcome import outcome_of
from deploy.cli.shown.render import lost_cells
from domain.reports.outcome import Outcome
from domain.reports.report import CampaignReport
from domain.trials.reasons import EXPLANATIONS
from domain.trials.trial import Reason
from tests.unit.deploy.test_cli_render import cell

ANSWERS = {Reason.OVERLOADED, Reason.BEYOND_BOUND}


@pytest.mark.parametrize("reason", EXPLANATIONS)
def test_the_outcome_and_the_command_line_agree_about_a_reason(reason: Reason) -> None:
    measured = cell("direct", valid_trials=6)
    empty = cell("nft_rules", valid_trials=0, invalid_trials=6, invalid_for=reason)
    outcome = outcome_of({"state": "complete", "blocks_total": 6}, [measured, empty])
    assert outcome is not None
    assert (outcome.word is Outcome.ANSWERED) is (reason in ANSWERS)
    assert lost_cells(CampaignReport(campaign={}, results=(measured, empty))) == ([] if reason in ANSWERS else [empty])
