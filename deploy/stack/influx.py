"""The private InfluxDB 1.x: one administrator, and one user who may use one database only."""

import json
import secrets
from pathlib import Path

import httpx

from deploy.stack.children import Child, StackError
from deploy.stack.coordinator_calls import PLAIN
from deploy.stack.listeners import OwnPort, close_listener, owns_listener
from deploy.stack.private_files import read_own, write_own
from deploy.stack.servers import influxd_config

INFLUXD = "influxd"
ADMIN = "admin"
USER = "showdown"
_TIMEOUT_S = 10.0


class PrivateInflux:
    """Its configuration and users in ``directory``; ``database`` is where points go. Raises :class:`StackError`.

    InfluxDB 1.x takes no socket from its parent. So nothing is sent to its port before the child listens there. For
    root the port is below 1024, where no other user can take the child's place, also not between two starts.
    """

    def __init__(self, directory: Path, database: str) -> None:
        self._database = database
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
            raise StackError(f"influxd cannot be configured: {error}") from error
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

    def create_users(self) -> None:
        """Create administrator, database and user; all may exist already, but with these passwords."""
        admin, user = self._passwords[ADMIN], self._passwords[USER]
        # Before there is an administrator, InfluxDB accepts this statement only, and from every local user.
        self._ask(f"CREATE USER \"{ADMIN}\" WITH PASSWORD '{admin}' WITH ALL PRIVILEGES", None)
        for statement in (
            f'CREATE DATABASE "{self._database}"',
            f"CREATE USER \"{USER}\" WITH PASSWORD '{user}'",
            f'GRANT ALL ON "{self._database}" TO "{USER}"',
        ):
            problem = self._ask(statement, (ADMIN, admin))
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

    def _ask(self, statement: str, auth: tuple[str, str] | None) -> str:
        """The error in InfluxDB's words; empty if there is none."""
        try:
            answer = httpx.post(
                f"{self.url}/query", data={"q": statement}, auth=auth, timeout=_TIMEOUT_S, trust_env=False, verify=PLAIN
            )
            body = answer.json()
        except (httpx.HTTPError, ValueError) as error:
            raise StackError(f"influxd does not answer: {error}") from error
        return str(body.get("error") or (body.get("results") or [{}])[0].get("error") or "")


def _passwords(path: Path) -> dict[str, str]:
    if not path.exists() and not path.is_symlink():
        write_own(path, json.dumps({name: secrets.token_urlsafe(24) for name in (ADMIN, USER)}, allow_nan=False))
    try:
        kept = json.loads(read_own(path))
        return {name: str(kept[name]) for name in (ADMIN, USER)}
    except (ValueError, KeyError, TypeError) as error:
        raise OSError(f"{path} cannot be read; remove it together with the directory influxdb beside it") from error
