"""The private stack: everything that one host needs, as children of the command that uses it.

redis-server, influxd, the coordinator, its ticker and one worker talk over a unix socket and loopback. Servers that the
environment names (``SHOWDOWN_BROKER_URL``, ``SHOWDOWN_INFLUX_URL``, ``SHOWDOWN_DATABASE_URL``) are used instead.
Production runs the same processes under systemd, with the same code.
"""

import contextlib
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx
import redis

from deploy.stack.children import Child, StackError
from deploy.stack.environments import environment_of
from deploy.stack.private_redis import PrivateRedis
from deploy.stack.servers import influxd_config, unused_port
from domain.environment import PYTHON_OPTIONS, own_environment
from domain.names import host_name_of

SHOWDOWN = (sys.executable, *PYTHON_OPTIONS, "-m", "deploy.cli.main")
DATABASE = "showdown"
INFLUXD = "influxd"
READY_S = 60.0
STOP_S = 5.0
WORKER_STOP_S = 15.0  # a stopping worker removes its labs first
MAX_WORKER_RESTARTS = 5
_MAX_SOCKET_PATH = 100  # sun_path holds 108 bytes
_CHOOSE = "choose a {kind} directory: by TMPDIR for 'run', by SHOWDOWN_STATE_DIR for 'up'"


