"""submit, status, report and cancel with a coordinator made of one function."""

import functools
import json

import httpx
import pytest
from click.testing import CliRunner

import deploy.cli.remote
from deploy.cli.errors import ExitCode
from deploy.cli.main import main
from deploy.cli.rest.client import Coordinator
from domain.reports.answer import Answer, Scope, Statement, Topic
from domain.reports.report import CampaignReport, CellResult
from domain.trials.trial import Reason
from tests import ROOT

CAMPAIGN = ROOT / "deploy" / "campaigns" / "quick.toml"
TOKEN = "0123456789abcdef"


def cell(valid_trials):
    return CellResult(datapath="tproxy", function="steer", workload="http_keepalive", level="low", load="closed(8)",
                      valid_trials=valid_trials, invalid_trials=1)  # fmt: skip


def report(state="complete", valid_trials=5):
    facts = {"id": "k3f9x2ab", "name": "quick", "state": state, "seed": 7}
    return CampaignReport(campaign=facts, results=(cell(valid_trials),))


def answered(found):
    statement = Statement(topic=Topic.PRICE, sentence="tproxy costs nothing.")
    return found.model_copy(update={"answer": Answer(statements=(statement,), scope=Scope(text="this boot of vm"))})


def view(state="running"):
    progress = {"cell": None, "left_s": 20.0 if state == "running" else None}
    return {"id": "k3f9x2ab", "name": "quick", "state": state, "error": "", "blocks_done": 1, "blocks_total": 5,
            "hosts": ["h1"], "progress": progress}  # fmt: skip


class Fake:
    """A coordinator that records its requests."""

    def __init__(self):
        self.state = "complete"
        self.report = report()
        self.requests = []
        self.later = []  # campaigns of the second page of their list
        self.more = {}
        self.readiness = {"checked_at": "2026-01-01T00:00:00Z", "ready": True, "troubles": []}
        self.host = {"name": "h1", "online": True, "deaf_since": None, "remedy": "", "clock_skew_s": 0.2,
                     "capabilities": {"host": "h1"}}  # fmt: skip

    def listed(self, parameters):
        if parameters.get("state", self.state) != self.state:
            return {"campaigns": []}
        if "cursor" in parameters:
            return {"campaigns": self.later}
        return {"campaigns": [view(self.state)], "next": "second" if self.later else None}

    def __call__(self, request):
        if request.url.path == "/readyz":
            return httpx.Response(200 if self.readiness["ready"] else 503, json=self.readiness)
        self.requests.append((request.method, request.url.path.removeprefix("/api/v1/")))
        answers = {
            ("POST", "campaigns"): (201, view("queued")),
            ("GET", "hosts"): (200, {"hosts": [self.host]}),
            ("GET", "campaigns"): (200, self.listed(request.url.params)),
            ("GET", "campaigns/k3f9x2ab"): (200, view(self.state)),
            ("GET", "campaigns/k3f9x2ab/report"): (200, self.report.model_dump(mode="json")),
            ("POST", "campaigns/k3f9x2ab/cancel"): (200, view("cancelling")),
            **self.more,
        }
        status, body = answers.get(self.requests[-1], (404, {"message": "there is no such campaign"}))
        if request.headers["authorization"] != f"Bearer {TOKEN}":
            status, body = 401, {"message": "not you"}
        return httpx.Response(status, json=body)


@pytest.fixture
def fake(monkeypatch):
    fake = Fake()
    transport = httpx.MockTransport(fake)
    monkeypatch.setattr(deploy.cli.remote, "Coordinator", functools.partial(Coordinator, transport=transport))
    monkeypatch.setenv("SHOWDOWN_TOKEN", TOKEN)
    monkeypatch.delenv("SHOWDOWN_COORDINATOR_URL", raising=False)
    return fake


