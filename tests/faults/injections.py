"""Faults of one part of a running stack: killed, paused, with a wrong clock, or without room on its disk."""

import contextlib
import os
import signal
import time
from pathlib import Path

from domain.service.jobs import LEASE_S
from tests import postgresql
from tests.faults.clocks import COORDINATOR, WORKER, Clocks
from tests.faults.under_test import CLOCKS, Inject, Service


def kill(name: str) -> Inject:
    """SIGKILL of a child of the stack."""
    return lambda service: os.kill(service.stack.pids[name], signal.SIGKILL)


def kill_child_of(name: str) -> Inject:
    """SIGKILL of the process that a child of the stack forked: gunicorn's worker, Celery's process."""

    def inject(service: Service) -> None:
        parent = service.stack.pids[name]
        children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
        os.kill(int(children[0]), signal.SIGKILL)

    return inject


def pause(name: str, seconds: float) -> Inject:
    """SIGSTOP of a child's process group, as a paused machine has it, and SIGCONT afterwards."""

    def inject(service: Service) -> None:
        group = os.getpgid(service.stack.pids[name])
        os.killpg(group, signal.SIGSTOP)
        time.sleep(seconds)
        os.killpg(group, signal.SIGCONT)

    return inject


def wrong_clock(part: str, by_s: int, seconds: float) -> Inject:
    """The wall clock of a part is set, and set right again."""

    def inject(service: Service) -> None:
        clocks = Clocks(service.stack.state_dir / CLOCKS)
        clocks.set(part, by_s)
        time.sleep(seconds)
        clocks.set(part, 0)

    return inject


def full_disk(seconds: float) -> Inject:
    """Nothing can be written to the stack's directory: not the database, the outbox, the spool or a log."""

    def inject(service: Service) -> None:
        filler = service.stack.state_dir / "filler"
        try:
            with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
                while True:
                    file.write(bytes(4096))
            time.sleep(seconds)
        finally:
            filler.unlink(missing_ok=True)

    return inject


def all_but_the_worker(service: Service) -> None:
    """A coordinator's machine that loses its power."""
    for name in ("coordinator", "ticker", "redis-server", "influxd"):
        if name in service.stack.pids:
            os.kill(service.stack.pids[name], signal.SIGKILL)


FAULTS: dict[str, Inject] = {
    "Redis killed": kill("redis-server"),
    "Redis paused for 10 s": pause("redis-server", 10),
    "coordinator killed": kill("coordinator"),
    "coordinator's process killed": kill_child_of("coordinator"),
    "coordinator paused for 10 s": pause("coordinator", 10),
    "ticker killed": kill("ticker"),
    "ticker paused for 30 s": pause("ticker", 30),
    "worker killed": kill("worker"),
    "worker's process killed": kill_child_of("worker"),
    "worker paused beyond its lease": pause("worker", LEASE_S + 5),
    "InfluxDB killed": kill("influxd"),
    "InfluxDB paused for 10 s": pause("influxd", 10),
    "all but the worker killed": all_but_the_worker,
    "worker's clock an hour ahead": wrong_clock(WORKER, 3600, 20),
    "worker's clock an hour behind": wrong_clock(WORKER, -3600, 20),
    "coordinator's clock an hour ahead": wrong_clock(COORDINATOR, 3600, 20),
    "coordinator's clock an hour behind": wrong_clock(COORDINATOR, -3600, 20),
    "disk full for 15 s": full_disk(15),
}


def crash(server: postgresql.Postgresql, down_s: float) -> Inject:
    """An immediate stop of the database's server, and a start after ``down_s``."""
    return lambda _: server.crash(down_s)


POSTGRESQL_FAULTS: dict[str, float] = {"PostgreSQL stopped at once": 0.0, "PostgreSQL stopped at once for 8 s": 8.0}
"""What happens to the server of a stack whose database is PostgreSQL, and for how many seconds it is down."""
