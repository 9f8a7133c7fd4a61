"""``showdown hosts`` with a coordinator made of one function."""

import functools
import json

import httpx
import pytest
from click.testing import CliRunner

import deploy.cli.remote
from deploy.cli.errors import ExitCode
from deploy.cli.host_commands import hosts
from deploy.cli.rest.client import Coordinator

NAME = "vm.berlin.example.net"
ENROLLED = {"host": NAME, "token": "sdh_secret"}
LISTED = {
    "hosts": [{"name": "old", "online": True}],
    "enrolments": [
        {"host": "gone", "revoked_at": "2026-01-01T00:00:00.000+00:00", "refusal": ""},
        {"host": NAME, "revoked_at": None, "refusal": "the worker speaks protocol 3.0"},
    ],
}


@pytest.fixture
def asked(monkeypatch):
    requests = []

    def answer(request):
        path = request.url.path.removeprefix("/api/v1/")
        requests.append((request.method, path, request.content.decode()))
        if path == "hosts":
            return httpx.Response(200, json=LISTED)
        return httpx.Response(204) if request.method == "DELETE" else httpx.Response(201, json=ENROLLED)

    client = functools.partial(Coordinator, transport=httpx.MockTransport(answer))
    monkeypatch.setattr(deploy.cli.remote, "Coordinator", client)
    monkeypatch.setenv("SHOWDOWN_TOKEN", "0123456789abcdef")
    return requests


def test_enrol_prints_the_workers_settings_and_nothing_else_on_standard_output(asked):
    result = CliRunner().invoke(hosts, ["enrol", NAME])
    assert result.stdout.splitlines() == [f"SHOWDOWN_HOST={NAME}", "SHOWDOWN_HOST_TOKEN=sdh_secret"]
    assert "not shown again" in result.stderr
    result = CliRunner().invoke(hosts, ["enrol", NAME, "--replace", "--json"])
    assert json.loads(result.stdout) == ENROLLED
    assert [(method, path, json.loads(body)) for method, path, body in asked] == [
        ("POST", f"hosts/{NAME}/enrolment", {"replace": False}),
        ("POST", f"hosts/{NAME}/enrolment", {"replace": True}),
    ]


def test_revoke_and_remove(asked):
    assert CliRunner().invoke(hosts, ["revoke", NAME]).exit_code == 0
    assert CliRunner().invoke(hosts, ["remove", NAME]).exit_code == 0
    assert asked == [("DELETE", f"hosts/{NAME}/enrolment", ""), ("DELETE", f"hosts/{NAME}", "")]


@pytest.mark.parametrize("name", ["../campaigns", "A", "a/b", ""])
def test_a_name_that_no_host_can_have_is_not_sent(asked, name):
    for command in ("enrol", "revoke", "remove"):
        assert CliRunner().invoke(hosts, [command, name]).exit_code == ExitCode.USAGE
    assert asked == []


def test_list_says_which_hosts_have_a_token_and_which_are_refused(asked):
    lines = CliRunner().invoke(hosts, ["list"], env={"COLUMNS": "200"}).stdout.splitlines()
    assert [" ".join(line.split()) for line in lines] == [
        "host state token refused because",
        "gone not registered revoked",
        "old online none",
        f"{NAME} not registered valid the worker speaks protocol 3.0",
    ]
