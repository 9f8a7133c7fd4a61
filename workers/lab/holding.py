"""Idle connections through a lab: a program opens them from the client, and they carry nothing."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from domain.hosts.environment import PYTHON_OPTIONS
from workers.lab.idle_client import READY
from workers.lab.lab import Lab, LabError

READY_S = 30.0  # for a busy host to open all of them
_LOOK_S = 0.01


@contextmanager
def idle_connections(lab: Lab, connections: int) -> Iterator[None]:
    """Hold ``connections`` from the lab's client meanwhile. Raises :class:`LabError` if they cannot be opened."""
    client = lab.client_endpoint
    place = "dut" if client.netns == lab.dut_ns else "client"
    what = [client.address, str(client.port), str(connections)]
    argv = [sys.executable, *PYTHON_OPTIONS, "-m", "workers.lab.idle_client", *what]
    process = lab.spawn(place, argv, task_role=None)
    try:
        deadline = time.monotonic() + READY_S
        while READY not in process.output().splitlines():
            if process.poll() is not None or time.monotonic() > deadline:
                words = process.output().strip().splitlines()
                raise LabError(f"idle connections were not opened: {words[-1] if words else 'no message'}")
            time.sleep(_LOOK_S)
        yield
    finally:
        lab.stop(process)
