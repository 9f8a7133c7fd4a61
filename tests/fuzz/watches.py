"""What a refused request must not leave: rows, messages, files outside the state directory, processes, memory."""

import ctypes
import gc
import os
import sqlite3
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import delete, insert, select

from coordinator.store.rows.database import Store
from coordinator.store.rows.models import Base

Rows = Mapping[str, Sequence[tuple[Any, ...]]]

_NOTED = {"enrolments": ("protocol", "refusal", "refused_at")}
"""What a refusal may leave, because the page of hosts shows it: why a host's worker was refused."""

_VERSIONS = {
    "sqlite": "PRAGMA data_version",
    "postgresql": "SELECT CAST(pg_snapshot_xmax(pg_current_snapshot()) AS TEXT)",
}
"""By database: what changes with every transaction that writes, and with no other."""

_UNWATCHED = ("marks", "summaries")
"""/readyz writes a mark, to see whether the database can be written. Summaries are stored when first wanted."""

_STARTS = ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork")
_CHANGES = ("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "os.symlink", "os.truncate", "os.chmod")


class DatabaseWatch:
    """Sees at once whether anything was written, and then what. Its connection is not the application's."""

    def __init__(self, store: Store) -> None:
        url = store.engine.url
        self._connection: Any
        if store.engine.dialect.name == "sqlite":
            self._connection = sqlite3.connect(url.database or "", isolation_level=None)
        else:
            text = url.set(drivername="postgresql").render_as_string(hide_password=False)
            self._connection = psycopg.connect(text, autocommit=True)
        self._question = _VERSIONS[store.engine.dialect.name]
        self._tables = [table for table in Base.metadata.sorted_tables if table.name not in _UNWATCHED]
        self._version, self._rows = self.version(), self.rows()

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def version(self) -> str:
        """Another value after every write."""
        return str(self._connection.execute(self._question).fetchone())

    def rows(self) -> Rows:
        """Every table as it is stored."""
        return {table.name: self._rows_of(table.name, [c.name for c in table.columns]) for table in self._tables}

    def _rows_of(self, table: str, columns: Sequence[str]) -> Sequence[tuple[Any, ...]]:
        shown = [f'"{name}"' for name in columns if name not in _NOTED.get(table, ())]
        found = self._connection.execute(f'SELECT {", ".join(shown)} FROM "{table}"')
        return sorted((tuple(row) for row in found.fetchall()), key=repr)

    def changes(self) -> list[str]:
        """The tables that have changed since the last call."""
        version = self.version()
        if version == self._version:
            return []
        before, self._version, self._rows = self._rows, version, self.rows()
        return [
            f"{name}: {_difference(before[name], rows)}" for name, rows in self._rows.items() if rows != before[name]
        ]


def _difference(before: Sequence[tuple[Any, ...]], after: Sequence[tuple[Any, ...]]) -> str:
    new = [row for row in after if row not in before]
    gone = [row for row in before if row not in after]
    return f"{len(new)} new rows, {len(gone)} gone; {str((new or gone)[:1])[:200]}"


class Saved:
    """The content of a database, to be put back."""

    def __init__(self, store: Store) -> None:
        self._store = store
        with store.engine.connect() as connection:
            self._rows = {
                table: [dict(row) for row in connection.execute(select(table)).mappings()]
                for table in Base.metadata.sorted_tables
            }

    def restore(self) -> None:
        """Put it back."""
        with self._store.write() as session:
            for table in reversed(Base.metadata.sorted_tables):
                session.execute(delete(table))
            for table, rows in self._rows.items():
                if rows:
                    session.execute(insert(table), rows)


class FileWatch:
    """Notes what this process changes outside a directory, and each program that it starts, through audit events."""

    def __init__(self, allowed: Path) -> None:
        self._allowed = f"{allowed.resolve()}/"
        self._found: list[str] = []
        self._is_on = False
        sys.addaudithook(self._hear)

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Watch inside this block only; the hook itself cannot be removed."""
        self._is_on = True
        try:
            yield
        finally:
            self._is_on = False

    def found(self) -> list[str]:
        """What was changed since the last call and is still there."""
        seen, self._found = self._found, []
        return [one for one in seen if not one.startswith("opened ") or os.path.exists(one.removeprefix("opened "))]

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self._is_on:
            return
        if event == "open":
            path, _, flags = arguments
            if isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
                self._note("opened", path)
        elif event in _CHANGES:
            self._note(event, arguments[0])
        elif event in _STARTS:
            self._found.append(f"{event} {arguments[0]!r}")

    def _note(self, what: str, path: object) -> None:
        if not isinstance(path, (str, bytes, os.PathLike)):
            return
        full = os.path.abspath(os.fsdecode(path))
        # Python writes the compiled form of a module at its first import.
        if not full.startswith((self._allowed, "/dev/", "/proc/")) and "/__pycache__/" not in full:
            self._found.append(f"{what} {full}")


def resident_bytes() -> int:
    """The memory of this process, after everything was given back that can be."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
