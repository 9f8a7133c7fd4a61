"""A database that cannot be used is one sentence on standard error, not a traceback."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import text

from coordinator.cli import coordinator
from coordinator.store.rows.database import Store
from deploy.stack.servers import unused_port


def migrate(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, url: str) -> Result:
    monkeypatch.setenv("SHOWDOWN_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("SHOWDOWN_TOKEN", "u" * 20)
    monkeypatch.setenv("SHOWDOWN_SECRET_KEY", "s" * 20)
    monkeypatch.setenv("SHOWDOWN_DATABASE_URL", url)
    return CliRunner().invoke(coordinator, ["migrate"])


def one_sentence(result: Result) -> str:
    assert result.exit_code == 1
    assert not isinstance(result.exception, Exception)  # SystemExit only
    (line,) = result.stderr.strip().splitlines()
    return line


def test_a_database_of_a_newer_version(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/x.sqlite"
    assert migrate(monkeypatch, tmp_path, url).exit_code == 0
    store = Store(url)
    with store.write() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    store.close()
    line = one_sentence(migrate(monkeypatch, tmp_path, url))
    for part in (url, "newer version of Showdown (revision 9999; this version knows", "restore a backup"):
        assert part in line


def test_a_broken_sqlite_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "x.sqlite").write_bytes(b"no database" * 100)
    line = one_sentence(migrate(monkeypatch, tmp_path, f"sqlite:///{tmp_path}/x.sqlite"))
    assert "file is not a database" in line
    assert "move the file away" in line


def test_a_postgresql_that_is_away(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    url = f"postgresql://showdown:my-password@127.0.0.1:{unused_port()}/showdown"
    line = one_sentence(migrate(monkeypatch, tmp_path, url))
    assert "refused" in line
    assert "check that the server runs, and SHOWDOWN_DATABASE_URL" in line
    assert "my-password" not in line
