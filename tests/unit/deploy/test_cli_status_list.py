"""``showdown status`` without an id lists campaigns: all, or those that are asked for."""

import functools

import httpx
import pytest
from click.testing import CliRunner

import deploy.cli.remote
from coordinator.scheduling.lifecycle import CampaignState
from deploy.cli.errors import ExitCode
from deploy.cli.main import main
from deploy.cli.rest.client import STATES, Coordinator

READY = {"checked_at": "2026-01-01T00:00:00Z", "ready": True, "troubles": []}
CAMPAIGN = {
    "id": "k3f9x2ab",
    "name": "quick",
    "state": "complete",
    "blocks_done": 5,
    "blocks_total": 5,
    "hosts": ["vm"],
}


@pytest.fixture
def asked(monkeypatch) -> dict[str, str]:
    """The parameters of the last request for the list, of a coordinator that has seven campaigns."""
    parameters: dict[str, str] = {}

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/api/v1/campaigns":
            parameters.update(request.url.params)
            return httpx.Response(200, json={"campaigns": [CAMPAIGN], "total": 7})
        return httpx.Response(200, json=READY if request.url.path == "/readyz" else {"hosts": []})

    transport = httpx.MockTransport(answer)
    monkeypatch.setattr(deploy.cli.remote, "Coordinator", functools.partial(Coordinator, transport=transport))
    monkeypatch.setenv("SHOWDOWN_TOKEN", "0123456789abcdef")
    return parameters


def test_the_list_is_of_what_is_asked_for(asked: dict[str, str]) -> None:
    arguments = ["status", "--search", "nightly kernel", "--state", "complete", "--limit", "1"]
    arguments += ["--host", "vm", "--label", "kernel=6.12", "--label", "team", "--archived"]
    listed = CliRunner().invoke(main, arguments)
    assert listed.exit_code == 0, listed.output
    asked_for = {"q": "nightly kernel", "state": "complete", "host": "vm", "label": "kernel=6.12,team", "limit": "1"}
    assert asked == asked_for | {"archived": "yes"}
    assert "1 of 7 campaigns; --limit shows more" in listed.stdout


def test_the_list_says_who_submitted_each(asked: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CAMPAIGN, "submitted_by", "anna [bold]@example.com\x1b[1m")
    lines = CliRunner().invoke(main, ["status"]).stdout.splitlines()
    assert lines[0].split() == ["id", "name", "state", "blocks", "submitted", "(UTC)", "by", "took", "hosts"]
    assert "anna [bold]@example.com" in lines[1]
    assert "\x1b" not in lines[1]


@pytest.mark.parametrize("arguments", [["--state", "finished"], ["k3f9x2ab", "--archived"], ["--limit", "0"]])
def test_filters_that_cannot_be_meant(asked: dict[str, str], arguments: list[str]) -> None:
    assert CliRunner().invoke(main, ["status", *arguments]).exit_code == ExitCode.USAGE
    assert not asked


def test_the_states_are_those_of_the_coordinator() -> None:
    assert set(STATES) == set(CampaignState)
