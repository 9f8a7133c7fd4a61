"""Ends a worker that takes nothing from its queue though messages wait there.

After a reset of the broker's connection, a Celery consumer may stay deaf while its process lives (celery#10205,
celery#10302). Systemd or the stack starts the worker again.
"""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from domain.values.texts import error_text

log = logging.getLogger(__name__)

LOOK_S = 10.0
DEAF_S = 60.0


@dataclass
class Watchdog:
    """Looks every :data:`LOOK_S` from its own thread, through its own connection.

    ``taken`` counts the items taken so far, ``waiting`` asks Redis how many wait, ``busy`` is true while a task runs:
    Celery then leaves the next messages where they are. ``end`` ends the worker.
    """

    taken: Callable[[], int]
    waiting: Callable[[], int]
    busy: Callable[[], bool]
    end: Callable[[], None]
    clock: Callable[[], float] = time.monotonic
    wait: Callable[[float], object] = field(default_factory=lambda: threading.Event().wait)
    broker_error: str = ""
    queued: int | None = None
    """Messages that waited at the last look; ``None`` if Redis did not answer."""

    _taken: int = -1
    _deaf_since: float | None = None

    def run(self) -> None:
        """Never returns."""
        while True:
            self.wait(LOOK_S)
            try:
                self.look()
            except Exception:  # no error may end this thread: nobody would notice
                log.exception("the watchdog could not look")

    def look(self) -> None:
        """Compare with the last look."""
        try:
            waiting = self.waiting()
        except Exception as error:  # kombu, redis and socket errors share no base class
            self.broker_error = error_text(error)[:300]
            self._deaf_since = self.queued = None  # without Redis nobody hears; that is no reason to restart
            return
        self.broker_error, self.queued = "", waiting
        now, taken = self.clock(), self.taken()
        if not waiting or taken != self._taken or self.busy():
            self._taken, self._deaf_since = taken, None
            return
        if self._deaf_since is None:
            self._deaf_since = now
        if now - self._deaf_since >= DEAF_S:
            log.critical("%d messages wait, and none was taken for %.0f s: the worker ends", waiting, DEAF_S)
            self._deaf_since = None
            self.end()
