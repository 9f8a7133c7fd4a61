"""From a message to a report: claim, run under a lease, report. What a Celery task does, without Celery."""

import logging
import math
import os
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import httpx

from domain.service.jobs import HEARTBEAT_S, LEASE_S, BlockJob, BlockMessage, Heartbeat, HeartbeatAnswer, Phase, Report
from domain.trials.trial import BlockResult
from domain.values.texts import error_text
from workers.agent.api_client import Coordinator, Refused
from workers.agent.tally import Ending
from workers.runner.measurement import Cancelled

log = logging.getLogger(__name__)

Measure = Callable[[BlockJob, Callable[[Phase, str, int], None], Callable[[], bool]], BlockResult]
"""Runs a claimed block; it gets a function to report progress to, and one that says whether to stop."""


STOP_GRACE_S = 5.0  # a block ends within about a second of its stop flag …
STOP_AGAIN_S = 5.0  # … one that does not gets SIGTERM, and again


def end_block() -> None:
    """End a block that ignores its stop flag: SIGTERM raises SystemExit in Celery's child, which undoes its lab."""
    os.kill(os.getpid(), signal.SIGTERM)


@dataclass
class Lease:
    """Renews a claim's lease in a separate thread; the answers say whether to stop.

    ``end`` ends a block that goes on :data:`STOP_GRACE_S` after it should have stopped.
    """

    coordinator: Coordinator
    job: BlockJob
    period_s: float = HEARTBEAT_S
    clock: Callable[[], float] = time.monotonic
    end: Callable[[], None] = end_block
    cancelled: threading.Event = field(default_factory=threading.Event)
    lost: threading.Event = field(default_factory=threading.Event)
    _done: threading.Event = field(default_factory=threading.Event)
    _where: tuple[Phase, str, int] = (Phase.PREPARE, "", 0)

    def __enter__(self) -> "Lease":
        self._thread = threading.Thread(target=self._beat, name="lease", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def progress(self, phase: Phase, datapath: str, slices_done: int) -> None:
        """Set the progress that the next heartbeat reports."""
        self._where = (phase, datapath, slices_done)

    def stop(self) -> bool:
        """True once the block is cancelled or its lease is lost."""
        return self.cancelled.is_set() or self.lost.is_set()

    def _beat(self) -> None:
        renewed_at, end_at = self.clock(), math.inf
        while not self._done.wait(self.period_s):
            try:
                if self._renew().cancel:
                    self.cancelled.set()
                renewed_at = self.clock()
            except Refused as refusal:
                log.warning("block %s: the lease is lost: %s", self.job.block_id, refusal)
                self.lost.set()
            except Exception as error:  # an error that ended this thread would let the lease expire unnoticed
                log.warning("block %s: heartbeat failed: %s: %s", self.job.block_id, type(error).__name__, error)
                if self.clock() - renewed_at > LEASE_S:
                    # The coordinator has given the attempt up; another host may run it.
                    self.lost.set()
            end_at = self._end_late_block(end_at)

    def _end_late_block(self, end_at: float) -> float:
        """End a block that should have ended by ``end_at``; returns when to look again."""
        if not self.stop():
            return math.inf
        now = self.clock()
        if end_at == math.inf:
            return now + STOP_GRACE_S
        if now < end_at:
            return end_at
        log.warning("block %s does not stop: it gets SIGTERM", self.job.block_id)
        self.end()
        return now + STOP_AGAIN_S

    def _renew(self) -> HeartbeatAnswer:
        phase, datapath, done = self._where
        heartbeat = Heartbeat(lease=self.job.lease, phase=phase, datapath=datapath, slices_done=done)
        return self.coordinator.heartbeat(self.job, heartbeat)


def execute(
    message: BlockMessage,
    coordinator: Coordinator,
    measure: Measure,
    period_s: float = HEARTBEAT_S,
    announce: Callable[[BlockJob], None] = lambda _: None,
    count: Callable[[Ending], None] = lambda _: None,
) -> None:
    """Claim and run one attempt. Raises ``SystemExit`` and ``KeyboardInterrupt`` only, after reporting them.

    ``announce`` is called after the report, ``count`` at each end of a claimed attempt.
    """
    job = _claimed(message, coordinator)
    if job is None:
        return
    with Lease(coordinator, job, period_s) as lease:
        try:
            report = Report(lease=job.lease, result=measure(job, lease.progress, lease.stop))
        except Cancelled:
            report = Report(lease=job.lease, cancelled=True, failure="cancelled")
        except (SystemExit, KeyboardInterrupt):
            coordinator.report(job, Report(lease=job.lease, cancelled=True, failure="the worker was stopped"),
                               patience_s=0)  # fmt: skip
            count(Ending.CANCELLED)
            raise
        except Exception as error:  # any error fails the attempt, not the worker
            log.exception("block %s attempt %d failed", job.block_id, job.attempt)
            report = Report(lease=job.lease, failure=error_text(error)[:2000])
    if lease.lost.is_set():
        count(Ending.LOST)
        coordinator.give_up(job)
        return
    count(_ending(report))
    coordinator.report(job, report)
    announce(job)


def _claimed(message: BlockMessage, coordinator: Coordinator) -> BlockJob | None:
    """The job, after reports that wait were delivered; ``None`` if it is not this host's to run."""
    coordinator.deliver()
    try:
        return coordinator.claim(message)
    except Refused as refusal:
        log.info("block %s attempt %d is not claimed: %s", message.block_id, message.attempt, refusal)
    except httpx.HTTPError as error:
        # The coordinator's ticker sends the message of an unclaimed attempt again.
        log.warning("block %s attempt %d cannot be claimed: %s", message.block_id, message.attempt, error)
    return None


def _ending(report: Report) -> Ending:
    if report.cancelled:
        return Ending.CANCELLED
    return Ending.DONE if report.result is not None else Ending.FAILED
