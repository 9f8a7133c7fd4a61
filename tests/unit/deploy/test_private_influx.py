"""The private InfluxDB keeps points for a limited time, and deletes nothing old that a user has not given up."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import parse_qs

import pytest

from deploy.stack.children import StackError
from deploy.stack.influx import DAYS, PrivateInflux, days_of
from deploy.stack.servers import index_of, influxd_config
from tests.servers import Request, http_server

NO_DATABASE = '{"results":[{"error":"database not found: showdown"}]}'
LIMIT = f'DURATION {DAYS}d REPLICATION 1 SHARD DURATION 7d NAME "autogen"'


def policies(duration: str) -> str:
    columns = '["name","duration","shardGroupDuration","replicaN","default"]'
    return (
        f'{{"results":[{{"series":[{{"columns":{columns},"values":[["autogen","{duration}","168h0m0s",1,true]]}}]}}]}}'
    )


def set_up(directory: Path, shown: str, days: int | None) -> tuple[str, Sequence[str]]:
    """The note, and the statements on databases and policies that change something."""

    def answer(request: Request) -> tuple[int, str]:
        statement = parse_qs(request.body)["q"][0]
        return 200, shown if statement.startswith("SHOW") else '{"results":[{}]}'

    with http_server(answer) as server:
        influx = PrivateInflux(directory, "showdown", days)
        influx.url = server.url
        try:
            note = influx.set_up()
        finally:
            influx.close()
        statements = [parse_qs(request.body)["q"][0] for request in server.requests]
    assert [one.split()[0] for one in statements if "USER" in one or "GRANT" in one] == ["CREATE", "CREATE", "GRANT"]
    return note, [one for one in statements if "DATABASE" in one or one.startswith("ALTER")]


@pytest.mark.parametrize(
    ("days", "limit"), [(None, f" WITH {LIMIT}"), (7, f" WITH {LIMIT}".replace("90d", "7d")), (0, "")]
)
def test_a_new_database_has_a_limit_on_the_age_of_its_points(tmp_path: Path, days: int | None, limit: str) -> None:
    assert set_up(tmp_path, NO_DATABASE, days) == ("", [f'CREATE DATABASE "showdown"{limit}'])


def test_an_existing_database_without_limit_keeps_its_points_and_a_note_names_the_setting(
    tmp_path: Path,
) -> None:
    note, changes = set_up(tmp_path, policies("0s"), None)
    assert changes == []
    assert note == f"telemetry is kept for ever; SHOWDOWN_TELEMETRY_DAYS={DAYS} would limit it"
    assert set_up(tmp_path, policies("2160h0m0s"), None) == ("", [])


@pytest.mark.parametrize(("days", "limit"), [(30, "30d SHARD DURATION 7d"), (0, "INF")])
def test_a_given_limit_is_set_on_an_existing_database(tmp_path: Path, days: int, limit: str) -> None:
    alter = f'ALTER RETENTION POLICY "autogen" ON "showdown" DURATION {limit}'
    assert set_up(tmp_path, policies("0s"), days) == ("", [alter])


def test_a_refusal_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StackError, match="influxd does not answer"):
        set_up(tmp_path, "[]", None)


@pytest.mark.parametrize(
    ("environment", "days"),
    [({}, None), ({"SHOWDOWN_TELEMETRY_DAYS": ""}, None), ({"SHOWDOWN_TELEMETRY_DAYS": "0"}, 0)],
)
def test_days_are_those_of_the_environment(environment: Mapping[str, str], days: int | None) -> None:
    assert days_of(environment) == days


@pytest.mark.parametrize("value", ["-1", "1.5", "90d", "100000", "x"])
def test_days_that_are_no_number_of_days_are_refused(value: str) -> None:
    with pytest.raises(StackError, match="SHOWDOWN_TELEMETRY_DAYS must be 0"):
        days_of({"SHOWDOWN_TELEMETRY_DAYS": value})


def test_the_index_is_on_disk_unless_a_shard_of_an_earlier_version_has_its_own_in_memory(tmp_path: Path) -> None:
    data = tmp_path / "data"
    assert index_of(data) == "tsi1"
    (data / "showdown" / "_series" / "00").mkdir(parents=True)
    (data / "showdown" / "autogen" / "2" / "index").mkdir(parents=True)
    assert index_of(data) == "tsi1"
    assert 'index-version = "tsi1"' in influxd_config(tmp_path, http_port=1, rpc_port=2)
    (data / "showdown" / "autogen" / "1").mkdir()
    assert index_of(data) == "inmem"
    assert 'index-version = "inmem"' in influxd_config(tmp_path, http_port=1, rpc_port=2)


def test_an_administrator_of_another_user_ends_the_start_and_gives_nothing_away(tmp_path: Path) -> None:
    """Before there is an administrator, every local user may make one: then no database and no user is made there."""

    def answer(request: Request) -> tuple[int, str]:
        if "Authorization" in request.headers or "CREATE USER" not in parse_qs(request.body)["q"][0]:
            return 401, '{"error":"authorization failed"}'
        return 401, '{"error":"unable to parse authentication credentials"}'

    with http_server(answer) as server:
        influx = PrivateInflux(tmp_path, "showdown", None)
        influx.url = server.url
        try:
            with pytest.raises(StackError, match="influxd"):
                influx.set_up()
        finally:
            influx.close()
    statements = [parse_qs(request.body)["q"][0] for request in server.requests]
    assert not [one for one in statements if "GRANT" in one], "no data goes to the database of another user"
