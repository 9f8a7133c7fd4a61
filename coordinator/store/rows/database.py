"""The database connection: SQLite (WAL) or PostgreSQL, read and write transactions, schema migrations."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, event, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from coordinator.store.rows.unusable import require_known_revision, unusable

BUSY_TIMEOUT_S = 30
_MIGRATION_LOCK = 0x73686F77  # an arbitrary number for PostgreSQL's advisory lock
_BEGIN = "showdown_begin"
_WRITES = "showdown_writes"


class Store:
    """The only source of transactions. ``write`` commits at the end, or rolls back on any exception."""

    def __init__(self, database_url: str) -> None:
        self.engine = create_engine(
            database_url,
            pool_pre_ping=not database_url.startswith("sqlite"),
            hide_parameters=True,  # a log must not have leases
        )
        self._is_sqlite = self.engine.dialect.name == "sqlite"
        if self._is_sqlite:
            _prepare_sqlite(self.engine)
        # In SQLite, a transaction that reads and then writes fails at once if another one wrote in between, whatever
        # the busy timeout. Writers therefore take the lock at their start.
        self._writer = self.engine.execution_options(**{_BEGIN: "BEGIN IMMEDIATE"})

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A consistent read-only view."""
        with Session(self.engine) as session:
            yield session

    @contextmanager
    def write(self) -> Iterator[Session]:
        """One transaction, all or nothing."""
        with Session(self._writer, expire_on_commit=False, info={_WRITES: True}) as session, session.begin():
            yield session

    def migrate(self) -> None:
        """Migrate the schema; of several processes at once, one does it and the others wait.

        Raises :class:`DatabaseUnusable`.
        """
        try:
            self._migrate()
        except SQLAlchemyError as error:
            raise unusable(error, self.engine.url) from error

    def _migrate(self) -> None:
        # Late, because only this needs it: the server would start a third of a second later.
        from alembic import command
        from alembic.config import Config

        with self._writer.begin() as connection:
            if not self._is_sqlite:
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
            config = Config()
            # Alembic's configuration takes % for an interpolation.
            scripts = str(Path(__file__).parents[1] / "migrations").replace("%", "%%")
            config.set_main_option("script_location", scripts)
            config.attributes["connection"] = connection
            require_known_revision(connection, config)
            command.upgrade(config, "head")

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()


def is_writing(session: Session) -> bool:
    """True if the session's transaction may write, so what it reads may still be rolled back."""
    return bool(session.info.get(_WRITES))


def _use_wal(cursor: Any) -> None:
    """Enable the write-ahead log; the file stores the setting.

    If several processes open a new file at once, SQLite refuses all but one and ignores busy_timeout.
    """
    give_up_at = time.monotonic() + BUSY_TIMEOUT_S
    while True:
        try:
            cursor.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError:
            if time.monotonic() > give_up_at:
                raise
            time.sleep(0.01)


def _prepare_sqlite(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def _connect(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # the driver must not begin transactions by itself
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_S * 1000}")
        _use_wal(cursor)
        cursor.execute("PRAGMA synchronous = NORMAL")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Any) -> None:
        connection.exec_driver_sql(connection.get_execution_options().get(_BEGIN, "BEGIN"))