def invoke(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_submit(fake):
    result = invoke("submit", CAMPAIGN)
    assert result.exit_code == 0, result.output
    assert "k3f9x2ab" in result.stdout
    assert fake.requests == [("POST", "campaigns")]


def test_submit_as_json(fake):
    assert json.loads(invoke("submit", CAMPAIGN, "--json").stdout)["id"] == "k3f9x2ab"


def test_submit_and_wait_prints_one_json_object_and_progress_elsewhere(fake):
    result = invoke("submit", CAMPAIGN, "--wait", "--json")
    assert CampaignReport.model_validate_json(result.stdout) == fake.report
    assert "block 1 of 5" in result.stderr


def test_an_invalid_campaign_is_refused_before_any_request(fake, tmp_path):
    bad = tmp_path / "bad.toml"
    bad.write_text('name = "bad"\nblocks = 0\ndatapaths = "direct"\n[levels]\nlow = "shut(8)"\n')
    result = invoke("submit", bad)
    assert result.exit_code == ExitCode.INVALID
    lines = result.stderr.splitlines()
    for field in ("blocks", "datapaths", "levels.low"):
        assert any(line.startswith(f"  {field}: ") for line in lines), result.stderr
    assert fake.requests == []
    assert result.stdout == ""


def test_a_file_that_is_no_text(fake, tmp_path):
    bad = tmp_path / "bad.toml"
    bad.write_bytes(b"\xff\xfe\x00")
    assert invoke("submit", bad).exit_code == ExitCode.USAGE


def test_a_file_that_is_not_there(fake):
    assert invoke("submit", "/nowhere.toml").exit_code == ExitCode.USAGE


def test_status_of_one_and_of_all(fake):
    fake.state = "running"
    assert invoke("status", "k3f9x2ab").stdout == "k3f9x2ab quick: running, block 1 of 5 done, about 20 s left\n"
    assert json.loads(invoke("status", "k3f9x2ab", "--json").stdout)["state"] == "running"
    assert "k3f9x2ab  quick  running  1 of 5" in invoke("status").stdout
    assert json.loads(invoke("status", "--json").stdout)["campaigns"][0]["id"] == "k3f9x2ab"


@pytest.mark.parametrize(
    ("state", "valid_trials", "code"),
    [
        ("complete", 5, ExitCode.OK),
        ("running", 0, ExitCode.OK),
        ("complete", 0, ExitCode.INCOMPLETE),
        ("failed", 5, ExitCode.FAILED),
        ("cancelled", 5, ExitCode.FAILED),
    ],
)
def test_report_ends_as_the_campaign_did(fake, state, valid_trials, code):
    fake.report = report(state, valid_trials)
    result = invoke("report", "k3f9x2ab", "--json")
    assert result.exit_code == code
    assert CampaignReport.model_validate_json(result.stdout) == fake.report
    printed = invoke("report", "k3f9x2ab")
    assert printed.exit_code == code
    assert ("exit status 5" in printed.stderr) == (code == ExitCode.INCOMPLETE)


@pytest.mark.parametrize(
    ("reason", "code"),
    [("overloaded", ExitCode.OK), ("steal", ExitCode.INCOMPLETE), ("datapath_failed", ExitCode.INCOMPLETE)],
)
def test_an_overloaded_datapath_explains_its_cell_and_host_noise_does_not(fake, reason, code):
    found = report(valid_trials=0)
    cells = (found.results[0].model_copy(update={"invalid_trials": 6, "invalid_for": Reason(reason)}), cell(5))
    fake.report = found.model_copy(update={"results": cells})
    printed = invoke("report", "k3f9x2ab")
    assert printed.exit_code == code
    assert ("Host noise or failures left no valid trial for" in printed.stderr) == (code != ExitCode.OK)


def test_the_answer_by_default_and_the_whole_report_on_request(fake):
    fake.report = answered(fake.report)
    short, full = invoke("report", "k3f9x2ab").stdout, invoke("report", "k3f9x2ab", "--full").stdout
    assert "tproxy costs nothing." in short
    assert "showdown report k3f9x2ab --full (or --json), or http://127.0.0.1:8400/campaigns/k3f9x2ab" in short
    assert "valid trials" not in short
    assert "valid trials" in full
    assert "tproxy costs nothing." not in full


def test_a_kept_report_needs_no_coordinator(fake, tmp_path, monkeypatch):
    monkeypatch.delenv("SHOWDOWN_TOKEN")
    kept = tmp_path / "k3f9x2ab.json"
    kept.write_text(answered(fake.report).model_dump_json())
    result = invoke("report", kept)
    assert result.exit_code == 0
    assert f"showdown report {kept} --full" in " ".join(result.stdout.split())
    assert "valid trials" in invoke("report", kept, "--full").stdout
    assert CampaignReport.model_validate_json(invoke("report", kept, "--json").stdout) == answered(fake.report)
    assert fake.requests == []


def test_a_file_that_is_no_report(fake, tmp_path):
    bad = tmp_path / "k3f9x2ab.json"
    bad.write_text("{}")
    result = invoke("report", bad)
    assert result.exit_code == ExitCode.USAGE
    assert "no report of this version" in result.stderr


def test_an_unknown_campaign(fake):
    result = invoke("status", "unknown1")
    assert result.exit_code == ExitCode.USAGE
    assert "there is no such campaign" in result.stderr


def test_no_token(fake, monkeypatch):
    monkeypatch.delenv("SHOWDOWN_TOKEN")
    result = invoke("status")
    assert result.exit_code == ExitCode.USAGE
    assert "SHOWDOWN_TOKEN" in result.stderr


def test_a_wrong_token(fake, monkeypatch):
    monkeypatch.setenv("SHOWDOWN_TOKEN", "wrong")
    result = invoke("status")
    assert result.exit_code == ExitCode.UNREACHABLE
    assert "not you" in result.stderr


def test_nobody_there(monkeypatch):
    monkeypatch.setenv("SHOWDOWN_TOKEN", TOKEN)
    result = invoke("status", "--url", "http://127.0.0.1:1")
    assert result.exit_code == ExitCode.UNREACHABLE
    assert "http://127.0.0.1:1" in result.stderr


def in_trouble(part, *, ready):
    trouble = {"part": part, "what": "Redis cannot be reached", "since": "2026-01-01T10:00:00Z", "remedy": "Start it."}
    return {"checked_at": "2026-01-01T10:01:00Z", "ready": ready, "troubles": [trouble]}


@pytest.mark.parametrize("arguments", [(), ("k3f9x2ab",), ("--json",)])
def test_status_says_what_keeps_campaigns_waiting(fake, arguments):
    fake.readiness = in_trouble("broker", ready=False)
    result = invoke("status", *arguments)
    assert result.exit_code == ExitCode.NOT_READY
    assert result.stderr == "Redis cannot be reached since 2026-01-01 10:00:00 UTC. Start it.\n"
    assert "k3f9x2ab" in result.stdout


def test_status_mentions_missing_telemetry_without_an_error(fake):
    fake.readiness = in_trouble("telemetry", ready=True)
    result = invoke("status")
    assert (result.exit_code, bool(result.stderr)) == (0, True)


def test_status_of_an_earlier_coordinator_which_cannot_say(fake):
    fake.readiness = {"ready": True, "message": "not found"}
    assert invoke("status").exit_code == 0


def test_the_exit_code_of_trouble_is_documented(fake):
    assert "  7  of 'status'" in invoke("--help").stdout


def test_a_token_from_a_file(fake, monkeypatch, tmp_path):
    monkeypatch.delenv("SHOWDOWN_TOKEN")
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    assert invoke("status", "--token-file", tmp_path / "token").exit_code == ExitCode.OK
    result = invoke("status", "--token-file", tmp_path / "nothing")
    assert result.exit_code == ExitCode.USAGE
    assert "cannot be read" in result.stderr


def test_a_token_among_the_arguments_is_refused(fake):
    result = invoke("status", "--token", TOKEN)
    assert result.exit_code == ExitCode.USAGE
    assert "--token-file" in result.stderr
    assert TOKEN not in result.output
    assert fake.requests == []


def test_status_shows_hosts_and_how_their_clocks_differ(fake):
    fake.host["clock_skew_s"] = -3600.0
    assert "h1    online  1 h behind the coordinator's" in invoke("status").stdout
    host = json.loads(invoke("status", "--json").stdout)["hosts"][0]
    assert (host["clock_skew_s"], "capabilities" in host) == (-3600.0, False)


def test_status_names_a_deaf_host_with_its_remedy(fake):
    fake.host |= {"deaf_since": "2026-11-29T20:00:00.000+00:00", "remedy": "Restart its worker."}
    sentence = "h1 takes no messages since 2026-11-29T20:00:00.000+00:00. Restart its worker."
    assert "h1    deaf " in invoke("status").stdout
    assert sentence in " ".join(invoke("status").stdout.split())
    fake.state = "running"
    assert sentence in invoke("status", "k3f9x2ab").stdout
    fake.state = "complete"
    assert sentence not in invoke("status", "k3f9x2ab").stdout
