"""``showdown token`` and ``showdown share`` with a coordinator made of one function."""

import functools
import json

import httpx
import pytest
from click.testing import CliRunner

import deploy.cli.remote
from deploy.cli.errors import ExitCode
from deploy.cli.rest.client import Coordinator
from deploy.cli.share_commands import share
from deploy.cli.token_commands import token

TOKEN = {"name": "ci", "scope": "submit", "created_at": "2026-03-02T09:00:00", "created_by": "owner", "used_at": None,
         "expires_at": "2026-05-31T09:00:00", "revoked_at": None, "valid": True}  # fmt: skip
SHARE = {"id": "q3d5wz2a", "created_at": "2026-03-02T09:00:00", "created_by": "token [b]anna", "expires_at": None,
         "revoked_at": "2026-03-04T09:00:00", "uses": 4, "used_at": None, "valid": False}  # fmt: skip
ANSWERS = {
    ("GET", "tokens"): {"tokens": [TOKEN]},
    ("POST", "tokens"): {**TOKEN, "token": "sdu_secret"},
    ("GET", "campaigns/k3f9x2ab/shares"): {"shares": [SHARE]},
    ("POST", "campaigns/k3f9x2ab/shares"): {**SHARE, "url": "http://x/shared#sds_secret", "secret": "sds_secret"},
}


@pytest.fixture
def asked(monkeypatch):
    requests = []

    def answer(request):
        path = request.url.path.removeprefix("/api/v1/")
        requests.append((request.method, path, json.loads(request.content or b"null")))
        if request.method == "DELETE":
            return httpx.Response(204)
        return httpx.Response(200 if request.method == "GET" else 201, json=ANSWERS[request.method, path])

    client = functools.partial(Coordinator, transport=httpx.MockTransport(answer))
    monkeypatch.setattr(deploy.cli.remote, "Coordinator", client)
    monkeypatch.setenv("SHOWDOWN_TOKEN", "0123456789abcdef")
    return requests


def run(command, *arguments):
    return CliRunner().invoke(command, arguments)


def test_a_new_token_is_all_of_standard_output(asked):
    result = run(token, "create", "ci", "--scope", "submit", "--days", "90")
    assert result.stdout == "sdu_secret\n"
    assert "not shown again" in result.stderr
    assert asked == [("POST", "tokens", {"name": "ci", "scope": "submit", "days": 90, "replace": False})]
    assert run(token, "create", "ci", "--scope", "root").exit_code == ExitCode.USAGE


def test_tokens_are_listed_and_revoked(asked):
    assert run(token, "list").stdout.split()[7:11] == ["ci", "submit", "valid", "owner"]
    assert json.loads(run(token, "list", "--json").stdout) == {"tokens": [TOKEN]}
    assert run(token, "revoke", "ci").exit_code == 0
    assert asked[-1] == ("DELETE", "tokens/ci", None)
    assert run(token, "revoke", "../hosts/h1").exit_code == ExitCode.USAGE
    assert asked[-1] == ("DELETE", "tokens/ci", None)


def test_a_link_is_created_listed_and_revoked(asked):
    result = run(share, "create", "k3f9x2ab", "--days", "14")
    assert result.stdout == "http://x/shared#sds_secret\n"
    assert asked == [("POST", "campaigns/k3f9x2ab/shares", {"days": 14})]
    listed = run(share, "list", "k3f9x2ab").stdout
    assert "q3d5wz2a" in listed
    assert "revoked" in listed
    assert "[b]anna" in listed
    assert run(share, "revoke", "k3f9x2ab", "q3d5wz2a").exit_code == 0
    assert asked[-1] == ("DELETE", "campaigns/k3f9x2ab/shares/q3d5wz2a", None)
