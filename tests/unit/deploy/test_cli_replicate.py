"""``showdown replicate``, ``combine`` and ``trust`` with a coordinator made of one function."""

import functools
import json

import httpx
import pytest
from click.testing import CliRunner

import deploy.cli.remote
from deploy.cli.combine import combine
from deploy.cli.errors import ExitCode
from deploy.cli.replicate import replicate
from deploy.cli.rest.client import Coordinator
from deploy.cli.schedule import schedule
from deploy.cli.trust import trust
from domain.loads.metric import Metric
from domain.reports.report import Interval
from domain.reports.verdict_words import VerdictWord
from domain.runs.combination import Combination, CombinedVerdict, LeftOut, RunFigure, RunShown
from domain.runs.trust import FalseShare, SelfComparison, Trust

TOML = 'name = "small"\ndatapaths = ["direct", "tproxy"]\n[levels]\nlow = "closed(8)"\n'
KNOWN = {
    "id": "abcd2345", "name": "small-runs", "cron": "", "words": "One run after the other, 3 times", "time_zone": "",
    "paused_at": None, "next_at": None, "error": "", "series": None, "runs": [],
}  # fmt: skip
FOUND = Combination(
    name="small",
    runs=tuple(RunShown(id=f"run{n}", name="small", scope="this boot of h1", blocks=6) for n in (1, 2, 3)),
    left_out=(LeftOut(id="run4", name="small", reason="another fingerprint: kernel '6.19', not '6.18'"),),
    mixed=(),
    scope="3 runs, 2 boots, 1 host (h1)",
    verdicts=(
        CombinedVerdict(
            datapath="ebpf_sk_assign", reference="tproxy", workload="http_keepalive", levels=("low",),
            metric=Metric.CPU_US_PER_REQUEST, is_difference=False,
            runs=(RunFigure(id="run1", value=0.97, low=0.95, high=0.99),),
            estimate=Interval(value=0.973, low=0.953, high=0.994),
            prediction=Interval(value=0.973, low=0.92, high=1.03),
            between=0.012, between_share=0.4, p=0.02, verdict=VerdictWord.BETTER, sentence="It costs less.",
        ),
    ),
    cautions=("With fewer than 5 runs, it is a hint.",),
)  # fmt: skip
TRUST = Trust(
    campaigns=FalseShare(count=1, total=40, low=0.0006, high=0.132),
    comparisons=FalseShare(count=1, total=160, low=0.0002, high=0.034),
    intervals=FalseShare(count=20, total=400, low=0.03, high=0.08),
    sentence="In 1 of 40 campaigns a datapath was found to differ from itself.",
    newest=(
        SelfComparison(
            campaign="run9", name="itself", hosts="h1", at="2026-06-01T02:30:00.000+00:00", comparisons=4, different=1,
            intervals=10, excluding=1, campaigns_until=40, false_until=1,
        ),
    ),
)  # fmt: skip


@pytest.fixture
def asked(monkeypatch):
    requests = []

    def answer(request):
        path = request.url.path.removeprefix("/api/v1/")
        requests.append((request.method, path, json.loads(request.content or b"null"), dict(request.url.params)))
        found = {
            "schedules": {**KNOWN, "name": "x"} if request.method == "POST" else {"schedules": [KNOWN]},
            "campaigns/run1": {"campaign": {"name": "old", "datapaths": ["direct"], "levels": {"low": "closed(8)"}}},
            "combine": FOUND.model_dump(mode="json"),
            "trust": TRUST.model_dump(mode="json"),
        }
        if path not in found:
            return httpx.Response(404, json={"detail": "there is no such thing"})
        return httpx.Response(200, json=found[path])

    client = functools.partial(Coordinator, transport=httpx.MockTransport(answer))
    monkeypatch.setattr(deploy.cli.remote, "Coordinator", client)
    monkeypatch.setenv("SHOWDOWN_TOKEN", "0123456789abcdef")
    monkeypatch.setenv("COLUMNS", "160")
    return requests


def file(tmp_path):
    path = tmp_path / "small.toml"
    path.write_text(TOML)
    return str(path)


@pytest.mark.parametrize(("every", "seconds"), [("30m", 1800), ("30 min", 1800), ("2 h", 7200), ("90 s", 90)])
def test_replicate_sends_a_file_under_a_free_name(asked, tmp_path, every, seconds):
    result = CliRunner().invoke(replicate, [file(tmp_path), "--times", "5", "--every", every])
    assert result.exit_code == 0, result.output
    method, path, body, _ = asked[-1]
    assert (method, path, body["name"]) == ("POST", "schedules", "small-runs-2")
    assert (body["times"], body["every_s"]) == (5, seconds)
    assert "cron" not in body
    assert "'showdown combine --schedule x'" in result.stdout


def test_replicate_takes_a_campaign_by_its_id(asked):
    result = CliRunner().invoke(replicate, ["run1", "--times", "3"])
    assert result.exit_code == 0, result.output
    assert asked[-1][2]["campaign"]["name"] == "old"
    assert asked[-1][2]["every_s"] == 0
    assert CliRunner().invoke(replicate, ["gone", "--times", "3"]).exit_code == ExitCode.USAGE
    assert CliRunner().invoke(replicate, ["No file!", "--times", "3"]).exit_code == ExitCode.USAGE
    assert CliRunner().invoke(replicate, ["run1", "--times", "3", "--every", "soon"]).exit_code == ExitCode.USAGE


def test_combine_prints_verdicts_with_their_scope(asked):
    result = CliRunner().invoke(combine, ["run1", "run2", "run3"])
    assert result.exit_code == 0, result.output
    assert asked[-1][3] == {"runs": "run1,run2,run3"}
    assert "left out  run4 small: another fingerprint: kernel '6.19', not '6.18'" in result.stdout
    assert "0.973 [0.953, 0.994]" in result.stdout
    assert "[0.92, 1.03]" in result.stdout
    assert "These verdicts hold for 3 runs, 2 boots, 1 host (h1)." in result.stdout
    assert "it is a hint" in result.stdout
    CliRunner().invoke(combine, ["--schedule", "small-runs", "--mixed"])
    assert asked[-1][3] == {"schedule": "abcd2345", "mixed": "true"}
    CliRunner().invoke(combine, ["--series", "0123456789abcdef"])
    assert asked[-1][3] == {"series": "0123456789abcdef"}
    assert CliRunner().invoke(combine, []).exit_code == ExitCode.USAGE
    assert json.loads(CliRunner().invoke(combine, ["run1", "--json"]).stdout)["scope"] == FOUND.scope


def test_trust_prints_counts_with_exact_intervals(asked):
    result = CliRunner().invoke(trust, [])
    assert result.exit_code == 0, result.output
    assert "In 1 of 40 campaigns" in result.stdout
    assert "1 of 40: 2.5 % [0.1 %, 13.2 %]" in result.stdout
    assert "1 of 4" in result.stdout
    assert json.loads(CliRunner().invoke(trust, ["--json"]).stdout)["campaigns"]["total"] == 40


def test_a_schedule_turns_a_file_against_itself(asked, tmp_path):
    command = ["add", file(tmp_path), "--cron", "30 2 * * *", "--time-zone", "UTC", "--against-itself", "tproxy"]
    result = CliRunner().invoke(schedule, command)
    assert result.exit_code == 0, result.output
    assert asked[-1][2]["campaign"]["datapaths"] == ["tproxy", "tproxy"]
    assert asked[-1][2]["name"] == "small-itself"
