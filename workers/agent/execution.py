"""From a message to a report: claim, run under a lease, report. Everything that a Celery task does, without Celery."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import httpx

from domain.jobs import HEARTBEAT_S, LEASE_S, BlockJob, BlockMessage, Heartbeat, Phase, Report
from domain.trial import BlockResult
from workers.agent.api_client import Coordinator, Refused
from workers.runner.measurement import Cancelled

log = logging.getLogger(__name__)

Measure = Callable[[BlockJob, Callable[[Phase, str, int], None], Callable[[], bool]], BlockResult]
"""Runs a claimed block, given where to tell progress and how to learn that it shall stop."""


@dataclass
class Lease:
    """Keeps a claim alive from a thread of its own, and learns from the answers whether to stop."""

    coordinator: Coordinator
    job: BlockJob
    period_s: float = HEARTBEAT_S
    clock: Callable[[], float] = time.monotonic
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
        """Remember where the block stands; the next heartbeat tells."""
        self._where = (phase, datapath, slices_done)

    def stop(self) -> bool:
        """True once nobody wants the block any more."""
        return self.cancelled.is_set() or self.lost.is_set()

    def _beat(self) -> None:
        heard = self.clock()
        while not self._done.wait(self.period_s):
            phase, datapath, done = self._where
            beat = Heartbeat(lease=self.job.lease, phase=phase, datapath=datapath, slices_done=done)
            try:
                answer = self.coordinator.heartbeat(self.job, beat)
                heard = self.clock()
                if answer.cancel:
                    self.cancelled.set()
            except Refused as refusal:
                log.warning("block %s: the lease is lost: %s", self.job.block_id, refusal)
                self.lost.set()
            except httpx.HTTPError as error:
                log.warning("block %s: heartbeat failed: %s", self.job.block_id, error)
                if self.clock() - heard > LEASE_S:
                    # By now the attempt belongs to somebody else, if to anybody.
                    self.lost.set()


def execute(
    message: BlockMessage,
    coordinator: Coordinator,
    measure: Measure,
    period_s: float = HEARTBEAT_S,
    announce: Callable[[BlockJob], None] = lambda _: None,
) -> None:
    """Claim and run one attempt. Only ``SystemExit`` and ``KeyboardInterrupt`` leave, after their report.

    ``announce`` is called when the report has been told.
    """
    coordinator.deliver()
    try:
        job = coordinator.claim(message)
    except Refused as refusal:
        log.info("block %s attempt %d is not ours: %s", message.block_id, message.attempt, refusal)
        return
    except httpx.HTTPError as error:
        # Unclaimed, the message is sent again by the coordinator's ticker.
        log.warning("block %s attempt %d cannot be claimed: %s", message.block_id, message.attempt, error)
        return
    with Lease(coordinator, job, period_s) as lease:
        try:
            report = Report(lease=job.lease, result=measure(job, lease.progress, lease.stop))
        except Cancelled:
            report = Report(lease=job.lease, cancelled=True, failure="cancelled")
        except (SystemExit, KeyboardInterrupt):
            coordinator.report(job, Report(lease=job.lease, cancelled=True, failure="the worker was told to stop"),
                               patience_s=0)  # fmt: skip
            raise
        except Exception as error:  # whatever kept the block from being measured is the attempt's failure
            log.exception("block %s attempt %d failed", job.block_id, job.attempt)
            report = Report(lease=job.lease, failure=f"{type(error).__name__}: {error}"[:2000])
    if lease.lost.is_set():
        return
    coordinator.report(job, report)
    announce(job)
