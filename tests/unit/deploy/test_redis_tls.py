"""Redis by rediss://: the certificate is verified by coordinator and worker, without another setting."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from coordinator.scheduling.dispatch import CeleryDispatcher, DispatchError
from deploy.stack.servers import unused_port
from tests.redis_server import running
from workers.agent.app import create_worker, own_queue_of
from workers.agent.config import WorkerSettings
from workers.lab import certificates


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    made = certificates.make(tmp_path, ["127.0.0.1"])
    port, authority = unused_port(), str(made.authority)
    argv = ["redis-server", "--port", "0", "--tls-port", str(port), "--bind", "127.0.0.1", "--save", "",
            "--tls-cert-file", str(made.server), "--tls-key-file", str(made.key),
            "--tls-ca-cert-file", authority, "--tls-auth-clients", "no", "--dir", str(tmp_path)]  # fmt: skip
    with running(argv, redis.Redis("127.0.0.1", port, ssl=True, ssl_ca_certs=authority)):
        yield f"rediss://127.0.0.1:{port}/0"


# Each case has its own server: kombu shares connections to one address within a process.
@pytest.mark.parametrize("trusted", [True, False])
def test_the_certificate_is_verified_on_both_sides(url: str, tmp_path: Path, *, trusted: bool) -> None:
    broker = f"{url}?ssl_ca_certs={tmp_path / 'authority.pem'}" if trusted else url
    environment = {"SHOWDOWN_HOST": "h1", "SHOWDOWN_STATE_DIR": str(tmp_path), "SHOWDOWN_WORKER_TOKEN": "0" * 16}
    settings = WorkerSettings.from_environment(environment | {"SHOWDOWN_BROKER_URL": broker})
    dispatcher = CeleryDispatcher(broker, lambda _: b"key")
    own_queue = own_queue_of(create_worker(settings), settings)
    if trusted:
        dispatcher.ping("h1")
        assert own_queue.waiting() == 1
        return
    with pytest.raises(DispatchError, match="CERTIFICATE_VERIFY_FAILED"):
        dispatcher.ping("h1")
    with pytest.raises(Exception, match="CERTIFICATE_VERIFY_FAILED"):
        own_queue.waiting()
