"""Texts of workers that look like rich's markup end no command, and are printed as they are."""

import functools

import httpx
import pytest
from click.testing import CliRunner

import deploy.cli.remote
from deploy.cli.host_commands import hosts
from deploy.cli.rest.client import Coordinator
from deploy.cli.schedule import schedule
from domain.trials.figures import CellFigure
from tests.unit.deploy.test_cli_render import cell, printed, reference_report
from tests.unit.deploy.test_cli_schedule import ONE

MARKUP = "[/] [red]x[/nothing]"
REFUSED = {**ONE, "runs": [{"state": "refused", "campaign": None, "reason": MARKUP, "missed": 0}]}
HOSTS = {"hosts": [], "enrolments": [{"host": "h1", "revoked_at": None, "refusal": MARKUP}]}


def test_a_declared_title_and_an_offload_are_no_markup():
    figure = CellFigure(datapath="direct", workload="w", level="low", name="f", title=MARKUP, value=1.0, trials=1)
    report = reference_report(figures=[figure], results=[cell("direct", offloads={MARKUP: True})])
    assert sum(MARKUP in line for line in printed(report, width=200)) == 2


@pytest.mark.parametrize(("command", "arguments"), [(hosts, ["list"]), (schedule, ["list"])])
def test_a_reason_of_a_refusal_is_no_markup(command, arguments, monkeypatch):
    monkeypatch.setenv("SHOWDOWN_TOKEN", "0123456789abcdef")
    monkeypatch.setenv("COLUMNS", "200")
    answers = {"/api/v1/hosts": HOSTS, "/api/v1/schedules": {"schedules": [REFUSED]}}
    transport = httpx.MockTransport(lambda request: httpx.Response(200, json=answers[request.url.path]))
    monkeypatch.setattr(deploy.cli.remote, "Coordinator", functools.partial(Coordinator, transport=transport))
    result = CliRunner().invoke(command, arguments)
    assert result.exit_code == 0, result.exception
    assert MARKUP in result.stdout
