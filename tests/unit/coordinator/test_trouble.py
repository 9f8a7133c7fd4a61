"""What keeps the service from its work: seen, dated, explained, on every surface."""

import json
import os
import sqlite3
import time
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest
from sqlalchemy.exc import OperationalError

from coordinator import ticker, trouble
from coordinator.config import InfluxSettings
from coordinator.store.rows.database import Store
from coordinator.store.rows.marks import TICKER, mark, set_mark
from coordinator.trouble import Problem, Watch
from domain.service.trouble import Part
from tests.servers import trickling
from tests.unit.coordinator.recording_dispatcher import RecordingDispatcher

NO_BROKER = "redis+socket:///nonexistent/redis.sock"


class Parts:
    """A watch of parts that a test breaks and mends."""

    def __init__(self):
        self.now = 1000.0
        self.broken: dict[Part, Problem] = {}
        self.watch = Watch({part: lambda part=part: self.broken.get(part) for part in Part}, lambda: self.now)

    def check(self, at):
        self.now = at
        return self.watch.check()


@pytest.fixture
def parts():
    return Parts()


def seconds(moment):
    return moment.timestamp()


def test_nothing_is_known_before_the_first_check(parts):
    assert parts.watch.current().troubles == ()


def test_a_trouble_has_been_there_since_the_part_last_worked(parts):
    assert parts.check(1000).ready
    parts.broken[Part.BROKER] = Problem("Redis is away", "Start it.")
    for at in (1005, 1300):
        (found,) = parts.check(at).troubles
        assert (found.part, seconds(found.since)) == (Part.BROKER, 1000)
    assert not parts.watch.current().ready
    assert found.sentence() == "Redis is away since 1970-01-01 00:16:40 UTC. Start it."
    parts.broken.clear()
    assert parts.check(1305).troubles == ()
    parts.broken[Part.BROKER] = Problem("Redis is away", "Start it.")
    assert seconds(parts.check(1400).troubles[0].since) == 1305


def test_a_trouble_from_the_start_is_dated_by_its_first_check(parts):
    parts.broken[Part.DISK] = Problem("full", "Free it.")
    parts.check(1000)
    assert seconds(parts.check(1100).troubles[0].since) == 1000


def test_campaigns_go_on_without_telemetry(parts):
    parts.broken[Part.TELEMETRY] = Problem("InfluxDB is away", "Start it.", stops_work=False)
    assert parts.check(1000).ready


def test_one_line_is_logged_when_a_trouble_begins_and_one_when_it_ends(parts, caplog):
    caplog.set_level("INFO")
    parts.broken[Part.BROKER] = Problem("Redis is away", "Start it.")
    for at in range(1000, 1100, 5):
        parts.check(at)
    parts.broken.clear()
    parts.check(1100)
    assert [record.getMessage() for record in caplog.records] == ["Redis is away. Start it.", "the broker works again"]


@pytest.fixture
def store(tmp_path):
    made = Store(f"sqlite:///{tmp_path / 'one.sqlite'}")
    made.migrate()
    yield made
    made.close()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("attempt to write a readonly database", "The database is read-only"),
        ("cannot execute UPDATE in a read-only transaction", "The database is read-only"),
        ("database or disk is full", "The database's disk is full"),
        ("could not extend file: No space left on device", "The database's disk is full"),
        ("connection refused\nIs the server running?", "The database cannot be used (connection refused)"),
    ],
)
def test_what_the_database_says_becomes_a_trouble_with_a_remedy(store, monkeypatch, words, expected):
    @contextmanager
    def write():
        raise OperationalError("UPDATE", {}, sqlite3.OperationalError(words))
        yield

    monkeypatch.setattr(store, "write", write)
    found = trouble.check_database(store, 1.0)
    assert found.what.startswith(expected)
    assert found.remedy
    assert "sqlalche.me" not in found.what


def test_a_database_that_has_become_read_only_is_seen(tmp_path, store):
    assert trouble.check_database(store, 1.0) is None
    store.close()
    read_only = Store(f"sqlite:///file:{tmp_path / 'one.sqlite'}?mode=ro&uri=true")
    assert "read-only" in trouble.check_database(read_only, 2.0).what
    read_only.close()


