"""--out keeps all formats; an interrupt of --wait says what happens to the campaign; status has times and failures."""

import functools
import json

import httpx
import pytest
from click.testing import CliRunner

import deploy.cli.remote
from deploy.cli.errors import ExitCode
from deploy.cli.main import main
from deploy.cli.rest.client import Coordinator
from domain.campaigns.campaign import toml_data
from domain.loads.metric import Metric
from domain.reports.gate import Check, Outcome
from domain.reports.report import CampaignReport, CellResult
from tests import ROOT

CAMPAIGN = ROOT / "deploy" / "campaigns" / "quick.toml"
CELL = CellResult(datapath="tproxy", function="steer", workload="http_keepalive", level="low", load="closed(8)",
                  valid_trials=5, invalid_trials=0, service_time_us={"p50": 1, "p99": 2, "p999": 3, "count": 4},
                  )  # fmt: skip
SUBMITTED = {"name": "quick", "datapaths": ["direct", "tproxy"], "levels": {"low": "closed(8)"}, "blocks": 5}
FACTS = {"id": "k3f9x2ab", "name": "quick", "state": "complete", "seed": 7, "campaign": SUBMITTED}
REPORT = CampaignReport(campaign=FACTS, results=(CELL,))
TRIALS = [f"k3f9x2ab-{block}-1-{position}" for block in range(2) for position in range(2)]
VIEW = {
    "id": "k3f9x2ab", "name": "quick", "state": "complete", "error": "", "blocks_done": 20, "blocks_total": 34,
    "blocks_failed": 14, "hosts": ["vm"], "progress": {"cell": None, "left_s": None},
    "created_at": "2026-01-02T03:04:00.000+00:00", "started_at": "2026-01-02T03:05:00.000+00:00",
    "ended_at": "2026-01-02T03:07:30.000+00:00",
}  # fmt: skip


def trials(parameters):
    """Two trials of one page at most; all of them without a limit."""
    if "limit" not in parameters:
        return httpx.Response(200, json={"trials": [{"id": one} for one in TRIALS], "next": None})
    first = TRIALS.index(parameters["after"]) + 1 if "after" in parameters else 0
    page = TRIALS[first : first + 2]
    return httpx.Response(200, json={"trials": [{"id": one} for one in page], "next": page[-1] if page else None})


def trial_log(path):
    """The second trial has no times."""
    if TRIALS[1] in path:
        return httpx.Response(404, json={"detail": "no times were recorded here"})
    return httpx.Response(200, content=path.encode())


@pytest.fixture
def coordinator(monkeypatch):
    def answer(request):
        path = request.url.path.removeprefix("/api/v1/")
        if path.endswith("/report"):
            return httpx.Response(200, json=REPORT.model_dump(mode="json"))
        if path.endswith(("/report.html", "/bundle.tar.gz", ".csv")):
            return httpx.Response(200, content=path.encode())
        if path.startswith("trials/"):
            return trial_log(path)
        if path.endswith("/trials"):
            return trials(request.url.params)
        if path.endswith("/histograms.hlog"):
            return httpx.Response(200, content=request.url.params["cell"].encode())
        if path == "hosts":
            return httpx.Response(200, json={"hosts": []})
        if path == "campaigns" and request.method == "GET":
            return httpx.Response(200, json={"campaigns": [VIEW]})
        if request.url.path == "/readyz":
            return httpx.Response(200, json={"checked_at": "2026-01-01T00:00:00Z", "ready": True, "troubles": []})
        return httpx.Response(200, json=VIEW | answer.changes)

    answer.changes = {}
    transport = httpx.MockTransport(answer)
    monkeypatch.setattr(deploy.cli.remote, "Coordinator", functools.partial(Coordinator, transport=transport))
    monkeypatch.setattr("deploy.cli.shown.progress.POLL_S", 0.01)
    monkeypatch.setenv("SHOWDOWN_TOKEN", "token")
    return answer


def invoke(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_out_keeps_every_format_and_the_report_can_be_printed_again(coordinator, tmp_path):
    out = tmp_path / "new" / "result"
    result = invoke("report", "k3f9x2ab", "--out", out)
    assert result.exit_code == 0, result.output
    assert sorted(path.name for path in out.iterdir()) == [
        "bundle.tar.gz", "campaign.toml", "histograms", "report.html", "report.json", "report.md", "report.txt",
        "results.csv", "trials", "trials.json",
    ]  # fmt: skip
    assert (out / "bundle.tar.gz").read_text() == "campaigns/k3f9x2ab/bundle.tar.gz"
    assert (out / "report.html").read_text() == "/campaigns/k3f9x2ab/report.html"
    (log,) = (out / "histograms").iterdir()
    assert (log.name, log.read_text()) == ("tproxy.http_keepalive.low.hlog", "tproxy.http_keepalive.low")
    assert sorted(path.name for path in (out / "trials").iterdir()) == [
        f"{one}.hlog" for one in TRIALS if one != TRIALS[1]
    ]
    assert (out / "trials" / f"{TRIALS[3]}.hlog").read_text() == f"trials/{TRIALS[3]}/histograms.hlog"
    assert [one["id"] for one in json.loads((out / "trials.json").read_text())["trials"]] == TRIALS
    assert (out / "results.csv").read_text() == "campaigns/k3f9x2ab/results.csv"
    assert toml_data((out / "campaign.toml").read_text()).items() >= SUBMITTED.items()
    assert "# Campaign k3f9x2ab as submitted; the seed of its order was 7." in (out / "campaign.toml").read_text()
    assert result.stderr == ""
    assert CampaignReport.model_validate_json((out / "report.json").read_text()) == REPORT
    assert "tproxy" in (out / "report.txt").read_text()
    again = invoke("report", out / "report.json", "--full")
    assert again.exit_code == 0
    assert again.stdout.split() == invoke("report", "k3f9x2ab", "--full").stdout.split()


def test_what_an_earlier_coordinator_does_not_have_is_reported_and_the_rest_written(coordinator, tmp_path, monkeypatch):
    def earlier(request):
        if request.url.path.endswith((".tar.gz", ".hlog", ".csv", "/trials")):
            return httpx.Response(404, json={"detail": "there is no such address"})
        return coordinator(request)

    transport = httpx.MockTransport(earlier)
    monkeypatch.setattr(deploy.cli.remote, "Coordinator", functools.partial(Coordinator, transport=transport))
    result = invoke("report", "k3f9x2ab", "--out", tmp_path)
    assert result.exit_code == 0, result.output
    assert f"{tmp_path / 'bundle.tar.gz'} is not written: there is no such address" in result.stderr
    assert f"{tmp_path / 'trials'} lacks files: there is no such address" in result.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "campaign.toml", "histograms", "report.html", "report.json", "report.md", "report.txt"
    ]  # fmt: skip
    assert not list((tmp_path / "histograms").iterdir()), "no half of a file is left"


