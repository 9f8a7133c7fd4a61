"""A coordinator in this process, as the tests of the bench use it."""

import json
import resource
import secrets
import time
from pathlib import Path
from typing import Any

from coordinator.app import create_app
from coordinator.config import load_settings
from coordinator.store.hosts.enrolments import enrol
from coordinator.store.rows.database import Store
from domain.hosts.host_tokens import RANDOM_BYTES, hash_of, token_of
from tests.bench.scale_server import HOST
from tests.unit.coordinator.recording_dispatcher import RecordingDispatcher


class InProcess:
    """The application with its callers."""

    def __init__(self, directory: Path) -> None:
        self._settings = load_settings({"SHOWDOWN_STATE_DIR": str(directory)})
        self.store = Store(self._settings.database_url)
        self.store.migrate()
        self._client = create_app(self._settings, store=self.store, dispatcher=RecordingDispatcher()).test_client()
        self._host_token = token_of(secrets.token_bytes(RANDOM_BYTES))
        with self.store.write() as session:
            enrol(session, HOST, hash_of(self._host_token), time.time(), replace=True)

    def ask(self, method: str, path: str, body: Any = None) -> bytes:
        """As a worker below /worker, else as a user; anything but success is an error."""
        token = self._host_token if path.startswith("worker") else self._settings.token
        headers = {"Authorization": f"Bearer {token}"}
        data = body if isinstance(body, bytes | None) else json.dumps(body, allow_nan=False).encode()
        answer = self._client.open(
            f"/api/v1/{path}", method=method, data=data, headers=headers, content_type="application/json"
        )
        if answer.status_code >= 300:
            raise RuntimeError(f"{method} {path}: {answer.status} {answer.text}")
        return answer.get_data()

    def streamed_bytes(self, path: str) -> int:
        """The size of an answer."""
        return len(self.ask("GET", path))

    def cpu_s(self) -> float:
        """The CPU time of this process."""
        return time.process_time()

    def peak_mb(self) -> int:
        """The peak of this process."""
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10

    def close(self) -> None:
        """Close the database."""
        self.store.close()
