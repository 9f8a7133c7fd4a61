"""Commands that need every entry of a list get all of its pages."""

import functools
import json

import httpx
import pytest
from click.testing import CliRunner

import deploy.cli.remote
from coordinator.analysis.runs.comparison import compare as compared
from deploy.cli.main import main
from deploy.cli.rest.client import Coordinator
from tests.unit.coordinator.analysis.runs.test_comparison import a_run

ENTRIES = {
    "campaigns": [
        {
            "id": f"run{number}", "name": "nightly", "state": "complete", "labels": {"kernel": kernel},
            "blocks_done": 1, "blocks_total": 1,
        }
        for number, kernel in ((5, "6.19"), (4, "6.19"), (3, "6.18"), (2, "6.12"), (1, "6.12"))
    ],
    "series": [
        {"id": f"series{number}", "name": "nightly", "hosts": "vm", "campaigns": 2, "last_at": "2026-01-01T00:00:00"}
        for number in range(5)
    ],
}  # fmt: skip
ON_A_PAGE = 2


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What a coordinator with short pages is asked for, its pages apart."""
    requests: list[str] = []
    comparison = compared([a_run(1)], [a_run(2)]).model_dump(mode="json")

    def answer(request: httpx.Request) -> httpx.Response:
        last = request.url.path.rpartition("/")[2]
        if last in ENTRIES:
            every = ENTRIES[last] if request.url.params.get("state", "running") == "running" else []
            first = int(request.url.params.get("cursor", 0))
            following = first + ON_A_PAGE
            page = {last: every[first:following], "next": str(following) if following < len(every) else None}
            return httpx.Response(200, json=page)
        requests.append(f"{request.method} {request.url.path} {request.url.params.get('other', '')}".strip())
        return httpx.Response(200, json=comparison if last == "compare" else {"id": "run1", "state": "cancelling"})

    transport = httpx.MockTransport(answer)
    monkeypatch.setattr(deploy.cli.remote, "Coordinator", functools.partial(Coordinator, transport=transport))
    monkeypatch.setenv("SHOWDOWN_TOKEN", "0123456789abcdef")
    return requests


def invoke(*arguments: str) -> str:
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_every_value_of_a_label_is_a_side(asked: list[str]) -> None:
    invoke("compare", "--by", "kernel", "--json")
    assert asked == ["GET /api/v1/compare run3;run5,run4"], "the baseline, 6.12, is on the last pages"


def test_every_open_campaign_is_cancelled(asked: list[str]) -> None:
    invoke("cancel", "--all", "--yes")
    assert asked == [f"POST /api/v1/campaigns/run{number}/cancel" for number in (5, 4, 3, 2, 1)]


def test_every_series_is_listed(asked: list[str]) -> None:
    found = json.loads(invoke("trend", "--json"))
    assert [one["id"] for one in found["series"]] == [one["id"] for one in ENTRIES["series"]]
    assert found["total"] == 5
    assert all(one["id"] in invoke("trend") for one in ENTRIES["series"])
