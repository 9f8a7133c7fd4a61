"""Moves batches into the sink, or into the spool; and from the spool into the sink when it is available again."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from domain.probes.telemetry import LossCause
from probes.stream.counters import COUNTERS_FILE, DeliveryCounters
from probes.stream.delivery import Outcome, RetryBackoff, post
from probes.stream.sink import Sink
from probes.stream.spool import Spool, SpoolBusy, SpooledBatch

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class SpoolState:
    """The content of the spool, over all blocks; ``since_ns`` (since the epoch) is the time of the oldest point."""

    points: int = 0
    size_bytes: int = 0
    since_ns: int = 0

    def age_s(self, now_ns: int) -> float:
        """How long the oldest point has waited; 0 without points."""
        return max(0.0, (now_ns - self.since_ns) / 1e9) if self.since_ns else 0.0


class RecordPoints(Protocol):
    """Receives the result of points from the transport; ``taken`` of them have left the memory."""

    def __call__(
        self,
        account_number: int,
        taken: int,
        *,
        delivered: int = 0,
        spooled: int = 0,
        losses: Mapping[LossCause, int],
        reason: str,
    ) -> None: ...


class Transport:
    """Does the stream's I/O in its one thread. ``away`` and ``disk`` are the present errors of sink and disk.

    While ``hurry`` is true, it isolates no invalid lines: their batch goes to the spool.
    """

    def __init__(
        self,
        sink: Sink,
        spool: Spool | None,
        backoff: RetryBackoff,
        record: RecordPoints,
        hurry: Callable[[], bool] = lambda: False,
    ) -> None:
        self._sink = sink
        self._spool = spool
        self._backoff = backoff
        self._record = record
        self._hurry = hurry
        self.away = self.disk = self.last_error = ""
        self.state = SpoolState()
        self.look()

    @property
    def wait_s(self) -> float:
        """How long to wait before the sink may be tried; 0 if it may be tried now."""
        return self._backoff.wait_s

    def forward(self, lines: Sequence[str], account_number: int, *, spill: bool) -> Sequence[str]:
        """Deliver lines, or spool them if that fails (``spill``: at once). Returns lines that could not be stored."""
        if not spill and not self._backoff.wait_s:
            outcome = post(self._sink, lines, self._hurry)
            self._note(outcome)
            self._record(
                account_number, len(lines) - len(outcome.rest), delivered=outcome.delivered, losses=_losses(outcome),
                reason=outcome.reason,
            )  # fmt: skip
            lines = outcome.rest
        return self._keep(lines, account_number) if lines else ()

    def drain(self, limit_points: int) -> bool:
        """Deliver the oldest spooled points, if the sink may be tried. True if any moved."""
        if self._spool is None or self._backoff.wait_s:
            return False
        try:
            held = self._spool.read(limit_points)
        except OSError as error:
            self._disk_failed("read", error)
            return False
        if held is None:
            return False
        outcome = post(self._sink, held.lines, self._hurry)
        self._note(outcome)
        if outcome.rest:
            # Keep the whole batch, even lines accepted before the failure: a replay does no harm.
            return False
        self.disk = ""
        self._release(self._spool, held, outcome)
        return True

    def sync_earlier(self, account_number: int) -> None:
        """Write what earlier accounts left safely to disk."""
        if self._spool is not None and self._spool.active_account not in (None, account_number):
            try:
                self._spool.cut()
            except OSError as error:
                self._disk_failed("synchronise", error)

    def look(self) -> None:
        """Update the spool's state for readers."""
        if self._spool is not None:
            self.state = SpoolState(self._spool.points, self._spool.size_bytes, self._spool.since_ns)

    def close(self) -> None:
        """Close spool and sink; spooled points stay for the next worker."""
        if self._spool is not None:
            try:
                self._spool.close()
            except OSError as error:
                self._disk_failed("synchronise", error)
        self._sink.close()

    def _release(self, spool: Spool, held: SpooledBatch, outcome: Outcome) -> None:
        losses = {**_losses(outcome), LossCause.TORN: held.torn}
        reason = outcome.reason or f"{held.torn} points of the spool were damaged on disk"
        # Count first: if the process is killed in between, the next worker delivers the points again and counts them
        # once.
        gone = len(held.lines) + held.torn
        self._record(held.account_number, 0, delivered=outcome.delivered, spooled=-gone, losses=losses, reason=reason)
        try:
            spool.release(held)
        except OSError as error:
            self._disk_failed("mark", error)

    def _keep(self, lines: Sequence[str], account_number: int) -> Sequence[str]:
        if self._spool is None:
            return lines
        try:
            self._spool.append(lines, account_number)
        except OSError as error:
            self._disk_failed("write", error)
            return lines
        except ValueError as error:
            self._record(account_number, len(lines), losses={LossCause.SPOOL_FULL: len(lines)}, reason=str(error))
        else:
            self.disk = ""
            self._record(account_number, len(lines), spooled=len(lines), losses={}, reason="")
        finally:
            for dropped in self._spool.take_dropped():
                reason = f"the spool reached its limit of {self._spool.cap_bytes >> 20} MiB, so the oldest were dropped"
                losses = {LossCause.SPOOL_FULL: dropped.points}
                self._record(dropped.account_number, 0, spooled=-dropped.points, losses=losses, reason=reason)
        return ()

    def _note(self, outcome: Outcome) -> None:
        if outcome.reason:
            self.last_error = outcome.reason
        if outcome.away:
            self.away = outcome.reason
            self._backoff.record_failure(outcome.retry_after_s)
        elif outcome.delivered or outcome.rejected:
            self.away = ""
            self._backoff.record_success()

    def _disk_failed(self, what: str, error: OSError) -> None:
        self.disk = self.last_error = f"the spool cannot {what}: {error.strerror or error}"


def open_spool(directory: Path) -> tuple[Spool | None, DeliveryCounters]:
    """The spool and counters of a directory; a warning, and neither of them on disk, if it cannot be used."""
    spool = None
    try:
        spool = Spool(directory)
        return spool, DeliveryCounters(directory / COUNTERS_FILE)
    except (OSError, SpoolBusy) as error:
        log.warning("telemetry will not survive this worker: %s", error)
        return spool, DeliveryCounters()


def _losses(outcome: Outcome) -> dict[LossCause, int]:
    return {LossCause.REJECTED: outcome.rejected, LossCause.FAILED: outcome.failed}
