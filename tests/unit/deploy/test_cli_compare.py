"""``showdown compare`` with a coordinator made of one function."""

import functools
import json

import httpx
import pytest
from click.testing import CliRunner

import deploy.cli.remote
from coordinator.analysis.runs.comparison import compare as compared
from deploy.cli.compare import compare
from deploy.cli.errors import ExitCode
from deploy.cli.rest.client import Coordinator
from domain.loads.metric import Metric
from domain.reports.verdict_words import VerdictWord
from domain.runs.comparison import Compared
from tests.unit.coordinator.analysis.runs.test_comparison import a_run

LINES = [
    {"id": f"run{number}", "state": "complete", "labels": {"kernel": kernel, "team": "edge"}}
    for number, kernel in ((5, "6.19"), (4, "6.18"), (3, "6.18"), (2, "6.12"))
]


@pytest.fixture
def asked(monkeypatch):
    requests = []
    two = compared([a_run(1)], [a_run(2, tproxy=1.1, slices=9)])
    many = compared([a_run(1)], [a_run(2, tproxy=1.1, slices=9)], [a_run(3)], [a_run(4, tproxy=0.9, slices=7)])

    def answer(request):
        requests.append((request.url.path, dict(request.url.params)))
        if request.url.path.endswith("/campaigns"):
            return httpx.Response(200, json={"campaigns": LINES})
        found = many if ";" in request.url.params["other"] else two
        return httpx.Response(200, json=found.model_dump(mode="json"))

    client = functools.partial(Coordinator, transport=httpx.MockTransport(answer))
    monkeypatch.setattr(deploy.cli.remote, "Coordinator", client)
    monkeypatch.setenv("SHOWDOWN_TOKEN", "0123456789abcdef")
    return requests


def test_it_prints_what_differs_then_figures_then_ratios(asked):
    result = CliRunner().invoke(compare, ["run1", "run2,run3"], env={"COLUMNS": "120"})
    assert result.exit_code == 0, result.output
    assert asked == [("/api/v1/compare", {"baseline": "run1", "other": "run2,run3"})]
    text = result.stdout
    parts = ["baseline  t run1", "other     t run2", "differs   campaign.slices", "Figures", "Ratios to the reference"]
    assert [text.index(part) for part in parts] == sorted(text.index(part) for part in parts)
    (line,) = [
        line for line in text.splitlines() if line.startswith("tproxy") and " requests/s" in line and "50," in line
    ]
    assert "better" in line
    assert "these two runs" in text.replace("\n", " ")


def test_same_is_printed_with_its_margin():
    cell = Compared(
        datapath="tproxy", workload="http_keepalive", level="low", load="closed(8)", metric=Metric.LATENCY_P50_US,
        change=VerdictWord.SAME, margin=0.03,
    )  # fmt: skip
    assert cell.text == "same within ±3 %"
    assert cell.model_copy(update={"change": VerdictWord.BETTER}).text == "better"


def test_json_is_the_coordinators_answer(asked):
    result = CliRunner().invoke(compare, ["run1", "run2", "--json"])
    assert json.loads(result.stdout)["basis"] == "blocks"


def printed(width, *sides):
    result = CliRunner().invoke(compare, ["run1", *sides], env={"COLUMNS": str(width)})
    assert result.exit_code == 0, result.output
    assert max(map(len, result.stdout.splitlines())) <= width
    return result.stdout


def test_several_sides_are_columns_beside_the_baseline(asked):
    text = printed(140, "run2", "run3", "run4")
    assert asked == [("/api/v1/compare", {"baseline": "run1", "other": "run2;run3;run4"})]
    assert "side 1    t run2" in text
    slices = a_run(1).campaign.slices
    assert f"differs   campaign.slices: {slices} → 9 (side 1), 7 (side 3)" in text
    lines = text.splitlines()
    head = next(n for n, line in enumerate(lines) if line.startswith("datapath"))
    assert lines[head].split() == ["datapath", "level", "figure", "baseline", "run2", "run3", "run4"]
    assert lines[head - 1].split() == ["side", "1", "side", "2", "side", "3"]
    place = next(n for n, line in enumerate(lines) if line.startswith("tproxy") and " requests/s" in line)
    assert [word for word in lines[place].split() if word in {"better", "same", "worse"}] == [
        "better", "same", "worse",
    ]  # fmt: skip
    assert lines[place + 1].count("[") == 3, "the ratios are below the figures"


def test_a_narrow_terminal_gets_several_tables_with_the_baseline_in_each(asked):
    heads = [line.split() for line in printed(80, "run2", "run3", "run4").splitlines() if line.startswith("datapath")]
    assert len(heads) > 2
    assert all("baseline" in words for words in heads)
    assert [sum(f"run{number}" in words for words in heads) for number in (2, 3, 4)] == [2, 2, 2]


def test_each_value_of_a_label_is_a_side(asked):
    result = CliRunner().invoke(compare, ["--by", "kernel", "--search", "nightly", "--json"])
    assert result.exit_code == 0, result.output
    assert asked == [
        ("/api/v1/campaigns", {"label": "kernel", "limit": "1000", "q": "nightly"}),
        ("/api/v1/compare", {"baseline": "run2", "other": "run4,run3;run5"}),
    ]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ([], "name BASELINE and OTHERS, or give --by KEY"),
        (["run1", "--by", "kernel"], "name BASELINE and OTHERS, or give --by KEY"),
        (["run1", "run2", "--search", "x"], "--search is for --by"),
        (["--by", "team"], "one value of the label 'team' has complete campaigns"),
        (["--by", "nosuch"], "no value of the label 'nosuch'"),
    ],
)
def test_wrong_sides_are_refused_with_the_reason(asked, given, words):
    result = CliRunner().invoke(compare, given)
    assert result.exit_code == ExitCode.USAGE
    assert words in result.output
