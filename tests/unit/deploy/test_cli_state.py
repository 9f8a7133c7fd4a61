"""A campaign's outcome and trials on the command line, and the command that explains reasons."""

import json

import pytest
from click.testing import CliRunner

from deploy.cli.errors import CampaignPaused, ExitCode
from deploy.cli.explain import explain
from deploy.cli.shown.progress import follow, trials_text
from deploy.cli.shown.state import trial_lines
from domain.reports.outcome import state_text

BUSY = [{"name": "python3", "share": 0.18}, {"name": "cc1", "share": 0.04}]
TALLY = {
    "valid": 2,
    "invalid": 1046,
    "reasons": {"interference": 1040, "steal": 6},
    "retries": [{"block": 1, "attempt": 2, "host": "h1", "reason": "steal: the hypervisor took 9.0 % of the CPUs"}],
    "retried": 18,
    "busiest": BUSY,
}


@pytest.mark.parametrize(
    ("campaign", "text"),
    [
        ({"state": "complete", "outcome": "nothing_measured"}, "complete, nothing measured"),
        ({"state": "complete", "outcome": "answered"}, "complete, answered"),
        ({"state": "cancelled", "outcome": "cancelled"}, "cancelled"),
        ({"state": "running", "outcome": None, "paused": "why"}, "running, paused"),
        ({"state": "complete"}, "complete"),  # of an earlier coordinator
    ],
)
def test_the_state_has_its_outcome(campaign, text):
    assert state_text(campaign) == text


def test_status_says_what_came_of_the_trials():
    lines = list(trial_lines({"id": "k3f9x2ab", "tally": TALLY, "paused": "no valid trial"}))
    assert lines == [
        "paused: no valid trial",
        "to go on: showdown resume k3f9x2ab; to end it: showdown cancel k3f9x2ab",
        "trials: 2 valid, 1,046 invalid (interference 1,040, steal 6; see showdown explain REASON)",
        "measured again: 18; last block 1, attempt 2: steal: the hypervisor took 9.0 % of the CPUs",
        "busiest foreign processes: python3 18 %, cc1 4.0 % of the CPUs",
    ]
    assert list(trial_lines({"state": "complete"})) == []


def test_progress_counts_invalid_trials():
    assert trials_text({"tally": TALLY}) == "1,046 of 1,048 trials invalid (interference 1,040, steal 6)"
    assert trials_text({"tally": {"valid": 3}}) == trials_text({}) == ""


class Paused:
    """A coordinator with one paused campaign."""

    def campaign(self, campaign_id):
        return {"state": "running", "paused": "no valid trial", "blocks_done": 6, "blocks_total": 9,
                "campaign": {}, "progress": {"cell": None, "left_s": None, "exactness": None}}  # fmt: skip

    def readiness(self):
        raise AssertionError("the first look is later")


class Shown:
    def show(self, campaign):
        self.last = campaign

    def say(self, text):
        raise AssertionError(text)


def test_waiting_for_a_campaign_ends_when_it_pauses():
    with pytest.raises(CampaignPaused, match="'showdown resume k3f9x2ab' goes on") as paused:
        follow(Paused(), "k3f9x2ab", Shown(), sleep=lambda _: pytest.fail("it waits"))
    assert (paused.value.exit_code, paused.value.reason) == (ExitCode.INCOMPLETE, "no valid trial")


def test_explain_says_meaning_cause_and_remedy():
    said = CliRunner().invoke(explain, ["Probe-Loss"]).stdout
    assert "reason     probe_loss" in said
    assert "remedy     Use fewer probes at once, or a lower load." in said
    (found,) = json.loads(CliRunner().invoke(explain, ["steal", "--json"]).stdout)["reasons"]
    assert (found["class"], found["then"]) == ("environment", "the block is measured again, up to three attempts.")
    assert "interference" in CliRunner().invoke(explain, []).stdout
    wrong = CliRunner().invoke(explain, ["interferance"])
    assert (wrong.exit_code, "did you mean interference?" in wrong.output) == (ExitCode.USAGE, True)
