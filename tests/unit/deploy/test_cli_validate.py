"""validate checks campaign files without root and without a coordinator, and an error comes soon."""

import json
import resource
import subprocess
import sys

import pytest
from click.testing import CliRunner

from deploy.cli.errors import ExitCode
from deploy.cli.main import main
from tests import ROOT

CAMPAIGNS = ROOT / "deploy" / "campaigns"
QUICK = CAMPAIGNS / "quick.toml"
WRONG = """\
name = "x"
blocks = 0
datapaths = ["direct", "tproxi"]
workloads = ["http_keepalive", "bulk_download"]

[levels]
low = "closed(8)"

[parameters.bulk_download]
body_bites = 5

[parameters.http_keepalive]
body_bytes = 99_999_999_999
"""
PROBLEMS = {
    "blocks": ("must be at least 1", 2),
    "datapaths.1": ("unknown datapath 'tproxi' (did you mean 'tproxy'?)", 3),
    "parameters.bulk_download.body_bites": ("no parameter 'body_bites' (did you mean 'body_bytes'?)", 10),
    "parameters.http_keepalive.body_bytes": ("out of range", 13),
}
CPU_S = 2.0
"""A generous limit of the CPU time of the command: an error took 0.8 s of it, the start of Python included."""


@pytest.fixture
def wrong(tmp_path):
    path = tmp_path / "wrong.toml"
    path.write_text(WRONG)
    return path


@pytest.fixture(autouse=True)
def no_coordinator(monkeypatch):
    monkeypatch.setenv("SHOWDOWN_COORDINATOR_URL", "http://127.0.0.1:1")
    monkeypatch.delenv("SHOWDOWN_TOKEN", raising=False)
    monkeypatch.setattr("deploy.cli.preflight.is_root", lambda: False)


def validate(*arguments):
    return CliRunner().invoke(main, ["validate", *map(str, arguments)])


def test_every_installed_campaign_is_valid():
    files = sorted(CAMPAIGNS.glob("*.toml"))
    result = validate(*files)
    assert result.exit_code == 0, result.output
    assert len(result.stdout.splitlines()) == len(files)
    assert validate(QUICK).stdout == f"{QUICK} is a valid campaign: 4 datapaths, 1 level, 5 blocks\n"


def test_all_problems_have_their_lines_and_one_wrong_file_hides_no_other(wrong):
    result = validate(wrong, QUICK)
    assert result.exit_code == ExitCode.INVALID
    assert f"{QUICK} is a valid campaign" in result.stdout
    heading, *lines = result.stderr.splitlines()
    assert heading == f"{wrong} is not a valid campaign"
    for line, (field, (message, number)) in zip(lines, PROBLEMS.items(), strict=True):
        assert line.startswith(f"  {field}: ")
        assert message in line
        assert line.endswith(f"(line {number})")


def test_json_has_every_file(wrong, tmp_path):
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"\xff\xfe")
    result = validate(wrong, QUICK, binary, "--json")
    assert result.exit_code == ExitCode.INVALID
    first, second, third = json.loads(result.stdout)["files"]
    assert {one["field"]: one["line"] for one in first["problems"]} == {
        field: line for field, (_, line) in PROBLEMS.items()
    }
    assert second == {"file": str(QUICK), "valid": True, "problems": []}
    assert not third["valid"]
    assert "is not text" in third["problems"][0]["message"]


@pytest.mark.parametrize("arguments", [(), ("no-such-file.toml",)])
def test_without_a_file_it_is_wrong_usage(arguments):
    assert validate(*arguments).exit_code == ExitCode.USAGE


@pytest.mark.parametrize("command", ["run", "validate", "submit"])
def test_an_error_of_a_file_takes_little_cpu(wrong, command):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    ended = subprocess.run(
        [sys.executable, "-m", "deploy.cli.main", command, str(wrong)], cwd=ROOT, capture_output=True, text=True,
        check=False, env={"SHOWDOWN_TOKEN": "0123456789abcdef", "SHOWDOWN_COORDINATOR_URL": "http://127.0.0.1:1"},
    )  # fmt: skip
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert ended.returncode == ExitCode.INVALID, ended.stderr
    assert "blocks: must be at least 1 (line 2)" in ended.stderr
    assert (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime) < CPU_S