def test_a_full_disk_is_seen(tmp_path, monkeypatch):
    assert trouble.check_disk(tmp_path) is None
    real = os.statvfs(tmp_path)
    for free_bytes, words, stops_work in (
        (1 << 20, "is full (1 MiB", True),
        (20 << 20, "is almost full (20 MiB", False),
    ):
        left = os.statvfs_result([*real[:4], free_bytes // real.f_frsize, *real[5:]])
        monkeypatch.setattr(trouble.os, "statvfs", lambda _, left=left: left)
        found = trouble.check_disk(tmp_path)
        assert words in found.what
        assert found.stops_work == stops_work


class Ticker:
    """A check of the ticker, with a clock, and a mark that a test moves."""

    def __init__(self, store):
        self.store = store
        self.now = 5000.0
        self.check = trouble.TickerCheck(store, lambda: self.now)

    def at(self, now):
        self.now = now
        return self.check()

    def works(self, at):
        with self.store.write() as session:
            set_mark(session, TICKER, at)


def test_a_ticker_that_never_ran_or_stopped_is_seen(store):
    seen = Ticker(store)
    assert seen.at(5010) is None
    assert seen.at(5059) is None, "it may still be starting, beside labs that never rest"
    assert "has never run" in seen.at(5061).what
    for now in (5065, 5070, 5085):
        seen.works(now)
        assert seen.at(now) is None
    assert seen.at(5104) is None
    assert "no round for 20 s" in seen.at(5105).what
    late = seen.at(5130)
    assert "no round for 45 s" in late.what
    assert late.since == 5085


def test_an_old_mark_is_no_ticker_and_its_clock_does_not_matter(store):
    Ticker(store).works(4990)
    seen = Ticker(store)
    assert seen.at(5001) is None
    assert seen.at(5061) is not None
    seen.works(4995 - 3600)  # the ticker's host has another hour
    assert seen.at(5062) is None
    assert seen.at(5083) is not None


def test_the_ticker_records_its_rounds(store, monkeypatch):
    monkeypatch.setattr(ticker, "INTERVAL_S", 0.0)

    class Once:
        rounds = 0

        def wait(self, _seconds):
            self.rounds += 1
            return self.rounds > 1

    ticker.run(store, RecordingDispatcher(), lambda: 500.0, Once())
    with store.read() as session:
        assert mark(session, TICKER) == 500.0


def test_a_broker_and_an_influxdb_that_are_away_are_seen():
    assert "Redis cannot be reached" in trouble.check_broker(NO_BROKER).what
    assert "InfluxDB is away" in trouble.check_influx(InfluxSettings(url="http://127.0.0.1:9")).what


def test_an_influxdb_that_trickles_its_answer_does_not_hold_the_watch(monkeypatch):
    monkeypatch.setattr(trouble, "LIMIT_S", 0.3)
    begun_s = time.monotonic()
    with trickling(b"HTTP/1.1 204 No Content\r\nX-A: " + b"a" * 10_000) as url:
        assert "InfluxDB is away" in trouble.check_influx(InfluxSettings(url=url)).what
    assert time.monotonic() - begun_s < 5


def test_readyz_says_what_since_when_and_what_to_do(coordinator_app):
    coordinator_app.client.get("/readyz")
    coordinator_app.now += 70
    answer = coordinator_app.client.get("/readyz")  # no ticker, no broker
    assert answer.status_code == 503
    found = {one["part"]: one for one in answer.json["troubles"]}
    assert {"broker", "ticker"} <= set(found)
    assert found["broker"]["what"].startswith("Redis cannot be reached")
    assert datetime.fromisoformat(found["broker"]["since"]) == datetime.fromtimestamp(coordinator_app.now - 70, UTC)
    assert all(one["remedy"] for one in found.values())
    assert coordinator_app.settings.token not in answer.text


def test_healthz_only_says_that_the_process_answers(coordinator_app):
    coordinator_app.store.close()
    assert coordinator_app.client.get("/healthz").status_code == 200


def test_every_page_shows_the_troubles(coordinator_app, browser):
    assert 'class="alert' not in browser.get("/campaigns").text
    coordinator_app.client.get("/readyz")
    for path in ("/campaigns", "/campaigns/new", "/hosts", "/matrix", "/trouble", "/nosuch", "/campaigns/nosuch"):
        page = browser.get(path).text
        assert "Redis cannot be reached" in page, path


def test_a_database_that_fails_is_503_in_one_sentence(coordinator_app, browser, monkeypatch, caplog):
    def broken(*_, **__):
        raise OperationalError("SELECT secret-lease", {}, sqlite3.OperationalError("database or disk is full"))

    monkeypatch.setattr(coordinator_app.store, "read", broken)
    answer = coordinator_app.get("campaigns")
    assert answer.status_code == 503
    assert "database or disk is full" in answer.json["message"]
    assert "secret-lease" not in json.dumps(answer.json) + caplog.text
    page = browser.get("/campaigns")
    assert page.status_code == 503
    assert "database or disk is full" in page.text