class PrivateStack:
    """A context manager: all processes run inside it, and none is left after it.

    ``state_dir`` holds data and logs. ``environment`` (default: this process's) names servers that need no start.
    ``port`` is the coordinator's; 0 takes an unused one. ``showdown`` is the command line's argv. Entering raises
    :class:`StackError` after stopping what it had started.
    """

    def __init__(
        self,
        state_dir: Path,
        environment: Mapping[str, str] | None = None,
        *,
        port: int = 0,
        showdown: Sequence[str] = SHOWDOWN,
    ) -> None:
        self.state_dir = state_dir.resolve()
        self.notes: list[str] = []
        self.worker_restarts = 0
        self._started = datetime.now(UTC) - timedelta(seconds=1)  # the coordinator reports whole seconds
        self._given = own_environment(os.environ if environment is None else environment)
        self._environment = dict(self._given)
        self._showdown = tuple(showdown)
        self._port = port or unused_port()
        self._children: list[Child] = []
        self._worker: Child | None = None
        self._exits = contextlib.ExitStack()

    @property
    def url(self) -> str:
        """The address of the coordinator."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def token(self) -> str:
        """The user's token, for REST and for signing in."""
        return self._environment["SHOWDOWN_TOKEN"]

    @property
    def host_token(self) -> str:
        """The token of this stack's own worker."""
        return self._environment["SHOWDOWN_HOST_TOKEN"]

    @property
    def environment(self) -> dict[str, str]:
        """All settings; another coordinator on the same database needs them."""
        return environment_of("coordinator", self._environment)

    def worker_environment(self, host: str) -> dict[str, str]:
        """The environment of a worker for ``host``, which is enrolled by this call.

        A token that the host had is void. Raises :class:`StackError`.
        """
        own = {"SHOWDOWN_HOST": host, "SHOWDOWN_HOST_TOKEN": self._enrol(host)}
        return environment_of("worker", self._environment | own)

    @property
    def pids(self) -> dict[str, int]:
        """The running children, by name."""
        return {child.name: child.pid for child in self._children if child.pid is not None}

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as exits:
            self._exits = exits
            self._own_state_dir()
            self._settings()
            self._start_servers()
            self._start_ticker_and_worker()
            self._exits = exits.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._exits.close()

    def watch(self) -> list[str]:
        """Check the children: restart a dead worker (bounded), and continue without InfluxDB if it died.

        Call it periodically; it returns new ``notes``. Raises :class:`StackError` if another child has ended.
        """
        known = len(self.notes)
        for child in self._children.copy():
            if child.alive():
                continue
            if child.name == INFLUXD:
                # It only carries telemetry: the campaign continues, and its report says what is missing.
                self.notes.append(f"telemetry is missing from now on: {child.exit_reason()}")
                self._children.remove(child)
                continue
            if child is not self._worker or self.worker_restarts >= MAX_WORKER_RESTARTS:
                raise StackError(child.exit_reason())
            self.worker_restarts += 1
            # Processes of the dead worker's group must not run beside its successor.
            child.stop(STOP_S)
            child.start()
        return self.notes[known:]

    def _own_state_dir(self) -> None:
        try:
            self.state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
            lock = self._exits.enter_context((self.state_dir / "stack.lock").open("w"))
        except OSError as error:
            raise StackError(f"{self.state_dir} cannot be used: {error}; {_CHOOSE.format(kind='writable')}") from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StackError(
                f"another Showdown uses {self.state_dir}; stop it, or set SHOWDOWN_STATE_DIR to another directory"
            ) from None

    def _settings(self) -> None:
        env = self._environment
        env["SHOWDOWN_STATE_DIR"] = str(self.state_dir)
        env["SHOWDOWN_COORDINATOR_URL"] = self.url
        env.setdefault("SHOWDOWN_INFLUX_BUCKET", DATABASE)

    def _child(self, name: str, argv: Sequence[str], stop_signal: signal.Signals = signal.SIGTERM) -> Child:
        child = Child(name, argv, self.state_dir / f"{name}.log", environment_of(name, self._environment), stop_signal)
        # They end in reverse order, so that none loses a server that it still needs.
        self._exits.callback(child.stop, STOP_S)
        child.start()
        self._children.append(child)
        return child

    def _start_servers(self) -> None:
        """Start all servers at once: none needs another to start."""
        waits: list[tuple[Child, Callable[[], bool]]] = []
        if not self._given.get("SHOWDOWN_BROKER_URL"):
            waits.append(self._start_redis())
        if not self._given.get("SHOWDOWN_INFLUX_URL"):
            if shutil.which("influxd", path=self._environment.get("PATH")):
                waits.append(self._start_influxd())
            else:
                self.notes.append("influxd is not installed, so no telemetry will be stored")
        waits.append(self._start_coordinator())
        for child, ready in waits:
            child.wait_ready(ready, READY_S)
        if INFLUXD in self.pids:
            self._create_database()

    def _start_redis(self) -> tuple[Child, Callable[[], bool]]:
        socket = self.state_dir / "redis.sock"
        if len(os.fsencode(socket)) > _MAX_SOCKET_PATH:
            shorter = _CHOOSE.format(kind="shorter")
            raise StackError(f"{self.state_dir} is too long for a unix socket's path; {shorter}")
        socket.unlink(missing_ok=True)
        own = PrivateRedis(self.state_dir, socket)
        self._environment["SHOWDOWN_BROKER_URL"] = own.url

        def ready() -> bool:
            client = redis.Redis(unix_socket_path=str(socket), username=own.username, password=own.password)
            with contextlib.suppress(redis.RedisError), client:
                return bool(client.ping())
            return False

        return self._child("redis-server", own.argv), ready

    def _start_influxd(self) -> tuple[Child, Callable[[], bool]]:
        port = unused_port()
        config = self.state_dir / "influxd.conf"
        text = influxd_config(self.state_dir / "influxdb", http_port=port, rpc_port=unused_port())
        config.write_text(text, encoding="utf-8")
        url = self._environment["SHOWDOWN_INFLUX_URL"] = f"http://127.0.0.1:{port}"
        return self._child(INFLUXD, ["influxd", "-config", str(config)]), lambda: _answers(f"{url}/ping", 204)

    def _create_database(self) -> None:
        name = self._environment["SHOWDOWN_INFLUX_BUCKET"]
        url = f"{self._environment['SHOWDOWN_INFLUX_URL']}/query"
        try:
            httpx.post(url, params={"q": f'CREATE DATABASE "{name}"'}, trust_env=False).raise_for_status()
        except httpx.HTTPError as error:
            raise StackError(f"influxd did not create the database {name!r}: {error}") from error

    def _start_coordinator(self) -> tuple[Child, Callable[[], bool]]:
        bind = f"127.0.0.1:{self._port}"
        health = f"{self.url}/healthz"
        if _answers(health, None):
            raise StackError(f"{bind} is used by another server; choose another port")
        child = self._child("coordinator", [*self._showdown, "coordinator", "serve", "--bind", bind])
        return child, lambda: _answers(health, 200)

    def _read_token(self) -> None:
        """Read the users' token that the coordinator generated because the environment does not set it."""
        path = self.state_dir / "secrets.json"
        if not self._environment.get("SHOWDOWN_TOKEN"):
            try:
                self._environment["SHOWDOWN_TOKEN"] = json.loads(path.read_bytes())["token"]
            except (OSError, ValueError, KeyError) as error:
                raise StackError(f"the coordinator wrote no token to {path}: {error}") from error

    def _enrol(self, host: str) -> str:
        """A new token for ``host``, by the users' token."""
        path, headers = f"/api/v1/hosts/{host}/enrolment", {"Authorization": f"Bearer {self.token}"}
        try:
            answer = httpx.post(f"{self.url}{path}", json={"replace": True}, headers=headers, trust_env=False)
            answer.raise_for_status()
            return str(answer.json()["token"])
        except (httpx.HTTPError, ValueError, KeyError) as error:
            raise StackError(f"the coordinator did not enrol the host {host}: {error}") from error

    def _enrol_own_worker(self) -> None:
        host = self._environment.setdefault("SHOWDOWN_HOST", host_name_of(os.uname().nodename))
        if not self._given.get("SHOWDOWN_HOST_TOKEN"):
            self._environment["SHOWDOWN_HOST_TOKEN"] = self._enrol(host)

    def _start_ticker_and_worker(self) -> None:
        self._read_token()
        self._enrol_own_worker()
        self._child("ticker", [*self._showdown, "coordinator", "ticker"])
        # SIGQUIT is Celery's cold shutdown: the worker undoes and reports the running block instead of finishing it.
        # This hangs without the broker, so the kernel's signal at the parent's death stays SIGTERM.
        self._worker = self._child("worker", [*self._showdown, "worker"], signal.SIGQUIT)
        self._exits.callback(self._stop_worker, self._worker)
        self._worker.wait_ready(self._has_host, READY_S)

    def _stop_worker(self, worker: Child) -> None:
        if not worker.stop(WORKER_STOP_S):
            # It was killed during a block, and no later worker will sweep at its start.
            environment = environment_of("worker", self._environment)
            subprocess.run([*self._showdown, "sweep"], env=environment, capture_output=True, timeout=60)

    def _has_host(self) -> bool:
        """True once the worker has registered; before that, the coordinator accepts no campaign."""
        headers = {"Authorization": f"Bearer {self.token}"}
        try:
            answer = httpx.get(f"{self.url}/api/v1/hosts", headers=headers, trust_env=False)
        except httpx.TransportError:
            return False
        if answer.status_code != 200:
            raise StackError(
                f"the coordinator answered {answer.status_code} to the request for its hosts: {answer.text}"
            )
        # The state directory may still list a host of an earlier stack as online.
        return any(datetime.fromisoformat(host["seen_at"]) >= self._started for host in answer.json()["hosts"])


def _answers(url: str, status: int | None) -> bool:
    """True if a server answers with ``status``; ``None`` accepts any status."""
    try:
        answer = httpx.get(url, trust_env=False)
        return status is None or answer.status_code == status
    except httpx.TransportError:
        return False
