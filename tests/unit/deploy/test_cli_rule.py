"""``showdown rule`` with a coordinator made of one function."""

import functools
import json

import httpx
import pytest
from click.testing import CliRunner

import deploy.cli.remote
from deploy.cli.errors import ExitCode
from deploy.cli.rest.client import Coordinator
from deploy.cli.rule import rule
from domain.runs.trend import Series, SeriesCampaign, Trend, TrendReport

SERIES = "0123456789abcdef"
AT = "2026-06-02T02:30:00.000+00:00"
WANTED = {
    "series": SERIES, "workload": "http_open", "level": "steady", "datapath": "tproxy", "reference": None,
    "metric": "cpu_us_per_request", "percent": 5.0, "direction": "worse", "webhook": "https://hooks.example.com/x",
    "email": ["ops@example.com"],
}  # fmt: skip
DELIVERY = {
    "id": "d1", "channel": "webhook", "target": "https://hooks.example.com/x", "state": "pending",
    "next_at": "2026-06-02T02:40:00.000+00:00", "attempts": [{"at": AT, "outcome": "status 500", "took_s": 0.1}],
}  # fmt: skip
EVENT = {"id": "e1", "campaign": "q3vd7xkm", "at": AT, "sentence": "It is +7 %.", "deliveries": [DELIVERY]}
RULE = {**WANTED, "id": "m4kq7w2d", "created_at": AT, "regressed_since": "q3vd7xkm", "error": "", "events": [EVENT]}


def trend(datapath, level="steady", workload="http_open", reference=None):
    return Trend(
        datapath=datapath, workload=workload, level=level, load="open(8000)", metric="cpu_us_per_request",
        reference=reference, values=(100.0,),
    )  # fmt: skip


def report(*trends):
    series = Series(id=SERIES, name="nightly", hosts="h1", campaigns=1, first_at=AT, last_at=AT)
    campaigns = (SeriesCampaign(id="q3vd7xkm", name="nightly", at=AT),)
    found = TrendReport(series=series, campaigns=campaigns, trends=trends, false_share=0.05, needed=8)
    return found.model_dump(mode="json")


ONE_WORKLOAD = report(trend("tproxy"), trend("direct"), trend("tproxy", reference="direct"))
TWO_WORKLOADS = report(trend("tproxy"), trend("tproxy", workload="http_churn"))


@pytest.fixture
def answers():
    return {"rules": {"rules": [RULE]}, f"series/{SERIES}": ONE_WORKLOAD}


@pytest.fixture
def asked(answers, monkeypatch):
    requests = []

    def answer(request):
        path = request.url.path.removeprefix("/api/v1/")
        requests.append((request.method, path, json.loads(request.content or b"null")))
        if request.method == "POST":
            return httpx.Response(201, json={**RULE, **requests[-1][2]})
        return httpx.Response(200, json=answers.get(path, RULE))

    client = functools.partial(Coordinator, transport=httpx.MockTransport(answer))
    monkeypatch.setattr(deploy.cli.remote, "Coordinator", client)
    monkeypatch.setenv("SHOWDOWN_TOKEN", "0123456789abcdef")
    monkeypatch.setenv("COLUMNS", "180")
    return requests


def add(*more, datapath="tproxy"):
    command = ["add", SERIES, "--datapath", datapath, "--level", "steady", "--metric", "cpu_us_per_request", *more]
    return CliRunner().invoke(rule, command)


def test_add_takes_the_only_workload_and_says_what_is_watched(asked):
    result = add("--webhook", "https://hooks.example.com/x", "--email", "ops@example.com")
    assert result.exit_code == 0, result.output
    assert result.stdout == (
        "rule m4kq7w2d: CPU µs/request of tproxy at steady of http_open, worse by 5 % or more; "
        "webhook https://hooks.example.com/x; mail ops@example.com\n"
    )
    sent = {name: value for name, value in WANTED.items() if value is not None}
    assert asked[-1] == ("POST", "rules", sent)


