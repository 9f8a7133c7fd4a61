"""What run checks before it starts anything, and --dry-run."""

import functools
import io

import httpx
import pytest
from click.testing import CliRunner
from rich.console import Console

import deploy.cli.local
import deploy.cli.remote
from deploy.cli import preflight
from deploy.cli.errors import ExitCode
from deploy.cli.main import main
from deploy.cli.rest.client import Coordinator
from deploy.cli.shown.progress import Display
from domain.reports.planning import Plan
from tests import ROOT

CAMPAIGN = ROOT / "deploy" / "campaigns" / "quick.toml"
PLAN = Plan(blocks=3, most_blocks=3, looks=1, duration_s=40.0, primary=1, sentences=("CPU per request: too few.",))
WRONG = """\
name = "x"
blokcs = 3
datapaths = ["direct", "tproxi"]
workloads = ["http_keepalive"]
probes = ["run_queue", "run_que"]

[levels]
low = "closed(8)"
"""


class Stack:
    """Counts its starts."""

    started = 0

    def __init__(self, directory, environment=None):
        self.url, self.token, self.notes = "http://127.0.0.1:1", "token", []

    def __enter__(self):
        type(self).started += 1
        return self

    def __exit__(self, *error):
        pass


@pytest.fixture
def stack(monkeypatch, tmp_path):
    monkeypatch.setattr(Stack, "started", 0)
    monkeypatch.setattr(deploy.cli.local, "PrivateStack", Stack)
    monkeypatch.setenv("SHOWDOWN_STATE_DIR", str(tmp_path))
    return Stack


@pytest.fixture
def asked(monkeypatch):
    asked = []

    def answer(request):
        asked.append((request.method, request.url.path, request.content.decode()))
        return httpx.Response(200, json=PLAN.model_dump(mode="json"))

    made = functools.partial(Coordinator, transport=httpx.MockTransport(answer))
    for module in (deploy.cli.local, deploy.cli.remote):
        monkeypatch.setattr(module, "Coordinator", made)
    monkeypatch.setenv("SHOWDOWN_TOKEN", "token")
    return asked


def invoke(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_all_mistakes_of_a_file_come_at_once_with_lines_and_questions(stack, tmp_path):
    path = tmp_path / "wrong.toml"
    path.write_text(WRONG)
    result = invoke("run", path)
    assert result.exit_code == ExitCode.INVALID
    lines = result.stderr.splitlines()
    assert "blokcs: unknown field" in lines[1]
    assert lines[1].endswith("(did you mean 'blocks'?) (line 2)")
    assert "datapaths.1: unknown datapath 'tproxi' (did you mean 'tproxy'?)" in lines[2]
    assert lines[2].endswith("(line 3)")
    assert "probes.1: unknown probe 'run_que' (did you mean 'run_queue'?)" in lines[3]
    assert stack.started == 0


def test_run_without_root_starts_nothing(stack, monkeypatch):
    monkeypatch.setattr(preflight, "is_root", lambda: False)
    result = invoke("run", CAMPAIGN)
    assert result.exit_code == ExitCode.USAGE
    assert "needs root" in result.stderr
    assert stack.started == 0


@pytest.mark.parametrize("path", sorted((ROOT / "deploy/campaigns").glob("*.toml")), ids=lambda path: path.stem)
def test_every_installed_campaign_passes(path):
    assert preflight.check_campaign(path) == path.read_text()


def test_a_dry_run_submits_nothing(stack, asked, monkeypatch):
    monkeypatch.setattr(preflight, "is_root", lambda: True)
    for arguments in (("run", CAMPAIGN, "--dry-run"), ("submit", CAMPAIGN, "--dry-run")):
        result = invoke(*arguments)
        assert result.exit_code == 0, result.output
        assert result.stdout.splitlines()[0] == "5 blocks, about 40 s."
        assert "Warning: a verdict needs 5 pairs" in result.stdout
        assert "CPU per request: too few." in result.stdout
    assert asked == [("POST", "/api/v1/campaigns/plan", CAMPAIGN.read_text())] * 2
    assert Plan.model_validate_json(invoke("submit", CAMPAIGN, "--dry-run", "--json").stdout) == PLAN


def test_what_the_coordinator_refuses_has_the_lines_of_the_file(monkeypatch):
    problem = {"field": "datapaths.1", "message": "tproxy can run on no host"}
    refusal = httpx.Response(422, json={"message": "the input was refused", "problems": [problem]})
    made = functools.partial(Coordinator, transport=httpx.MockTransport(lambda _: refusal))
    monkeypatch.setattr(deploy.cli.remote, "Coordinator", made)
    monkeypatch.setenv("SHOWDOWN_TOKEN", "token")
    result = invoke("submit", CAMPAIGN)
    assert result.exit_code == ExitCode.INVALID
    line = (
        CAMPAIGN.read_text().splitlines().index('datapaths = ["direct", "tproxy", "ebpf_sk_assign", "ebpf_redirect"]')
        + 1
    )
    assert f"{CAMPAIGN} was refused" in result.stderr
    assert f"  datapaths.1: tproxy can run on no host (line {line})" in result.stderr


def test_a_line_of_progress_is_not_wrapped_in_a_log():
    log = io.StringIO()
    Display(Console(file=log, width=80)).say("word " * 40)
    assert log.getvalue().count("\n") == 1


def test_a_wrong_command_has_a_question():
    result = invoke("stauts")
    assert result.exit_code == ExitCode.USAGE
    assert "there is no command 'stauts' (did you mean 'status'?)" in result.stderr


def test_the_help_groups_the_commands_with_examples():
    text = invoke("--help").stdout
    places = [text.index(f"\n{title}:\n") for title in ("Measure", "Read", "Keep", "Host", "Service", "Shell")]
    assert places == sorted(places)
    assert text.index("\nMeasure:\n") < text.index("  run ") < text.index("\nHost:\n") < text.index("  doctor ")
    assert text.index("\nKeep:\n") < text.index("  label ") < text.index("  delete ") < text.index("\nHost:\n")
    assert "\nOthers:\n" not in text, "each command has its section"
    assert "showdown run my.toml --dry-run" in text


def test_bash_can_complete():
    script = invoke("completion", "bash")
    assert script.exit_code == 0, script.output
    assert "_SHOWDOWN_COMPLETE=bash_complete" in script.stdout
    words = CliRunner().invoke(
        main, env={"_SHOWDOWN_COMPLETE": "bash_complete", "COMP_WORDS": "showdown sub", "COMP_CWORD": "1"},
        prog_name="showdown",
    )  # fmt: skip
    assert "plain,submit" in words.stdout
