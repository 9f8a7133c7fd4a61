"""``GET /campaigns/<id>?wait=…`` answers at the campaign's end, occupies few threads, and never waits for long."""

from collections.abc import Callable

import pytest

from coordinator.api import waiting
from coordinator.api.waiting import AT_ONCE, LONGEST_S
from tests.unit.coordinator.coordinator_app import CoordinatorApp


class Time:
    """A clock that only sleeping moves; ``then`` happens during each sleep."""

    def __init__(self, then: Callable[[], object]) -> None:
        self.now_s, self.slept, self._then = 0.0, 0, then

    def monotonic(self) -> float:
        return self.now_s

    def sleep(self, duration_s: float) -> None:
        self.now_s += duration_s
        self.slept += 1
        self._then()


@pytest.fixture
def campaign_id(coordinator_app: CoordinatorApp) -> str:
    coordinator_app.register()
    return coordinator_app.submit(blocks=1)


def waited(app: CoordinatorApp, campaign_id: str, wait_s: int) -> str:
    return str(app.get(f"campaigns/{campaign_id}?wait={wait_s}").json["state"])


def test_it_answers_when_the_campaign_ends(
    coordinator_app: CoordinatorApp, campaign_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    time = Time(coordinator_app.run_block)
    monkeypatch.setattr(waiting, "time", time)
    assert waited(coordinator_app, campaign_id, 10) == "complete"
    assert time.slept == 1
    assert waited(coordinator_app, campaign_id, 10) == "complete"
    assert time.slept == 1, "it has ended before"


def test_it_answers_in_time_without_an_end(
    coordinator_app: CoordinatorApp, campaign_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    time = Time(lambda: None)
    monkeypatch.setattr(waiting, "time", time)
    assert waited(coordinator_app, campaign_id, 5) == "queued"
    assert time.now_s == 5.0


def test_few_wait_at_once(coordinator_app: CoordinatorApp, campaign_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked, answered_at_once = 0, list[int]()

    def ask() -> None:
        nonlocal asked
        if not answered_at_once:
            asked, before = asked + 1, time.slept
            waited(coordinator_app, campaign_id, 5)
            if time.slept == before:
                answered_at_once.append(asked)

    time = Time(ask)  # the next client asks while the others wait
    monkeypatch.setattr(waiting, "time", time)
    ask()
    assert answered_at_once == [AT_ONCE + 1]
    before = time.slept
    waited(coordinator_app, campaign_id, 5)
    assert time.slept > before, "there is room again"


@pytest.mark.parametrize("value", [LONGEST_S + 1, -1, "soon"])
def test_no_other_time_is_taken(coordinator_app: CoordinatorApp, campaign_id: str, value: object) -> None:
    answer = coordinator_app.get(f"campaigns/{campaign_id}?wait={value}")
    assert answer.status_code == 422
    assert coordinator_app.get(f"campaigns/unknown2?wait={LONGEST_S}").status_code == 404