def test_a_report_of_a_version_with_other_campaigns_has_no_toml(tmp_path):
    kept = tmp_path / "kept.json"
    facts = FACTS | {"campaign": SUBMITTED | {"unheard_of": 1}}
    kept.write_text(REPORT.model_copy(update={"campaign": facts}).model_dump_json())
    result = invoke("report", kept, "--out", tmp_path / "out")
    assert result.exit_code == 0
    assert f"{tmp_path / 'out' / 'campaign.toml'} is not written" in result.stderr
    assert not (tmp_path / "out" / "campaign.toml").exists()
    assert (tmp_path / "out" / "report.md").exists()


def test_junit_is_among_them_if_there_are_expectations(tmp_path):
    check = Check(
        name="a", expression="tproxy.requests_per_s >= 1", workload="http_keepalive", level="low", datapath="tproxy",
        metric=Metric.REQUESTS_PER_S, at_most=False, limit=1, outcome=Outcome.PASS, sentence="It holds.",
    )  # fmt: skip
    kept = tmp_path / "kept.json"
    kept.write_text(REPORT.model_copy(update={"expectations": (check,)}).model_dump_json())
    assert invoke("report", kept, "--out", tmp_path / "out").exit_code == 0
    assert "<testsuite" in (tmp_path / "out" / "junit.xml").read_text()


def test_a_directory_that_cannot_be_made_is_found_at_once(coordinator, tmp_path):
    (tmp_path / "file").write_text("")
    result = invoke("report", "k3f9x2ab", "--out", tmp_path / "file" / "out")
    assert result.exit_code == ExitCode.USAGE
    assert "cannot be made" in result.stderr


def test_an_interrupt_of_wait_says_that_the_campaign_goes_on(coordinator, monkeypatch):
    coordinator.changes = {"state": "running"}

    def interrupted(*_arguments, **_options):
        raise KeyboardInterrupt

    monkeypatch.setattr("deploy.cli.shown.progress.follow", interrupted)
    for command in (("submit", CAMPAIGN, "--wait"), ("watch", "k3f9x2ab")):
        result = invoke(*command)
        assert result.exit_code == ExitCode.INTERRUPTED
        assert "campaign k3f9x2ab goes on" in result.stderr
        assert "'showdown cancel k3f9x2ab' ends it" in result.stderr
    assert "that of 'submit --wait' or 'watch' goes on" in " ".join(invoke("--help").stdout.split())


@pytest.mark.parametrize(("state", "code"), [("complete", 0), ("cancelled", ExitCode.FAILED), ("failed", 4)])
def test_watch_ends_with_the_campaign(coordinator, state, code):
    coordinator.changes = {"state": state}
    result = invoke("watch", "k3f9x2ab")
    assert result.exit_code == code
    assert f"{state}: block 20 of 34 done" in result.stderr
    assert result.stdout == f"campaign k3f9x2ab is {state}; 'showdown report k3f9x2ab' prints its answer\n"
    assert invoke("watch", "k3f9x2ab", "--json").stdout.startswith("{")


def test_watch_of_a_paused_campaign_says_how_to_go_on(coordinator):
    coordinator.changes = {"state": "running", "paused": "interference"}
    result = invoke("watch", "k3f9x2ab")
    assert result.exit_code == ExitCode.INCOMPLETE
    assert "'showdown resume k3f9x2ab' goes on" in result.stderr


def test_status_has_times_hosts_and_failures(coordinator):
    listed = " ".join(invoke("status").stdout.split())
    assert "k3f9x2ab quick complete 20 of 34, 14 failed 2026-01-02 03:04 2 min 30 s vm" in listed
    one = invoke("status", "k3f9x2ab").stdout
    assert "block 20 of 34 done, 14 failed" in one
    assert (
        "submitted 2026-01-02 03:04, started 2026-01-02 03:05, ended 2026-01-02 03:07 UTC; took 2 min 30 s; on vm"
        in one
    )
