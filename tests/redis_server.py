"""A Redis on a unix socket for one test."""

import contextlib
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import redis

READY_S = 60.0


@contextlib.contextmanager
def running(argv: Sequence[str], client: redis.Redis) -> Iterator[redis.Redis]:
    """Redis while it answers ``client``; skips the test where it is not installed."""
    if shutil.which("redis-server") is None:
        pytest.skip("needs redis-server")
    server = subprocess.Popen(argv, stdout=subprocess.DEVNULL)
    try:
        _await_answer(client)
        yield client
    finally:
        client.close()
        server.terminate()
        server.wait(60)


@contextlib.contextmanager
def open_redis(directory: Path) -> Iterator[redis.Redis]:
    """One without a password."""
    socket = directory / "redis.sock"
    argv = ["redis-server", "--port", "0", "--unixsocket", str(socket), "--save", "", "--dir", str(directory)]
    with running(argv, redis.Redis(unix_socket_path=str(socket))) as client:
        yield client


def url_of(client: redis.Redis) -> str:
    """The broker URL of :func:`open_redis`."""
    return f"redis+socket://{client.connection_pool.connection_kwargs['path']}"


def _await_answer(client: redis.Redis) -> None:
    deadline = time.monotonic() + READY_S
    while True:
        try:
            client.ping()
        except redis.ConnectionError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return
