"""``showdown notice``, with a whole coordinator."""

import json

import pytest
from click.testing import CliRunner

from deploy.cli.errors import ExitCode
from deploy.cli.main import main
from tests.unit.coordinator.coordinator_app import CoordinatorApp
from tests.unit.coordinator.watched_series import HOOK, SETTINGS


@pytest.fixture
def coordinator_app(tmp_path):
    app = CoordinatorApp(tmp_path, **SETTINGS)
    yield app
    app.close()


def invoke(*arguments):
    return CliRunner().invoke(main, ["notice", *arguments], env={"COLUMNS": "200"})


def test_a_notice_from_its_addition_to_its_removal(served):
    assert "'showdown notice add' adds one" in invoke("list").stdout
    added = invoke("add", "--on", "failed", "--name", "nightly", "--label", "team=edge", "--webhook", HOOK)
    assert added.exit_code == 0, added.output
    words = "a campaign named nightly with the label team=edge fails, measures nothing, or does not meet an expectation"
    assert f"when {words}; webhook {HOOK}\n" in added.stdout
    every = json.loads(invoke("add", "--email", "ops@example.com", "--json").stdout)
    assert (every["occasion"], every["email"]) == ("ended", ["ops@example.com"])
    campaign_id = served.submit()
    served.cancel(campaign_id)
    served.wait(1, present=("h1",))
    shown = invoke("show", every["id"]).stdout
    assert f"campaign {campaign_id}: small is cancelled" in shown
    assert "pending: email to ops@example.com, 0 attempts" in shown
    listed = invoke("list").stdout
    assert words in listed
    assert "any campaign ends" in listed
    assert len(json.loads(invoke("list", "--json").stdout)["notices"]) == 2
    changed = invoke("change", every["id"], "--on", "failed", "--webhook", HOOK)
    assert changed.stdout.startswith(f"notice {every['id']}: when any campaign fails"), changed.output
    assert f"webhook {HOOK}; mail ops@example.com" in changed.stdout
    assert invoke("change", every["id"], "--on", "ended", "--webhook", "").exit_code == 0
    assert invoke("change", every["id"], "--email", "").exit_code == ExitCode.INVALID, "it would have no receiver"
    assert invoke("remove", every["id"]).stdout == f"notice {every['id']} is removed: when any campaign ends\n"
    assert invoke("show", every["id"]).exit_code == ExitCode.USAGE


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "email: has no address, and there is no webhook: give one of them"),
        (("--webhook", "https://elsewhere.example"), "SHOWDOWN_WEBHOOK_HOSTS"),
    ],
)
def test_a_notice_that_is_not_valid(served, arguments, message):
    result = invoke("add", *arguments)
    assert result.exit_code == ExitCode.INVALID
    assert message in result.stderr
