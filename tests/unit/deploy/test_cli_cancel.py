"""cancel: one campaign, or every open one after a question."""

import json

import pytest
from click.testing import CliRunner

from deploy.cli.errors import ExitCode
from deploy.cli.main import main
from tests.unit.deploy.test_cli_remote import fake, invoke, view  # noqa: F401


def test_cancel(fake):  # noqa: F811
    result = invoke("cancel", "k3f9x2ab")
    assert (result.exit_code, result.stdout) == (0, "campaign k3f9x2ab is cancelling\n")
    assert json.loads(invoke("cancel", "k3f9x2ab", "--json").stdout)["state"] == "cancelling"


def test_cancel_all_asks_first(fake):  # noqa: F811
    fake.state = "queued"
    cancelled = ("POST", "campaigns/k3f9x2ab/cancel")
    refused = CliRunner().invoke(main, ["cancel", "--all"], input="n\n")
    assert refused.exit_code == ExitCode.INTERRUPTED
    assert "k3f9x2ab" in refused.stdout
    assert "Cancel 1 campaign?" in refused.output
    assert cancelled not in fake.requests
    agreed = CliRunner().invoke(main, ["cancel", "--all"], input="y\n")
    assert agreed.stdout.endswith("campaign k3f9x2ab is cancelling\n")
    assert fake.requests.count(cancelled) == 1
    assert json.loads(invoke("cancel", "--all", "--yes", "--json").stdout)["campaigns"][0]["id"] == "k3f9x2ab"
    fake.state = "complete"
    assert invoke("cancel", "--all").stdout == "no campaign is open\n"


def test_cancel_all_cancels_those_of_every_page(fake):  # noqa: F811
    fake.state, fake.later = "queued", [{**view("queued"), "id": "late2345"}]
    fake.more[("POST", "campaigns/late2345/cancel")] = (200, {**view("cancelling"), "id": "late2345"})
    found = json.loads(invoke("cancel", "--all", "--yes", "--json").stdout)["campaigns"]
    assert [one["id"] for one in found] == ["k3f9x2ab", "late2345"]


@pytest.mark.parametrize("arguments", [(), ("k3f9x2ab", "--all"), ("--all", "--json")])
def test_cancel_needs_one_campaign_or_all(fake, arguments):  # noqa: F811
    assert invoke("cancel", *arguments).exit_code == ExitCode.USAGE
    assert fake.requests == []
