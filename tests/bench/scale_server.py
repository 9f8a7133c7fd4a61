"""A coordinator in a separate process, as it is in production but without a broker; its memory and CPU are read."""

import contextlib
import json
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from apiflask import APIFlask

from coordinator.app import create_app
from coordinator.cli import ALLOCATOR, CONNECTIONS
from coordinator.config import Settings, load_settings
from coordinator.store.hosts.enrolments import enrol
from coordinator.store.rows.database import Store
from domain.hosts.host_tokens import RANDOM_BYTES, hash_of, token_of
from tests.servers import own_environment
from tests.unit.coordinator.recording_dispatcher import RecordingDispatcher

THREADS = 8  # as "showdown coordinator serve" has
READY_S, PATIENCE_S = 60.0, 600.0
HOST = "h1"


def serve_app() -> APIFlask:
    """What gunicorn serves."""
    return create_app(load_settings(), dispatcher=RecordingDispatcher())


class Served:
    """The coordinator on one state directory, and its callers: a user, and the worker of one host."""

    def __init__(self, settings: Settings, address: tuple[str, int], parent: int) -> None:
        self.settings, self.address, self._parent = settings, address, parent
        self._token, self._host_token = settings.token, token_of(secrets.token_bytes(RANDOM_BYTES))
        self._base = f"http://{address[0]}:{address[1]}/api/v1"
        self._client = httpx.Client(timeout=PATIENCE_S, trust_env=False)
        store = Store(settings.database_url)
        with store.write() as session:
            enrol(session, HOST, hash_of(self._host_token), time.time(), replace=True)
        store.close()

    @property
    def pid(self) -> int:
        """The process that answers: gunicorn's child."""
        return int(Path(f"/proc/{self._parent}/task/{self._parent}/children").read_text().split()[0])

    def ask(self, method: str, path: str, body: Any = None) -> bytes:
        """As a worker below /worker, else as a user; anything but success is an error. ``bytes`` are sent as is."""
        token = self._host_token if path.startswith("worker") else self._token
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        content = body if isinstance(body, bytes | None) else json.dumps(body, allow_nan=False).encode()
        answer = self._client.request(method, f"{self._base}/{path}", content=content, headers=headers)
        if answer.status_code >= 300:
            raise RuntimeError(f"{method} {path}: {answer.status_code} {answer.text[:2000]}")
        return answer.content

    def streamed_bytes(self, path: str) -> int:
        """Read an answer without keeping it; returns its size."""
        headers = {"Authorization": f"Bearer {self._token}"}
        with self._client.stream("GET", f"{self._base}/{path}", headers=headers) as answer:
            return sum(map(len, answer.iter_bytes(1 << 20)))

    def cpu_s(self) -> float:
        """The CPU time of the process so far."""
        # CPUCLOCK_SCHED of another process, as in the kernel's posix-timers: exact, where /proc/PID/stat has ticks.
        return time.clock_gettime((~self.pid << 3) | 2)

    def peak_mb(self) -> int:
        """The most memory that it had resident so far."""
        return self._status_mb("VmHWM:")

    def now_mb(self) -> int:
        """The memory that it has resident now."""
        return self._status_mb("VmRSS:")

    def _status_mb(self, name: str) -> int:
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith(name)) >> 10

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


@contextmanager
def served(
    directory: Path, database_url: str = "", *, app: str = "tests.bench.scale_server:serve_app()", **more: str
) -> Iterator[Served]:
    """A started coordinator; its database is made if there is none. ``more`` is added to its environment."""
    environ = {
        "SHOWDOWN_STATE_DIR": str(directory),
        **({"SHOWDOWN_DATABASE_URL": database_url} if database_url else {}),
    }
    settings = load_settings(environ)
    store = Store(settings.database_url)
    store.migrate()
    store.close()
    environment = own_environment() | ALLOCATOR | environ | more
    with socket.create_server(("127.0.0.1", 0)) as listener:
        argv = ["--worker-class", "coordinator.server.worker.DeadlineWorker", "--threads", str(THREADS)]
        argv += ["--bind", f"fd://{listener.fileno()}", "--workers", "1", "--no-control-socket", "--no-sendfile"]
        argv += ["--keep-alive", "75", "--timeout", "600", "--log-level", "warning"]
        argv += ["--worker-connections", str(CONNECTIONS)]
        argv = [sys.executable, "-m", "gunicorn", *argv, app]
        server = subprocess.Popen(argv, env=environment, pass_fds=[listener.fileno()], cwd=Path(__file__).parents[2])
        try:
            address = listener.getsockname()
            _await(address, server)
            found = Served(settings, address, server.pid)
            yield found
            found.close()
        finally:
            server.terminate()
            server.wait(READY_S)


def _await(address: tuple[str, int], server: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline and server.poll() is None:
        with contextlib.suppress(httpx.HTTPError):
            httpx.get(f"http://{address[0]}:{address[1]}/healthz", timeout=READY_S, trust_env=False).raise_for_status()
            return
        time.sleep(0.05)
    raise RuntimeError(f"the coordinator did not start (exit status {server.poll()})")
