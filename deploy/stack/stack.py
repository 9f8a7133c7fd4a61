"""The private stack: everything that one machine needs, as children of the command that uses it.

redis-server, influxd, the coordinator, its ticker and one worker, talking over a unix socket and loopback. What the
environment names (``SHOWDOWN_BROKER_URL``, ``SHOWDOWN_INFLUX_URL``, ``SHOWDOWN_DATABASE_URL``) is used instead.
Production has the same processes under systemd; nothing here is a second way to do their work.
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
from deploy.stack.servers import influxd_config, redis_argv, unused_port

SHOWDOWN = (sys.executable, "-m", "deploy.cli.main")
DATABASE = "showdown"
INFLUXD = "influxd"
READY_S = 60.0
STOP_S = 5.0
WORKER_STOP_S = 15.0  # a worker that is told to stop removes its labs first
MAX_WORKER_RESTARTS = 5
_MAX_SOCKET_PATH = 100  # sun_path holds 108 bytes


class PrivateStack:
    """A context manager: everything is up inside it, and gone after it.

    ``state_dir`` holds data and logs. ``environment`` (default: this process's) says what not to start.
    ``port`` of the coordinator: 0 takes an unused one. ``showdown`` is the command line's argv. Entering raises
    :class:`StackError` with nothing left running.
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
        self._started = datetime.now(UTC) - timedelta(seconds=1)  # the coordinator tells whole seconds
        self._given = dict(os.environ if environment is None else environment)
        self._environment = dict(self._given)
        self._showdown = tuple(showdown)
        self._port = port or unused_port()
        self._children: list[Child] = []
        self._worker: Child | None = None
        self._exits = contextlib.ExitStack()

    @property
    def url(self) -> str:
        """Where the coordinator listens."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def token(self) -> str:
        """The user's token: for REST and for signing in."""
        return self._environment["SHOWDOWN_TOKEN"]

    @property
    def environment(self) -> dict[str, str]:
        """What the children were started with; another worker needs the same."""
        return dict(self._environment)

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
        """Look after the children: a worker that died is started again, within bounds; InfluxDB is done without.

        Call it from time to time; returns what is new in ``notes``. Raises :class:`StackError` when another child has
        ended.
        """
        known = len(self.notes)
        for child in self._children.copy():
            if child.alive():
                continue
            if child.name == INFLUXD:
                # It only carries telemetry: the campaign goes on, and its report says what is missing.
                self.notes.append(f"telemetry is missing from now on: {child.exit_reason()}")
                self._children.remove(child)
                continue
            if child is not self._worker or self.worker_restarts >= MAX_WORKER_RESTARTS:
                raise StackError(child.exit_reason())
            self.worker_restarts += 1
            # What the dead worker left in its process group must not run beside its successor.
            child.stop(STOP_S)
            child.start()
        return self.notes[known:]

    def _own_state_dir(self) -> None:
        try:
            self.state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
            lock = self._exits.enter_context((self.state_dir / "stack.lock").open("w"))
        except OSError as error:
            raise StackError(f"{self.state_dir} cannot be used: {error}; set SHOWDOWN_STATE_DIR") from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StackError(f"another Showdown runs in {self.state_dir}; stop it, or set SHOWDOWN_STATE_DIR") from None

    def _settings(self) -> None:
        env = self._environment
        env["SHOWDOWN_STATE_DIR"] = str(self.state_dir)
        env["SHOWDOWN_COORDINATOR_URL"] = self.url
        env.setdefault("SHOWDOWN_INFLUX_BUCKET", DATABASE)

    def _child(self, name: str, argv: Sequence[str], stop_signal: signal.Signals = signal.SIGTERM) -> Child:
        child = Child(name, argv, self.state_dir / f"{name}.log", self._environment, stop_signal)
        # Ended in reverse, so that nobody loses a server that it still needs to finish.
        self._exits.callback(child.stop, STOP_S)
        child.start()
        self._children.append(child)
        return child

    def _start_servers(self) -> None:
        """All at once: none needs another one in order to start."""
        waits: list[tuple[Child, Callable[[], bool]]] = []
        if not self._given.get("SHOWDOWN_BROKER_URL"):
            waits.append(self._start_redis())
        if not self._given.get("SHOWDOWN_INFLUX_URL"):
            if shutil.which("influxd", path=self._environment.get("PATH")):
                waits.append(self._start_influxd())
            else:
                self.notes.append("influxd is not installed: no telemetry will be kept")
        waits.append(self._start_coordinator())
        for child, ready in waits:
            child.wait_ready(ready, READY_S)
        if INFLUXD in self.pids:
            self._create_database()

    def _start_redis(self) -> tuple[Child, Callable[[], bool]]:
        socket = self.state_dir / "redis.sock"
        if len(str(socket)) > _MAX_SOCKET_PATH:
            raise StackError(f"{self.state_dir} is too long a path for a unix socket; set a shorter SHOWDOWN_STATE_DIR")
        socket.unlink(missing_ok=True)
        self._environment["SHOWDOWN_BROKER_URL"] = f"redis+socket://{socket}"

        def ready() -> bool:
            with contextlib.suppress(redis.RedisError), redis.Redis(unix_socket_path=str(socket)) as client:
                return bool(client.ping())
            return False

        return self._child("redis-server", redis_argv(self.state_dir, socket)), ready

    def _start_influxd(self) -> tuple[Child, Callable[[], bool]]:
        port = unused_port()
        config = self.state_dir / "influxd.conf"
        config.write_text(influxd_config(self.state_dir / "influxdb", http_port=port, rpc_port=unused_port()))
        url = self._environment["SHOWDOWN_INFLUX_URL"] = f"http://127.0.0.1:{port}"
        return self._child(INFLUXD, ["influxd", "-config", str(config)]), lambda: _answers(f"{url}/ping", 204)

    def _create_database(self) -> None:
        name = self._environment["SHOWDOWN_INFLUX_BUCKET"]
        url = f"{self._environment['SHOWDOWN_INFLUX_URL']}/query"
        try:
            httpx.post(url, params={"q": f'CREATE DATABASE "{name}"'}, trust_env=False).raise_for_status()
        except httpx.HTTPError as error:
            raise StackError(f"influxd made no database {name!r}: {error}") from error

    def _start_coordinator(self) -> tuple[Child, Callable[[], bool]]:
        bind = f"127.0.0.1:{self._port}"
        health = f"{self.url}/healthz"
        if _answers(health, None):
            raise StackError(f"{bind} is taken by another server; choose another port")
        child = self._child("coordinator", [*self._showdown, "coordinator", "serve", "--bind", bind])
        return child, lambda: _answers(health, 200)

    def _read_secrets(self) -> None:
        """The coordinator draws what the environment does not give, at its first start in a state directory."""
        path = self.state_dir / "secrets.json"
        for name in ("token", "worker_token"):
            variable = f"SHOWDOWN_{name.upper()}"
            if self._environment.get(variable):
                continue
            try:
                self._environment[variable] = json.loads(path.read_text())[name]
            except (OSError, ValueError, KeyError) as error:
                raise StackError(f"the coordinator left no {name} in {path}: {error}") from error

    def _start_ticker_and_worker(self) -> None:
        self._read_secrets()
        self._child("ticker", [*self._showdown, "coordinator", "ticker"])
        # Celery's cold shutdown: the running block is undone and reported now, not measured to its end. Only while the
        # others still live: without its broker it hangs, so the signal of the parent's death stays SIGTERM.
        self._worker = self._child("worker", [*self._showdown, "worker"], signal.SIGQUIT)
        self._exits.callback(self._stop_worker, self._worker)
        self._worker.wait_ready(self._has_host, READY_S)

    def _stop_worker(self, worker: Child) -> None:
        if not worker.stop(WORKER_STOP_S):
            # It was killed in the midst of a block, and there is no next worker whose start would sweep.
            subprocess.run([*self._showdown, "sweep"], env=self._environment, capture_output=True, timeout=60)

    def _has_host(self) -> bool:
        """Whether the worker has told the coordinator what it can run; before that, no campaign is accepted."""
        headers = {"Authorization": f"Bearer {self.token}"}
        try:
            answer = httpx.get(f"{self.url}/api/v1/hosts", headers=headers, trust_env=False)
        except httpx.TransportError:
            return False
        if answer.status_code != 200:
            raise StackError(f"the coordinator answers {answer.status_code} when asked for its hosts: {answer.text}")
        # A host of an earlier stack in this state directory may still pass for online.
        return any(datetime.fromisoformat(host["seen_at"]) >= self._started for host in answer.json()["hosts"])


def _answers(url: str, status: int | None) -> bool:
    """Whether a server answers with ``status``; ``None``: with anything."""
    try:
        answer = httpx.get(url, trust_env=False)
        return status is None or answer.status_code == status
    except httpx.TransportError:
        return False
