"""Two requests at once, on PostgreSQL, create neither more than the limit nor one name twice: the second waits."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import pytest
from sqlalchemy.orm import Session

from coordinator.store.hosts import enrolments
from coordinator.store.lifecycle import submission, work
from coordinator.store.people import user_tokens
from coordinator.store.runs import notices, rules, schedules
from domain.campaigns.campaign import read_campaign
from domain.runs.notice import NewNotice
from domain.runs.rule import NewRule
from domain.runs.schedule import NewSchedule
from domain.service.scopes import NewToken
from tests.unit.coordinator.coordinator_app import CoordinatorApp, campaign, capabilities
from tests.unit.coordinator.races import overtaken
from tests.unit.coordinator.watched_series import HOOK, SETTINGS, WANTED, measure

NIGHTLY = {"name": "nightly", "cron": "0 3 * * *", "time_zone": "UTC", "campaign": campaign()}


class Kind(NamedTuple):
    """A kind of row: where its limit is, what a user posts, and what another one stores at that moment."""

    module: ModuleType
    limit: str
    path: str
    body: Mapping[str, object]
    store: Callable[[Session, float], object]


KINDS = (
    Kind(rules, "MAX_RULES", "rules", WANTED, lambda session, now: rules.add(session, NewRule(**WANTED), now)),
    Kind(
        rules,
        "MAX_NOTICES",
        "notices",
        {"webhook": HOOK},
        lambda session, now: notices.add(session, NewNotice(webhook=HOOK), now),
    ),
    Kind(
        schedules,
        "MAX_SCHEDULES",
        "schedules",
        NIGHTLY | {"name": "weekly"},
        lambda session, now: schedules.add(session, NewSchedule.model_validate(NIGHTLY), now),
    ),
    Kind(
        user_tokens,
        "MOST_TOKENS",
        "tokens",
        {"name": "ann", "scope": "read"},
        lambda session, now: user_tokens.create(
            session, NewToken.model_validate({"name": "bob", "scope": "read"}), "0" * 64, "owner", now
        ),
    ),
    Kind(
        submission,
        "MAX_OPEN_CAMPAIGNS",
        "campaigns",
        campaign(),
        lambda session, now: submission.submit(session, read_campaign(campaign()), now),
    ),
)


@pytest.fixture
def app(postgres_url: str, tmp_path: Path) -> Iterator[CoordinatorApp]:
    """A coordinator on PostgreSQL, the host h1, and a series. SQLite has one writer at a time."""
    app = CoordinatorApp(tmp_path, postgres_url, **SETTINGS)
    measure(app, 100)
    app.register()
    yield app
    app.close()


def post(app: CoordinatorApp, kind: Kind) -> tuple[int, str]:
    """The status of a request in another thread than the test's, and its text."""
    answer = app.app.test_client().post(f"/api/v1/{kind.path}", json=kind.body, headers=app.user)
    return answer.status_code, answer.get_data(as_text=True)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.path)
def test_two_at_once_do_not_exceed_the_limit(app: CoordinatorApp, kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kind.module, kind.limit, 1)
    status, text = overtaken(app.store, lambda session: kind.store(session, app.now), lambda: post(app, kind))
    assert status == 422, text
    assert "which is the limit" in text
    monkeypatch.setattr(kind.module, kind.limit, 2)
    status, text = post(app, kind)
    assert status in {201, 202}, text


def test_of_two_schedules_of_one_name_at_once_the_second_is_refused(app: CoordinatorApp) -> None:
    kind = next(one for one in KINDS if one.path == "schedules")._replace(body=NIGHTLY)
    status, text = overtaken(app.store, lambda session: kind.store(session, app.now), lambda: post(app, kind))
    assert status == 422, text
    assert "there is a schedule nightly already" in text


def test_of_two_tokens_of_one_name_at_once_the_second_is_refused(app: CoordinatorApp) -> None:
    kind = next(one for one in KINDS if one.path == "tokens")._replace(body={"name": "bob", "scope": "read"})
    status, text = overtaken(app.store, lambda session: kind.store(session, app.now), lambda: post(app, kind))
    assert status == 409, text
    assert "token bob exists" in text


def test_of_two_enrolments_of_one_host_at_once_the_second_is_refused(app: CoordinatorApp) -> None:
    def enrol_again() -> None:
        with app.store.write() as session:
            enrolments.enrol(session, "h9", "1" * 64, app.now)

    with pytest.raises(enrolments.AlreadyEnrolled, match="host h9 has a token"):
        overtaken(app.store, lambda session: enrolments.enrol(session, "h9", "0" * 64, app.now), enrol_again)


def test_two_registrations_of_one_host_at_once_leave_one_host(app: CoordinatorApp) -> None:
    def register(session: Session) -> None:
        work.register_host(session, capabilities("h9"), app.now)

    def register_again() -> None:
        with app.store.write() as session:
            register(session)

    overtaken(app.store, register, register_again)
    assert [host["name"] for host in app.get("hosts").json["hosts"]] == ["h1", "h9"]
