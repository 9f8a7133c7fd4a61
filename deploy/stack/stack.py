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
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Self

import redis

from deploy.stack.children import Child, StackError
from deploy.stack.coordinator_calls import answers, enrol, has_host
from deploy.stack.environments import environment_of
from deploy.stack.influx import INFLUXD, PrivateInflux, days_of
from deploy.stack.listeners import listen
from deploy.stack.private_files import open_own, own_directory, read_own
from deploy.stack.private_redis import PrivateRedis
from deploy.stack.restarts import LIMIT, WINDOW_S, Restarts
from domain.hosts.environment import PYTHON_OPTIONS, own_environment
from domain.values.names import host_name_of
from domain.values.texts import error_text

SHOWDOWN = (sys.executable, *PYTHON_OPTIONS, "-m", "deploy.cli.main")
DATABASE = "showdown"
READY_S = 60.0
WORKER = "worker"
NICENESS = 10
"""Of all children but the worker. What they use is foreign to a trial, and a bit of it is much of a slice of 0.2 s.

Beside busy labs, they get a tenth of a process's share, and the rest between the slices.
"""
STOP_S = 5.0
WORKER_STOP_S = 15.0  # a stopping worker removes its labs first
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
        self._restarts: dict[str, Restarts] = {}
        self._started = datetime.now(UTC) - timedelta(seconds=1)  # the coordinator reports whole seconds
        self._given = own_environment(os.environ if environment is None else environment)
        self._environment = dict(self._given)
        self._showdown = tuple(showdown)
        self._port = port
        self._listener: socket.socket | None = None
        self._children: list[Child] = []
        self._influx: PrivateInflux | None = None
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
        own = {"SHOWDOWN_HOST": host, "SHOWDOWN_HOST_TOKEN": enrol(self.url, self.token, host)}
        return environment_of(WORKER, self._environment | own)

    @property
    def restarts(self) -> dict[str, int]:
        """How often each child was started again."""
        return {name: restarts.total for name, restarts in self._restarts.items()}

    @property
    def pids(self) -> dict[str, int]:
        """The running children, by name."""
        return {child.name: child.pid for child in self._children if child.pid is not None}

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as exits:
            self._exits = exits
            self._own_state_dir()
            self._listen()
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
        """Start dead children again, up to a limit over time. Without InfluxDB the stack then continues.

        Call it periodically; it returns new ``notes``. Raises :class:`StackError` if another child ends too often.
        """
        known = len(self.notes)
        for child in self._children.copy():
            if not child.alive():
                self._start_again(child)
        self._seal_influx()
        return self.notes[known:]

    def _seal_influx(self) -> None:
        child = next((child for child in self._children if child.name == INFLUXD), None)
        if self._influx is not None and child is not None and (problem := self._influx.seal(child)):
            self.notes.append(problem)

    def _start_again(self, child: Child) -> None:
        restarts = self._restarts[child.name]
        if restarts.allow():
            how = child.exit_words()
            # Processes of the dead child's group must not run beside its successor.
            child.stop(STOP_S)
            child.start()
            self.notes.append(f"{how} and was started again (restart {restarts.total}; see {child.log})")
            return
        often = f"{child.name} ended more than {LIMIT} times in {WINDOW_S / 60:.0f} min"
        if child.name != INFLUXD:
            raise StackError(f"{often}: {child.exit_reason()}")
        # It only carries telemetry: the campaign continues, and its report says what is missing.
        self.notes.append(f"telemetry is missing from now on: {often}: {child.exit_reason()}")
        self._children.remove(child)

    def _own_state_dir(self) -> None:
        try:
            own_directory(self.state_dir)
            lock = open_own(self.state_dir / "stack.lock", os.O_WRONLY | os.O_CREAT)
            self._exits.callback(os.close, lock)
        except OSError as error:
            raise StackError(
                f"{self.state_dir} cannot be used: {error_text(error)}; {_CHOOSE.format(kind='writable')}"
            ) from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StackError(
                f"another Showdown uses {self.state_dir}; stop it, or set SHOWDOWN_STATE_DIR to another directory"
            ) from None

    def _listen(self) -> None:
        """Take the coordinator's port, before any token is sent to it; the coordinator inherits the socket."""
        try:
            self._listener = self._exits.enter_context(listen(self._port))
        except OSError as error:
            raise StackError(f"127.0.0.1:{self._port} is used by another server; choose another port") from error
        self._port = self._listener.getsockname()[1]

    def _settings(self) -> None:
        env = self._environment
        env["SHOWDOWN_STATE_DIR"] = str(self.state_dir)
        env["SHOWDOWN_COORDINATOR_URL"] = self.url
        env.setdefault("SHOWDOWN_INFLUX_BUCKET", DATABASE)

    def _child(
        self,
        name: str,
        argv: Sequence[str],
        stop_signal: signal.Signals = signal.SIGTERM,
        pass_fds: Sequence[int] = (),
    ) -> Child:
        given = environment_of(name, self._environment)
        niceness = 0 if name == WORKER else NICENESS
        child = Child(name, argv, self.state_dir / f"{name}.log", given, stop_signal, pass_fds, niceness)
        self._restarts[name] = Restarts()
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
        if self._influx is not None:
            self.notes += filter(None, [self._influx.set_up()])
            self._seal_influx()

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
        bucket, days = self._environment["SHOWDOWN_INFLUX_BUCKET"], days_of(self._given)
        influx = self._influx = PrivateInflux(self.state_dir, bucket, days)
        self._exits.callback(influx.close)
        self._environment |= {"SHOWDOWN_INFLUX_URL": influx.url, "SHOWDOWN_INFLUX_TOKEN": influx.token}
        child = self._child(INFLUXD, influx.argv)
        return child, lambda: influx.is_ready(child)

    def _start_coordinator(self) -> tuple[Child, Callable[[], bool]]:
        listener = self._listener.fileno() if self._listener else -1
        argv = [*self._showdown, "coordinator", "serve", "--bind", f"fd://{listener}"]
        return self._child("coordinator", argv, pass_fds=(listener,)), lambda: answers(self.url)

    def _read_token(self) -> None:
        """Read the users' token that the coordinator generated because the environment does not set it."""
        path = self.state_dir / "secrets.json"
        if not self._environment.get("SHOWDOWN_TOKEN"):
            try:
                self._environment["SHOWDOWN_TOKEN"] = json.loads(read_own(path))["token"]
            except (OSError, ValueError, KeyError) as error:
                raise StackError(f"the coordinator wrote no token to {path}: {error_text(error)}") from error

    def _enrol_own_worker(self) -> None:
        host = self._environment.setdefault("SHOWDOWN_HOST", host_name_of(os.uname().nodename))
        if not self._given.get("SHOWDOWN_HOST_TOKEN"):
            self._environment["SHOWDOWN_HOST_TOKEN"] = enrol(self.url, self.token, host)

    def _start_ticker_and_worker(self) -> None:
        self._read_token()
        self._enrol_own_worker()
        self._child("ticker", [*self._showdown, "coordinator", "ticker"])
        # SIGQUIT is Celery's cold shutdown: the worker undoes and reports the running block instead of finishing it.
        # This hangs without the broker, so the kernel's signal at the parent's death stays SIGTERM.
        worker = self._child(WORKER, [*self._showdown, "worker"], signal.SIGQUIT)
        self._exits.callback(self._stop_worker, worker)
        worker.wait_ready(lambda: has_host(self.url, self.token, self._started), READY_S)

    def _stop_worker(self, worker: Child) -> None:
        if not worker.stop(WORKER_STOP_S):
            # It was killed during a block, and no later worker will sweep at its start.
            environment = environment_of(WORKER, self._environment)
            subprocess.run([*self._showdown, "sweep"], env=environment, capture_output=True, timeout=60)
