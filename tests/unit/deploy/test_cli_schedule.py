"""``showdown schedule`` and ``showdown trend`` with a coordinator made of one function."""

import functools
import json

import httpx
import pytest
from click.testing import CliRunner

import deploy.cli.remote
from deploy.cli.errors import ExitCode
from deploy.cli.rest.client import Coordinator
from deploy.cli.schedule import schedule
from deploy.cli.trend import trend
from domain.runs.trend import ChangePoint, FactChange, Series, SeriesCampaign, Trend, TrendReport

TOML = 'name = "small"\ndatapaths = ["direct", "tproxy"]\n[levels]\nlow = "closed(8)"\n'
ONE = {
    "id": "abcd2345", "name": "nightly", "cron": "30 2 * * *", "words": "At 02:30 every day", "time_zone": "UTC",
    "paused_at": None, "next_at": "2026-06-02T02:30:00.000+00:00", "error": "", "series": "0123456789abcdef",
    "runs": [{"state": "skipped", "campaign": None, "reason": "campaign x has not ended", "missed": 2}],
}  # fmt: skip
SERIES = Series(
    id="0123456789abcdef", name="nightly", hosts="h1", campaigns=2,
    first_at="2026-06-01T02:30:00.000+00:00", last_at="2026-06-02T02:30:00.000+00:00",
)  # fmt: skip
KERNEL = (FactChange(name="kernel", before="6.18.5", after="6.19.0"),)
REPORT = TrendReport(
    series=SERIES,
    campaigns=(
        SeriesCampaign(id="one", name="nightly", at=SERIES.first_at),
        SeriesCampaign(id="two", name="nightly", at=SERIES.last_at, changed=KERNEL),
    ),
    trends=(
        Trend(
            datapath="tproxy", workload="http_keepalive", level="low", load="closed(8)", metric="requests_per_s",
            values=(50_000.0, 40_000.0),
            changes=(
                ChangePoint(campaign="two", at=SERIES.last_at, before=50_000, after=40_000, p=0.01, better=False,
                            changed=KERNEL),
            ),
        ),
    ),
    false_share=0.05,
    needed=8,
)  # fmt: skip


@pytest.fixture
def asked(monkeypatch):
    requests = []

    def answer(request):
        path = request.url.path.removeprefix("/api/v1/")
        requests.append((request.method, path, json.loads(request.content or b"null")))
        found = {
            "schedules": ONE if request.method == "POST" else {"schedules": [ONE]},
            "series": {"series": [SERIES.model_dump()]},
            f"series/{SERIES.id}": REPORT.model_dump(mode="json"),
        }
        moved = {**ONE, "paused_at": "2026"} if request.method == "PATCH" else ONE
        return httpx.Response(200, json=found.get(path, moved))

    client = functools.partial(Coordinator, transport=httpx.MockTransport(answer))
    monkeypatch.setattr(deploy.cli.remote, "Coordinator", client)
    monkeypatch.setenv("SHOWDOWN_TOKEN", "0123456789abcdef")
    monkeypatch.setenv("COLUMNS", "160")
    return requests


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "small.toml"
    path.write_text(TOML)
    return str(path)


def test_add_sends_the_file_and_says_when_it_runs(asked, file):
    result = CliRunner().invoke(schedule, ["add", file, "--cron", "30 2 * * *", "--time-zone", "UTC"])
    assert result.exit_code == 0, result.output
    assert result.stdout == "schedule nightly: At 02:30 every day, UTC; next 2026-06-02 02:30 UTC\n"
    ((method, path, body),) = asked
    assert (method, path, body["name"], body["cron"]) == ("POST", "schedules", "small", "30 2 * * *")
    assert body["campaign"]["levels"] == {"low": "closed(8)"}


def test_a_wrong_cron_expression_is_refused_before_it_is_sent(asked, file):
    result = CliRunner().invoke(schedule, ["add", file, "--cron", "tomorrow", "--time-zone", "UTC"])
    assert result.exit_code == ExitCode.INVALID
    assert "cron: must be five fields" in result.stderr
    assert asked == []


def test_the_list_has_the_last_outcome(asked):
    result = CliRunner().invoke(schedule, ["list"])
    assert "skipped campaign x has not ended; 2 missed before it" in result.stdout
    assert "2026-06-02 02:30" in result.stdout


@pytest.mark.parametrize(
    ("action", "request_"),
    [
        ("pause", ("PATCH", "schedules/abcd2345", {"paused": True})),
        ("resume", ("PATCH", "schedules/abcd2345", {"paused": False})),
        ("run", ("POST", "schedules/abcd2345/run", None)),
        ("remove", ("DELETE", "schedules/abcd2345", None)),
    ],
)
def test_a_schedule_is_named_by_its_name(action, request_, asked):
    result = CliRunner().invoke(schedule, [action, "nightly"])
    assert result.exit_code == 0, result.output
    assert asked[-1] == request_
    unknown = CliRunner().invoke(schedule, [action, "weekly"])
    assert unknown.exit_code == ExitCode.USAGE
    assert "there is no schedule 'weekly'; there are: nightly" in unknown.stderr


def test_trend_lists_series_then_shows_changes_with_what_was_new(asked):
    listed = CliRunner().invoke(trend, [])
    assert SERIES.id in listed.stdout
    result = CliRunner().invoke(trend, [SERIES.id])
    assert result.exit_code == 0, result.output
    assert "nightly on h1: 2 campaigns, 2026-06-01 to 2026-06-02" in result.stdout
    assert "new at two (2026-06-02): kernel 6.18.5 → 6.19.0" in result.stdout
    assert "  showdown compare one two" in result.stdout.splitlines()
    (line,) = [line for line in result.stdout.splitlines() if line.startswith("two ")]
    assert line.split()[-4:] == ["50,000", "40,000", "0.800", "worse"]
    assert json.loads(CliRunner().invoke(trend, [SERIES.id, "--json"]).stdout)["needed"] == 8


def test_series_are_listed_by_name_host_and_labels(asked, monkeypatch):
    queries = []
    monkeypatch.setattr(Coordinator, "all_series", lambda _, **wanted: queries.append(wanted) or iter(()))
    given = ["--search", "edge proxy", "--host", "h1", "--label", "team=edge", "--label", "ci"]
    assert CliRunner().invoke(trend, given).exit_code == 0
    assert queries == [{"search": "edge proxy", "host": "h1", "label": "team=edge,ci"}]
    refused = CliRunner().invoke(trend, [SERIES.id, "--host", "h1"])
    assert refused.exit_code == ExitCode.USAGE
    assert "leave out SERIES_ID" in refused.output