def test_a_ratio_and_a_direction_can_be_watched(asked):
    result = add("--reference", "direct", "--percent", "2.5", "--direction", "higher", "--json")
    assert (json.loads(result.stdout)["reference"], result.exit_code) == ("direct", 0)
    sent = asked[-1][2]
    assert (sent["reference"], sent["percent"], sent["direction"], sent["email"]) == ("direct", 2.5, "higher", [])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"datapath": "tproxi"}, "no trend of the datapath 'tproxi'; there are: tproxy, direct"),
        ({"more": ("--reference", "ebpf_redirect")}, "no trend of the reference 'ebpf_redirect'; there are: direct"),
        ({"more": ("--workload", "http_churn")}, "no trend of the workload 'http_churn'; there are: http_open"),
    ],
)  # fmt: skip
def test_what_no_trend_has_is_named_before_anything_is_sent(options, words, asked):
    result = add(*options.pop("more", ()), **options)
    assert result.exit_code == ExitCode.USAGE
    assert words in result.stderr
    assert [method for method, *_ in asked] == ["GET"]


def test_several_workloads_need_a_choice(asked, answers):
    answers[f"series/{SERIES}"] = TWO_WORKLOADS
    result = add()
    assert result.exit_code == ExitCode.USAGE
    assert "give --workload: http_open, http_churn" in result.stderr
    assert add("--workload", "http_churn").exit_code == 0


def test_a_wrong_address_or_percentage_names_its_field(asked):
    result = add("--email", "nowhere", "--percent", "-1")
    assert result.exit_code == ExitCode.INVALID
    assert "email.0: " in result.stderr
    assert "percent: " in result.stderr


def test_the_list_says_what_is_regressed(asked, answers):
    (line,) = [one for one in CliRunner().invoke(rule, ["list"]).stdout.splitlines() if one.startswith("m4kq7w2d")]
    assert "CPU µs/request of tproxy at steady of http_open" in line
    assert line.rstrip().endswith("regressed since q3vd7xkm")
    assert json.loads(CliRunner().invoke(rule, ["list", "--json"]).stdout)["rules"][0]["id"] == "m4kq7w2d"
    answers["rules"] = {"rules": []}
    assert "'showdown rule add SERIES_ID' adds one" in CliRunner().invoke(rule, ["list"]).stdout


def test_show_has_events_and_each_message(asked):
    result = CliRunner().invoke(rule, ["show", "m4kq7w2d"])
    assert result.exit_code == 0, result.output
    assert "2026-06-02 02:30 UTC campaign q3vd7xkm: It is +7 %." in result.stdout
    assert (
        "pending: webhook to https://hooks.example.com/x, 1 attempt; last 2026-06-02 02:30 UTC: status 500; "
        "next 2026-06-02 02:40 UTC"
    ) in result.stdout


def test_change_sends_only_what_was_given(asked):
    result = CliRunner().invoke(rule, ["change", "m4kq7w2d", "--percent", "8", "--webhook", "", "--email", ""])
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("rule m4kq7w2d: CPU µs/request of tproxy")
    assert asked == [("PATCH", "rules/m4kq7w2d", {"percent": 8.0, "webhook": None, "email": []})]
    nothing = CliRunner().invoke(rule, ["change", "m4kq7w2d"])
    assert nothing.exit_code == ExitCode.USAGE
    assert "give at least one of --percent, --direction, --webhook, --email" in nothing.stderr
    assert CliRunner().invoke(rule, ["change", "m4kq7w2d", "--email", "nowhere"]).exit_code == ExitCode.INVALID
    assert len(asked) == 1


def test_remove_names_the_rule(asked):
    result = CliRunner().invoke(rule, ["remove", "m4kq7w2d"])
    assert result.stdout == "rule m4kq7w2d is removed: CPU µs/request of tproxy at steady of http_open\n"
    assert asked == [("DELETE", "rules/m4kq7w2d", None)]
    assert CliRunner().invoke(rule, ["remove", "../tokens/ci"]).exit_code == ExitCode.USAGE
    assert len(asked) == 1
