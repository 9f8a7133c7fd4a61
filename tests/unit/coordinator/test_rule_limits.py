"""At most so many rules, and so many notices: both are rows of one table, and neither counts as the other."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from coordinator.store.runs import rules
from tests.unit.coordinator.coordinator_app import CoordinatorApp
from tests.unit.coordinator.watched_series import HOOK, SETTINGS, WANTED, measure

RULE = "rules", WANTED
NOTICE = "notices", {"webhook": HOOK}


@pytest.fixture
def app(tmp_path: Path) -> Iterator[CoordinatorApp]:
    found = CoordinatorApp(tmp_path, **SETTINGS)
    measure(found, 100)
    yield found
    found.close()


@pytest.mark.parametrize(
    ("limit", "wanted", "other", "field"),
    [("MAX_RULES", RULE, NOTICE, "series"), ("MAX_NOTICES", NOTICE, RULE, "notice")],
)
def test_more_than_the_limit_are_refused_until_one_is_removed(
    app: CoordinatorApp,
    monkeypatch: pytest.MonkeyPatch,
    limit: str,
    wanted: tuple[str, dict[str, object]],
    other: tuple[str, dict[str, object]],
    field: str,
) -> None:
    def add(kind: tuple[str, dict[str, object]]):  # type: ignore[no-untyped-def]
        return app.client.post(f"/api/v1/{kind[0]}", json=kind[1], headers=app.user)

    monkeypatch.setattr(rules, limit, 2)
    assert [add(one).status_code for one in (other, wanted)] == [201, 201]
    last = add(wanted)
    assert last.status_code == 201
    refused = add(wanted)
    assert refused.status_code == 422
    (problem,) = refused.json["problems"]
    said = f"there are 2 {wanted[0]}, which is the limit; remove one that is no longer needed"
    assert problem == {"field": field, "message": said}
    assert app.client.delete(f"/api/v1/{wanted[0]}/{last.json['id']}", headers=app.user).status_code == 200
    assert add(wanted).status_code == 201
