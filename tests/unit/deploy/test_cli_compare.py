"""``showdown compare`` with a coordinator made of one function."""

import functools
import json

import httpx
import pytest
from click.testing import CliRunner

import deploy.cli.remote
from coordinator.analysis.comparison import compare as compared
from deploy.cli.client import Coordinator
from deploy.cli.compare import compare
from tests.unit.coordinator.analysis.test_comparison import a_run


@pytest.fixture
def asked(monkeypatch):
    requests = []
    found = compared([a_run(1)], [a_run(2, tproxy=1.1, slices=9)]).model_dump(mode="json")

    def answer(request):
        requests.append((request.url.path, dict(request.url.params)))
        return httpx.Response(200, json=found)

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
    assert "higher" in line
    assert "these two runs" in text.replace("\n", " ")


def test_json_is_the_coordinators_answer(asked):
    result = CliRunner().invoke(compare, ["run1", "run2", "--json"])
    assert json.loads(result.stdout)["basis"] == "blocks"
