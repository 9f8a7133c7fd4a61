"""Two transactions at once, in a known order: the second waits for a row that the first has locked. PostgreSQL only."""

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from sqlalchemy import text
from sqlalchemy.orm import Session

from coordinator.store.rows.database import Store

WAITS_WITHIN_S = 20.0
_WAITING = text("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")

Answer = TypeVar("Answer")


def overtaken(store: Store, first: Callable[[Session], object], second: Callable[[], Answer]) -> Answer:
    """What ``second`` returns that began before the commit of ``first``, and had to wait for it.

    What ``first`` has changed and not flushed is written after ``second`` has begun, as by any transaction.
    Raises ``AssertionError`` if ``second`` waited for no lock, and whatever ``second`` raises.
    """
    with ThreadPoolExecutor(1) as threads:
        with store.write() as session:
            first(session)
            running = threads.submit(second)
            _await_lock(store, running)
        return running.result(WAITS_WITHIN_S)


def _await_lock(store: Store, running: Future[Answer]) -> None:
    deadline = time.monotonic() + WAITS_WITHIN_S
    while not running.done() and time.monotonic() < deadline:
        with store.read() as session:
            if session.scalar(_WAITING):
                return
        time.sleep(0.01)
    raise AssertionError("it waited for no lock of the other transaction")
