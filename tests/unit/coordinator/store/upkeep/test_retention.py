"""Retention by rule: what is archived or deleted, what keeps it, and the command that only says it."""

from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy import update

from coordinator import cli
from coordinator.config import InfluxSettings, SettingsError, load_settings
from coordinator.retention_settings import RetentionSettings
from coordinator.store.rows.models import CampaignRow
from coordinator.store.upkeep import retention
from coordinator.store.upkeep.retention import DAY_S, Due
from coordinator.telemetry.reader import TelemetryUnavailable
from tests.unit.coordinator.coordinator_app import CoordinatorApp

DELETE = RetentionSettings(delete_after_days=90.0, keep_labels=("keep", "stage=release"))


@pytest.fixture
def year(coordinator_app: CoordinatorApp) -> list[str]:
    """Campaigns that ended 0, 50, 100 … 250 days ago, the newest first; all of one series."""
    coordinator_app.register()
    ids = []
    for number in range(6):
        ids.append(coordinator_app.submit(blocks=1))
        coordinator_app.run_block()
        ended_at = coordinator_app.now - 50 * number * DAY_S
        with coordinator_app.store.write() as session:
            session.execute(update(CampaignRow).where(CampaignRow.id == ids[-1]).values(ended_at=ended_at))
    return ids


def applied(app: CoordinatorApp, rules: RetentionSettings, influx: InfluxSettings | None = None) -> list[Due]:
    return list(retention.apply(app.store, rules, influx or InfluxSettings(), app.now))


def listed(app: CoordinatorApp, archived: str = "any") -> set[str]:
    return {one["id"] for one in app.get(f"campaigns?archived={archived}").json["campaigns"]}


def label(app: CoordinatorApp, campaign_id: str, **labels: str) -> None:
    answer = app.client.patch(f"/api/v1/campaigns/{campaign_id}", json={"labels": labels}, headers=app.user)
    assert answer.status_code == 200, answer.text


def test_old_campaigns_are_deleted_unless_a_label_keeps_them(coordinator_app: CoordinatorApp, year: list[str]) -> None:
    label(coordinator_app, year[3], keep="")
    label(coordinator_app, year[4], stage="release")
    label(coordinator_app, year[5], stage="draft")
    waiting = coordinator_app.submit(blocks=1)
    done = applied(coordinator_app, DELETE)
    assert [one.id for one in done] == [year[5], year[2]], "the oldest first"
    assert done[0].sentence == "deleted by the retention rule: it ended 250 days ago"
    assert listed(coordinator_app) == {year[0], year[1], year[3], year[4], waiting}
    assert applied(coordinator_app, DELETE) == []


def test_the_newest_of_each_series_stay(coordinator_app: CoordinatorApp, year: list[str]) -> None:
    other = coordinator_app.submit(blocks=1, name="other")
    coordinator_app.run_block()
    with coordinator_app.store.write() as session:
        session.execute(update(CampaignRow).where(CampaignRow.id == other).values(ended_at=1.0))
    rules = RetentionSettings(delete_after_days=0.0, keep_last=4)
    assert {one.id for one in applied(coordinator_app, rules)} == {*year[4:]}
    assert listed(coordinator_app) == {*year[:4], other}


def test_a_series_is_of_one_file_whatever_the_name(coordinator_app: CoordinatorApp, year: list[str]) -> None:
    with coordinator_app.store.write() as session:  # as the ticker stores it
        named = update(CampaignRow).where(CampaignRow.id == year[3])
        session.execute(named.values(name="renamed", series="s1"))
        session.execute(update(CampaignRow).where(CampaignRow.id.in_(year[:3])).values(series="s1"))
        session.execute(update(CampaignRow).where(CampaignRow.id == year[4]).values(series=""))
    done = applied(coordinator_app, RetentionSettings(delete_after_days=0.0, keep_last=2))
    assert {one.id for one in done} == {*year[2:4]}, "two others are in no series, and count by their name"


def test_an_age_archives_and_a_higher_one_deletes(coordinator_app: CoordinatorApp, year: list[str]) -> None:
    rules = RetentionSettings(archive_after_days=90.0, delete_after_days=200.0)
    assert {(one.id, one.fate.value) for one in applied(coordinator_app, rules)} == {
        (year[5], "delete"), (year[4], "delete"), (year[3], "archive"), (year[2], "archive"),
    }  # fmt: skip
    assert listed(coordinator_app, "yes") == {year[2], year[3]}
    history = [one["message"] for one in coordinator_app.view(year[2])["history"]]
    assert history[-2:] == ["archived", "archived by the retention rule: it ended 100 days ago"]


def test_a_campaign_that_was_labelled_meanwhile_stays(
    coordinator_app: CoordinatorApp, year: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = retention.due

    def late(*arguments: object, only: str = "") -> object:
        found = chosen(*arguments, only=only)  # type: ignore[arg-type]
        if not only:
            label(coordinator_app, year[5], keep="")
        return found

    monkeypatch.setattr(retention, "due", late)
    applied(coordinator_app, DELETE)
    assert year[5] in listed(coordinator_app)
    assert year[4] not in listed(coordinator_app)


def test_telemetry_is_deleted_when_influxdb_answers_again(
    coordinator_app: CoordinatorApp, year: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def down(_influx: object, campaign_id: str) -> None:
        asked.append(campaign_id)
        raise TelemetryUnavailable("no answer")

    monkeypatch.setattr(retention, "delete_telemetry", down)
    assert len(applied(coordinator_app, DELETE)) == 4
    assert len(asked) == 1, "each further one would wait for the same time limit"
    monkeypatch.setattr(retention, "delete_telemetry", lambda _influx, campaign_id: asked.append(campaign_id))
    applied(coordinator_app, DELETE)
    assert {*asked[1:]} == {*year[2:]}
    applied(coordinator_app, DELETE)
    assert len(asked) == 5


def test_the_command_lists_and_changes_nothing(
    coordinator_app: CoordinatorApp, year: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli.time, "time", lambda: coordinator_app.now)
    environment = {"SHOWDOWN_STATE_DIR": str(coordinator_app.settings.state_dir), "SHOWDOWN_DELETE_AFTER_DAYS": "120"}
    shown = CliRunner().invoke(cli.coordinator, ["retention"], env=environment)
    assert shown.exit_code == 0, shown.output
    assert f"{year[5]} small: would be deleted by the retention rule: it ended 250 days ago" in shown.output
    assert "3 campaigns would be archived or deleted" in shown.output
    assert listed(coordinator_app) == {*year}
    done = CliRunner().invoke(cli.coordinator, ["retention", "--apply"], env=environment)
    assert "3 campaigns were archived or deleted" in done.output
    assert listed(coordinator_app) == {*year[:3]}
    none = CliRunner().invoke(cli.coordinator, ["retention"], env={**environment, "SHOWDOWN_DELETE_AFTER_DAYS": ""})
    assert "There is no rule" in none.output


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("SHOWDOWN_DELETE_AFTER_DAYS", "soon"),
        ("SHOWDOWN_ARCHIVE_AFTER_DAYS", "-1"),
        ("SHOWDOWN_KEEP_LAST", "many"),
        ("SHOWDOWN_DELETE_AFTER_DAYS", "0"),
    ],
)
def test_a_wrong_rule_is_refused(variable: str, value: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=variable):
        load_settings({"SHOWDOWN_STATE_DIR": str(tmp_path), variable: value})
    found = load_settings({"SHOWDOWN_STATE_DIR": str(tmp_path)})
    assert not found.retention.is_on
    assert found.retention.keep_labels == ("keep",)
