"""label, note, archive and delete, with a whole coordinator."""

import json

import pytest
from click.testing import CliRunner

from deploy.cli.errors import ExitCode
from deploy.cli.main import main


def invoke(*arguments, **more):
    return CliRunner().invoke(main, list(arguments), **more)


@pytest.fixture
def campaign(served):
    return served.submit()


@pytest.fixture
def ended(served, campaign):
    assert served.cancel(campaign).status_code == 200
    assert served.view(campaign)["state"] == "cancelled"
    return campaign


def test_labels_are_set_and_removed_and_others_stay(served, campaign):
    result = invoke("label", campaign, "kernel=6.12", "team = edge", "keep")
    assert (result.exit_code, result.stdout) == (
        0, f"labels of campaign {campaign}: keep, kernel=6.12, team=edge\n"
    ), result.output  # fmt: skip
    changed = invoke("label", campaign, "kernel=6.13", "--remove", "team", "--json")
    assert json.loads(changed.stdout)["labels"] == {"keep": "", "kernel": "6.13"}
    assert "labels: keep, kernel=6.13" in invoke("status", campaign).stdout
    assert campaign in invoke("status", "--label", "kernel=6.13").stdout
    assert campaign not in invoke("status", "--label", "kernel=6.12").stdout


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ((), ExitCode.USAGE, "give KEY=VALUE, or --remove KEY"),
        (("a=1", "a=2"), ExitCode.USAGE, "'a' is given twice"),
        (("a=1", "--remove", "a"), ExitCode.USAGE, "'a' is set and removed"),
        (("Kernel=6",), ExitCode.INVALID, "labels.Kernel"),
    ],
)
def test_labels_that_cannot_be_meant(served, campaign, arguments, code, message):
    result = invoke("label", campaign, *arguments)
    assert result.exit_code == code
    assert message in result.stderr
    assert served.view(campaign)["labels"] == {}


def test_a_note_is_written_shown_and_removed(served, campaign):
    assert invoke("note", campaign, "before the \x1b[31mupdate").exit_code == 0
    assert "note: before the \N{REPLACEMENT CHARACTER}[31mupdate" in invoke("status", campaign).stdout
    assert invoke("note", campaign, "").stdout == f"campaign {campaign} has no note\n"
    assert served.view(campaign)["note"] == ""


def test_the_archive_and_back(served, campaign):
    other = served.submit()
    assert invoke("archive", campaign, other).stdout.splitlines() == [
        f"campaign {campaign} is in the archive", f"campaign {other} is in the archive"
    ]  # fmt: skip
    assert campaign not in invoke("status").stdout
    assert campaign in invoke("status", "--archived").stdout
    assert "archived 1970-01-12" in invoke("status", campaign).stdout
    undone = json.loads(invoke("archive", campaign, "--undo", "--json").stdout)
    assert [one["archived_at"] for one in undone["campaigns"]] == [None]
    assert campaign in invoke("status").stdout


def test_delete_asks_at_a_terminal(served, ended, monkeypatch):
    monkeypatch.setattr("deploy.cli.keeping.at_terminal", lambda: True)
    refused = invoke("delete", ended, input="n\n")
    assert refused.exit_code == ExitCode.INTERRUPTED
    assert f"{ended} small: cancelled" in refused.stderr
    assert "Delete 1 campaign for good?" in refused.stderr
    assert served.view(ended)["state"] == "cancelled"
    agreed = invoke("delete", ended, input="y\n")
    assert agreed.exit_code == 0, agreed.output
    assert f"campaign {ended} (small) is deleted with 0 trials" in agreed.stdout
    assert served.get(f"campaigns/{ended}").status_code == 404


def test_without_a_terminal_delete_needs_yes(served, ended):
    refused = invoke("delete", ended)
    assert refused.exit_code == ExitCode.USAGE
    assert "add --yes" in refused.stderr
    assert served.view(ended)["state"] == "cancelled"
    assert json.loads(invoke("delete", ended, "--yes", "--json").stdout)["deleted"][0]["id"] == ended
    assert invoke("delete", ended).exit_code == 0, "again: its telemetry is tried again, and there is nothing to ask"


def test_a_campaign_that_cannot_be_deleted_keeps_the_others(served, ended):
    open_one = served.submit()
    for wrong, message in ((open_one, f"'showdown cancel {open_one}' ends it"), ("zzzzzzzz", "no campaign")):
        result = invoke("delete", ended, wrong, "--yes")
        assert result.exit_code == ExitCode.USAGE
        assert message in result.stderr
        assert served.view(ended)["state"] == "cancelled"


def test_status_says_who_did_what(served, campaign):
    invoke("label", campaign, "team=edge")
    invoke("cancel", campaign)
    shown = invoke("status", campaign).stdout
    assert "; submitted by owner; " in shown
    assert "label team=edge set 1970-01-12 13:46 UTC by owner" in shown
    assert "cancelled 1970-01-12 13:46 UTC by owner" in shown
