"""A backup by the commands of docs/deployment.md, taken while the coordinator works, gives the same service again."""

import shlex
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import text

from coordinator.store.rows.marks import TICKER, set_mark
from tests import ROOT
from tests.unit.coordinator.access.callers import bearer, new_token
from tests.unit.coordinator.coordinator_app import CoordinatorApp
from tests.unit.coordinator.web.test_answer_pages import run_blocks

STATE = "/var/lib/showdown"
BACKUP = "/backup"
FIELDS = ("report", "results", "verdicts", "expectations")


def commands() -> list[list[str]]:
    """The commands of the document that back up SQLite and the keys."""
    lines = (ROOT / "docs/deployment.md").read_text().splitlines()
    first = next(number for number, line in enumerate(lines) if "VACUUM INTO ?" in line)
    return [shlex.split(line) for line in lines[first : first + 2]]


def back_up(state: Path, backup: Path) -> None:
    """Execute them with other directories."""
    for command in commands():
        moved = [part.replace(STATE, str(state)).replace(BACKUP, str(backup)) for part in command]
        program = [sys.executable if moved[0] == ".venv/bin/python" else moved[0], *moved[1:]]
        subprocess.run(program, check=True, timeout=60)


@contextmanager
def writing(app: CoordinatorApp) -> Iterator[None]:
    """A writer that never pauses, as a coordinator with many hosts."""
    stop, began = threading.Event(), threading.Event()

    def write() -> None:
        while not stop.is_set():
            with app.store.write() as session:
                session.execute(text("UPDATE hosts SET clock_skew_s = coalesce(clock_skew_s, 0) + 1"))
            began.set()

    thread = threading.Thread(target=write)
    thread.start()
    try:
        assert began.wait(10)
        yield
    finally:
        stop.set()
        thread.join()


@pytest.fixture
def first(tmp_path: Path) -> Iterator[CoordinatorApp]:
    app = CoordinatorApp(tmp_path / "first")
    app.register()
    yield app
    app.close()


def test_a_restored_service_has_the_same_campaigns_verdicts_tokens_and_key(
    first: CoordinatorApp, tmp_path: Path
) -> None:
    changes = {"levels": {"connections_8": "closed(8)"}, "expect": {"fast": "tproxy.requests_per_s >= 1"}}
    complete = first.submit(blocks=5, **changes)
    run_blocks(first, 5)
    first.wait(1, present=("h1",))
    half_done = first.submit(blocks=3)
    first.run_block()
    token = bearer(new_token(first, "ci", "submit"))
    key = first.get("key").json
    before = {f"campaigns/{one}/{field}": first.get(f"campaigns/{one}/{field}").json
              for one in (complete, half_done) for field in FIELDS}  # fmt: skip
    assert before[f"campaigns/{complete}/verdicts"]["verdicts"]
    backup, state = tmp_path / "backup", tmp_path / "second" / "state"
    backup.mkdir()
    with writing(first):
        back_up(first.settings.state_dir, backup)
    later = first.submit()

    shutil.copytree(backup, state)
    state.chmod(0o700)
    second = CoordinatorApp(tmp_path / "second", f"sqlite:///{state}/showdown.sqlite")
    try:
        second.now = first.now
        assert second.user == first.user, "the users' token is in the backup"
        assert {path: second.get(path).json for path in before} == before
        assert second.get(f"campaigns/{later}").status_code == 404
        assert second.client.get("/api/v1/me", headers=token).json["name"] == "ci"
        assert second.get("key").json == key
        goes_on(second, half_done)
    finally:
        second.close()


def goes_on(app: CoordinatorApp, campaign_id: str) -> None:
    """A worker ends the campaign; /readyz misses a ticker that does not work after a restore, as after any start."""
    assert troubles(app).isdisjoint({"ticker", "database"})
    app.now += 65
    assert "ticker" in troubles(app)
    with app.store.write() as session:
        set_mark(session, TICKER, app.now)
    assert troubles(app).isdisjoint({"ticker", "database"})
    for _ in range(2):
        app.wait(30, present=("h1",))
        app.run_block()
    assert app.view(campaign_id)["state"] == "complete"


def troubles(app: CoordinatorApp) -> set[str]:
    return {one["part"] for one in app.client.get("/readyz").json["troubles"]}
