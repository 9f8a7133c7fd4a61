"""Lists come in pages, exports in parts, and a worker's question after each block costs no whole report each time."""

import json
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from coordinator.analysis.trials.cache import Sparing, VersionedCache
from tests.unit.coordinator.coordinator_app import CoordinatorApp
from tests.unit.coordinator.pages import signed_in


@pytest.fixture
def coordinator_app(tmp_path: Path) -> Iterator[CoordinatorApp]:
    found = CoordinatorApp(tmp_path)
    yield found
    found.close()


def measured(coordinator_app: CoordinatorApp, blocks: int) -> str:
    """A campaign with so many blocks of two trials."""
    coordinator_app.register()
    campaign_id = coordinator_app.submit(blocks=blocks)
    for number in range(blocks):
        coordinator_app.run_block(reasons=("bypassed",) if number == 1 else ())
    return campaign_id


def test_the_pages_of_trials_are_the_whole_list(coordinator_app: CoordinatorApp) -> None:
    campaign_id = measured(coordinator_app, 5)
    whole = coordinator_app.get(f"campaigns/{campaign_id}/trials").json["trials"]
    assert [one["id"] for one in whole] == [f"{campaign_id}-{n}-1-{place}" for n in range(5) for place in (0, 1)]
    found, after = [], ""
    while after is not None:
        page = coordinator_app.get(f"campaigns/{campaign_id}/trials?limit=3&after={after}").json
        assert len(page["trials"]) <= 3
        found, after = found + page["trials"], page["next"]
    assert found == whole


def test_every_trial_is_streamed_and_an_empty_list_is_json(
    coordinator_app: CoordinatorApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("coordinator.store.measured.trials.STREAMED", 3)
    campaign_id = measured(coordinator_app, 4)
    answer = coordinator_app.client.get(
        f"/api/v1/campaigns/{campaign_id}/trials", headers=coordinator_app.user, buffered=False
    )
    parts = list(answer.iter_encoded())
    assert len(parts) > 8, "one part for each trial"
    assert len(json.loads(b"".join(parts))["trials"]) == 8
    empty = coordinator_app.submit()
    assert coordinator_app.get(f"campaigns/{empty}/trials").json == {"trials": []}


@pytest.mark.parametrize("after", ["k3f9x2ab-0-1-0", "x", "{}-0-1", "{}-0-1-99999999999999999999", "{}-0-1--1"])
def test_a_page_after_no_trial_of_the_campaign_is_refused(coordinator_app: CoordinatorApp, after: str) -> None:
    campaign_id = measured(coordinator_app, 1)
    answer = coordinator_app.get(f"campaigns/{campaign_id}/trials?after={after.format(campaign_id)}")
    assert (answer.status_code, answer.json["problems"][0]["field"]) == (422, "after")


def test_the_page_of_trials_goes_back_to_older_ones(
    coordinator_app: CoordinatorApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("coordinator.web.campaign_page.TRIALS_SHOWN", 4)
    campaign_id, browser = measured(coordinator_app, 5), signed_in(coordinator_app)
    newest = browser.get(f"/campaigns/{campaign_id}/trials").text
    assert "10 trials, 1 of them invalid" in newest
    assert f"{campaign_id}-4-1-1" in newest
    older = browser.get(f"/campaigns/{campaign_id}/trials?before={campaign_id}-3-1-0").text
    assert f"{campaign_id}-2-1-1" in older
    assert f"{campaign_id}-3-1-0</a>" not in older
    assert f"before={campaign_id}-3-1-0" in newest
    assert browser.get(f"/campaigns/{campaign_id}/trials?before=nonsense").status_code == 404


def test_verdicts_are_computed_for_a_worker_after_each_of_few_blocks_and_of_many_for_5_percent() -> None:
    sparing = Sparing()
    due = [blocks for blocks in range(1, 2001) if sparing.is_due("large", blocks)]
    assert due[:21] == list(range(1, 22))
    assert len(due) < 150
    assert all(later <= 1.05 * earlier + 1 for earlier, later in pairwise(due))
    assert sparing.is_due("large", due[-1]), "a second worker asks for the same"


def test_a_worker_gets_progress_without_verdicts_where_few_blocks_are_new(
    coordinator_app: CoordinatorApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Sparing, "is_due", lambda *_: False)
    coordinator_app.register()
    campaign_id = coordinator_app.submit(blocks=2)
    path = f"/api/v1/worker/campaigns/{campaign_id}/progress"
    coordinator_app.run_block()
    first = coordinator_app.client.get(path, headers=coordinator_app.worker).json
    assert (first["blocks_ended"], first["ended"], first["verdicts"]) == (1, False, [])
    coordinator_app.run_block()
    last = coordinator_app.client.get(path, headers=coordinator_app.worker).json
    assert (last["ended"], bool(last["verdicts"])) == (True, True)


def test_a_cache_is_bounded_by_the_weight_of_its_values() -> None:
    cache = VersionedCache[str](10, len)
    for name in ("a", "b", "c"):
        cache.get(name, 1, lambda name=name: name * 4)  # type: ignore[misc]
    made = []
    for name in ("b", "c", "a"):
        cache.get(name, 1, lambda name=name: made.append(name) or name * 4)  # type: ignore[func-returns-value,misc]
    assert made == ["a"]
    assert cache.get("heavy", 1, lambda: "x" * 50) == cache.get("heavy", 1, lambda: "made again") == "x" * 50
