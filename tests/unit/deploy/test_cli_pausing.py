"""pause and resume of one campaign, and a command that waits while a user has paused it."""

import json

import pytest
from click.testing import CliRunner

from deploy.cli.errors import CampaignPaused
from deploy.cli.pausing import pause, resume
from deploy.cli.shown.progress import follow
from domain.reports.outcome import PAUSED_BY_USER
from tests.unit.deploy.test_cli_remote import fake, view  # noqa: F401

ID = "k3f9x2ab"


@pytest.mark.parametrize(
    ("command", "verb", "answer", "said"),
    [
        (pause, "pause", {"state": "running", "paused": PAUSED_BY_USER}, "is running, paused"),
        (pause, "pause", {"state": "complete"}, "is complete, so there is nothing to pause"),
        (resume, "resume", {"state": "running"}, "is running"),
    ],
)
def test_each_asks_once_and_says_what_the_campaign_does_now(fake, command, verb, answer, said):  # noqa: F811
    fake.more = {("POST", f"campaigns/{ID}/{verb}"): (200, view(answer["state"]) | answer)}
    result = CliRunner().invoke(command, [ID])
    assert (result.exit_code, result.stdout) == (0, f"campaign {ID} {said}\n")
    assert fake.requests == [("POST", f"campaigns/{ID}/{verb}")]
    assert json.loads(CliRunner().invoke(command, [ID, "--json"]).stdout)["state"] == answer["state"]


class PausedFor:
    """A coordinator whose campaign is paused for two looks, then complete."""

    def __init__(self, why):
        self.looks = [why, why, ""]

    def campaign(self, campaign_id):
        why = self.looks.pop(0)
        return {"id": campaign_id, "state": "running" if why else "complete", "paused": why}

    def readiness(self):
        raise AssertionError("the first look is later")


class Shown:
    def show(self, campaign):
        self.last = campaign


def test_waiting_goes_on_while_a_user_has_paused_the_campaign():
    coordinator = PausedFor(PAUSED_BY_USER)
    assert follow(coordinator, ID, Shown(), sleep=lambda _: None) == "complete"
    assert coordinator.looks == []
    with pytest.raises(CampaignPaused):
        follow(PausedFor("no valid trial"), ID, Shown(), sleep=lambda _: None)
