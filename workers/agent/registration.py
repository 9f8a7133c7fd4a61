"""Keeps this host registered with the coordinator for as long as the worker runs.

The coordinator takes a host that does not register for offline and gives its blocks to other hosts. So no error may
end this loop: it logs what failed and goes on with the next step.
"""

import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

import httpx
from kombu.exceptions import OperationalError

from domain.service.jobs import HostCapabilities
from workers.agent.acceptance import NotAccepted
from workers.agent.api_client import Refused

log = logging.getLogger(__name__)

PERIOD_S = 30.0
FIRST_PAUSE_S = 0.5
REPEAT_LOG_S = 600.0
END_S = 900  # longer than any block

_EXPECTED = (httpx.HTTPError, Refused, OperationalError)
"""Errors of a coordinator or broker that is away or busy: they pass, and need no traceback."""


class CoordinatorLink(Protocol):
    """The part of the worker API that the registration uses."""

    def register(self, capabilities: HostCapabilities) -> None:
        """Report what this host can run."""

    def deliver(self) -> int:
        """Deliver the reports that wait on disk; returns how many still wait."""


class ErrorLog:
    """Logs each cause with its traceback once; while it persists, again after :data:`REPEAT_LOG_S`."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._logged_at: dict[tuple[str, type[BaseException]], float] = {}

    def failed(self, step: str, error: Exception) -> None:
        """Log that ``step`` failed."""
        if isinstance(error, _EXPECTED):
            log.warning("cannot %s yet: %s", step, error)
            return
        cause, now = (step, type(error)), self._clock()
        if now - self._logged_at.get(cause, -REPEAT_LOG_S) >= REPEAT_LOG_S:
            self._logged_at[cause] = now
            log.error("cannot %s; trying again", step, exc_info=error)

    def succeeded(self, step: str) -> None:
        """Log the next failure of ``step`` at once."""
        self._logged_at = {cause: at for cause, at in self._logged_at.items() if cause[0] != step}


def end_process(limit_s: int = END_S) -> None:
    """End this worker: Celery finishes the running block, then systemd or the stack starts a new worker.

    If that takes longer than ``limit_s``, the kernel ends it: a thread that waits for that might not start any more.
    """
    signal.alarm(limit_s)  # nothing handles SIGALRM, and its default is to end the process
    os.kill(os.getpid(), signal.SIGTERM)


@contextmanager
def indispensable(step: str, end: Callable[[], None] = end_process) -> Iterator[None]:
    """End the process if the step fails. Celery only logs errors of its signals' handlers, and goes on without them."""
    try:
        yield
    except BaseException:
        log.critical("cannot %s; the worker ends", step, exc_info=True)
        end()
        raise


@dataclass
class HostRegistration:
    """Registers this host every :data:`PERIOD_S`, delivers waiting reports and reports the matrix of traits.

    ``probe`` finds out what the host can run; it is called again until it succeeds once. ``wait`` sleeps.
    """

    coordinator: CoordinatorLink
    probe: Callable[[], HostCapabilities]
    report_matrix: Callable[[], object]
    wait: Callable[[float], object] = field(default_factory=lambda: threading.Event().wait)
    end: Callable[[], None] = end_process
    errors: ErrorLog = field(default_factory=ErrorLog)
    report_vitals: Callable[[], None] = lambda: None
    life_at_s: float = 0.0
    """When the coordinator last took a sign of life, in seconds since the epoch."""

    _capabilities: HostCapabilities | None = None

    def run(self) -> None:
        """Returns only if the coordinator refuses this worker. When the loop ends, the process ends, too."""
        try:
            pause_s = FIRST_PAUSE_S
            while True:
                pause_s = PERIOD_S if self.round() else min(pause_s * 2, PERIOD_S)
                self.wait(pause_s)
        except NotAccepted as refusal:
            # At its next start, it waits for acceptance before it takes messages.
            log.critical("the worker ends: %s", refusal)
        except BaseException:
            log.critical("this host can no longer report to the coordinator; the worker ends", exc_info=True)
            raise
        finally:
            self.end()

    def round(self) -> bool:
        """Register once, then do the rest. True if every step succeeded."""
        if not self._step("find out what this host can run", self._probed):
            return False
        if not self._step("register", self._register):
            return False
        others = (
            self._step("report its vitals", self.report_vitals),
            self._step("deliver reports", self.coordinator.deliver),
            self._step("report the matrix of traits", self.report_matrix),
        )
        return all(others)

    def _step(self, name: str, action: Callable[[], object]) -> bool:
        try:
            action()
        except NotAccepted:
            raise
        except Exception as error:  # any error that ended this thread would make the host look offline
            self.errors.failed(name, error)
            return False
        self.errors.succeeded(name)
        return True

    def _probed(self) -> HostCapabilities:
        if self._capabilities is None:
            self._capabilities = self.probe()
        return self._capabilities

    def _register(self) -> None:
        self.coordinator.register(self._probed())
        self.life_at_s = time.time()
