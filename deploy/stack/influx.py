"""The private InfluxDB 1.x: one administrator, and one user who may use one database only."""

import json
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx

from deploy.stack.children import Child, StackError
from deploy.stack.coordinator_calls import PLAIN
from deploy.stack.listeners import OwnPort, close_listener, owns_listener
from deploy.stack.private_files import read_own, write_own
from deploy.stack.servers import influxd_config
from domain.values.texts import error_text

INFLUXD = "influxd"
ADMIN = "admin"
USER = "showdown"
DAYS = 90
"""How long the points of a new database are kept."""

_MOST_DAYS = 36_500
_POLICY = "autogen"  # what a database has without any other
_SHARD = "7d"  # InfluxDB deletes whole shards
_TIMEOUT_S = 10.0


class PrivateInflux:
    """Its configuration and users in ``directory``; ``database`` is where points go. Raises :class:`StackError`.

    InfluxDB 1.x takes no socket from its parent. So nothing is sent to its port before the child listens there. For
    root the port is below 1024, where no other user can take the child's place, also not between two starts.
    """

    def __init__(self, directory: Path, database: str, days: int | None = None) -> None:
        """``days``: how long points are kept, 0 for ever; ``None`` is :data:`DAYS` for a new database only."""
        self._database = database
        self._days = days
        self._sealed: int | None = None
        try:
            self._ports = OwnPort(), OwnPort()
            self._port, self._rpc_port = (port.number for port in self._ports)
            self.url = f"http://127.0.0.1:{self._port}"
            self._passwords = _passwords(directory / "influxd.json")
            config = directory / "influxd.conf"
            text = influxd_config(directory / "influxdb", http_port=self._port, rpc_port=self._rpc_port, passwords=True)
            write_own(config, text)
        except OSError as error:
            raise StackError(f"influxd cannot be configured: {error_text(error)}") from error
        self.argv = [INFLUXD, "-config", str(config)]

    @property
    def token(self) -> str:
        """What workers and the coordinator send: ``user:password``."""
        return f"{USER}:{self._passwords[USER]}"

    def close(self) -> None:
        """Let other stacks choose its ports; call it when the child has ended."""
        for port in self._ports:
            port.close()

    def is_ready(self, child: Child) -> bool:
        """True when the child itself listens and answers."""
        if child.pid is None or not owns_listener(child.pid, self._port):
            return False
        try:
            answer = httpx.get(f"{self.url}/ping", timeout=1.0, trust_env=False, verify=PLAIN)
            return answer.status_code == httpx.codes.NO_CONTENT
        except httpx.TransportError:
            return False

    def set_up(self) -> str:
        """Create administrator, database and user; all may exist already, but with these passwords.

        Returns what the user should know about how long points are kept; else nothing.
        """
        # Before there is an administrator, InfluxDB accepts this statement only, and from every local user.
        admin, user = self._passwords[ADMIN], self._passwords[USER]
        self._answer(f"CREATE USER \"{ADMIN}\" WITH PASSWORD '{admin}' WITH ALL PRIVILEGES", None)
        note = self._keep_for_days()
        self._run(f"CREATE USER \"{USER}\" WITH PASSWORD '{user}'")
        self._run(f'GRANT ALL ON "{self._database}" TO "{USER}"')
        return note

    def _keep_for_days(self) -> str:
        """Create the database with a limit on the age of its points. An existing one gets it only if a setting says so:
        the limit deletes what is older."""
        found = self._answer(f'SHOW RETENTION POLICIES ON "{self._database}"', (ADMIN, self._passwords[ADMIN]))
        if "database not found" in str(found.get("error", "")):
            self._run(f'CREATE DATABASE "{self._database}"{_retention(DAYS if self._days is None else self._days)}')
            return ""
        if self._days is not None:
            limit = f"{self._days}d SHARD DURATION {_SHARD}" if self._days else "INF"
            self._run(f'ALTER RETENTION POLICY "{_POLICY}" ON "{self._database}" DURATION {limit}')
            return ""
        durations = [row[1] for series in found.get("series", ()) for row in series["values"]]
        return f"telemetry is kept for ever; SHOWDOWN_TELEMETRY_DAYS={DAYS} would limit it" if "0s" in durations else ""

    def _run(self, statement: str) -> None:
        """Run a statement of the administrator. Raises :class:`StackError` if it is refused."""
        problem = str(self._answer(statement, (ADMIN, self._passwords[ADMIN])).get("error", ""))
        if problem and "already exists" not in problem:
            raise StackError(f"influxd refused {statement.split(' WITH ')[0]!r}: {problem}")

    def seal(self, child: Child) -> str:
        """Close the port for backups, once per start. Returns why it stays open; else nothing.

        That port asks for no password, hands out and replaces all data, and cannot be switched off.
        """
        if child.pid is None or child.pid == self._sealed or not self.is_ready(child):
            return ""
        self._sealed = child.pid
        try:
            close_listener(child.pid, self._rpc_port)
        except OSError as error:
            return f"local users can reach InfluxDB's port for backups, {self._rpc_port}: {error.strerror or error}"
        return ""

    def _answer(self, statement: str, auth: tuple[str, str] | None) -> dict[str, Any]:
        """The result of one statement, with an ``error`` in InfluxDB's words if there is one."""
        try:
            answer = httpx.post(
                f"{self.url}/query", data={"q": statement}, auth=auth, timeout=_TIMEOUT_S, trust_env=False, verify=PLAIN
            )
            body = answer.json()
            result = {"error": body["error"]} if "error" in body else body["results"][0]
        except (httpx.HTTPError, ValueError, LookupError, TypeError) as error:
            raise StackError(f"influxd does not answer: {error_text(error)}") from error
        return dict(result)


def days_of(environment: Mapping[str, str]) -> int | None:
    """``SHOWDOWN_TELEMETRY_DAYS``: how long points are kept, 0 for ever; ``None`` without it.

    Raises :class:`StackError`.
    """
    value = environment.get("SHOWDOWN_TELEMETRY_DAYS", "")
    if not value:
        return None
    if not (value.isascii() and value.isdigit() and int(value) <= _MOST_DAYS):
        raise StackError(f"SHOWDOWN_TELEMETRY_DAYS must be 0 (for ever) to {_MOST_DAYS}, not {value[:20]!r}")
    return int(value)


def _retention(days: int) -> str:
    return f' WITH DURATION {days}d REPLICATION 1 SHARD DURATION {_SHARD} NAME "{_POLICY}"' if days else ""


def _passwords(path: Path) -> dict[str, str]:
    if not path.exists() and not path.is_symlink():
        write_own(path, json.dumps({name: secrets.token_urlsafe(24) for name in (ADMIN, USER)}, allow_nan=False))
    try:
        kept = json.loads(read_own(path))
        return {name: str(kept[name]) for name in (ADMIN, USER)}
    except (ValueError, KeyError, TypeError) as error:
        raise OSError(f"{path} cannot be read; remove it together with the directory influxdb beside it") from error
