"""Moves batches: into the sink, else into the spool; and from the spool into the sink once it is back."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from domain.telemetry import LossCause
from probes.stream.counters import COUNTERS_FILE, DeliveryCounters
from probes.stream.delivery import Outcome, Patience, post
from probes.stream.sink import Sink
from probes.stream.spool import Held, Spool, SpoolBusy

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class SpoolState:
    """What lies in the spool, of all blocks; ``since_ns`` (since the epoch) tells when the oldest point came."""

    points: int = 0
    size_bytes: int = 0
    since_ns: int = 0

    def age_s(self, now_ns: int) -> float:
        """How long the oldest point has been waiting; 0 when none is."""
        return max(0.0, (now_ns - self.since_ns) / 1e9) if self.since_ns else 0.0


class Settle(Protocol):
    """Where a transport tells what became of points; ``taken`` of them were in memory, and are there no more."""

    def __call__(
        self,
        era: int,
        taken: int,
        *,
        delivered: int = 0,
        spooled: int = 0,
        losses: Mapping[LossCause, int],
        reason: str,
    ) -> None: ...


class Transport:
    """The hands of a stream, for its one thread. ``away`` and ``disk`` say why, while the sink or the disk fails."""

    def __init__(self, sink: Sink, spool: Spool | None, patience: Patience, settle: Settle) -> None:
        self._sink = sink
        self._spool = spool
        self._patience = patience
        self._settle = settle
        self.away = self.disk = self.last_error = ""
        self.state = SpoolState()
        self.look()

    @property
    def wait_s(self) -> float:
        """How long the sink is to be left alone; 0 when it may be tried."""
        return self._patience.wait_s

    def forward(self, lines: Sequence[str], era: int, *, spill: bool) -> Sequence[str]:
        """Deliver lines, or spool them when that fails (``spill``: at once). Returns those that found no place."""
        if not spill and not self._patience.wait_s:
            outcome = post(self._sink, lines)
            self._note(outcome)
            self._settle(
                era, len(lines) - len(outcome.rest), delivered=outcome.delivered, losses=_losses(outcome),
                reason=outcome.reason,
            )  # fmt: skip
            lines = outcome.rest
        return self._keep(lines, era) if lines else ()

    def drain(self, limit_points: int) -> bool:
        """Deliver the oldest of the spool, if the sink may be tried. Whether anything moved."""
        if self._spool is None or self._patience.wait_s:
            return False
        try:
            held = self._spool.read(limit_points)
        except OSError as error:
            self._disk_failed("read", error)
            return False
        if held is None:
            return False
        outcome = post(self._sink, held.lines)
        self._note(outcome)
        if outcome.away:
            # All of it stays as it is, also what was taken before the sink went away: a replay does not double.
            return False
        self.disk = ""
        self._release(self._spool, held, outcome)
        return True

    def end_era(self, era: int) -> None:
        """Make safe on the disk what earlier eras left."""
        if self._spool is not None and self._spool.open_era not in (None, era):
            try:
                self._spool.cut()
            except OSError as error:
                self._disk_failed("synchronise", error)

    def look(self) -> None:
        """Read the spool's size, for others to see."""
        if self._spool is not None:
            self.state = SpoolState(self._spool.points, self._spool.size_bytes, self._spool.since_ns)

    def close(self) -> None:
        """Close spool and sink; what is spooled stays for the next worker."""
        if self._spool is not None:
            try:
                self._spool.close()
            except OSError as error:
                self._disk_failed("synchronise", error)
        self._sink.close()

    def _release(self, spool: Spool, held: Held, outcome: Outcome) -> None:
        losses = {**_losses(outcome), LossCause.TORN: held.torn}
        reason = outcome.reason or f"{held.torn} points of the spool were damaged on the disk"
        # Counted first: killed between the two, the next worker delivers them again and finds that they count once.
        gone = len(held.lines) + held.torn
        self._settle(held.era, 0, delivered=outcome.delivered, spooled=-gone, losses=losses, reason=reason)
        try:
            spool.release(held)
        except OSError as error:
            self._disk_failed("mark", error)

    def _keep(self, lines: Sequence[str], era: int) -> Sequence[str]:
        if self._spool is None:
            return lines
        try:
            self._spool.append(lines, era)
        except OSError as error:
            self._disk_failed("write", error)
            return lines
        except ValueError as error:
            self._settle(era, len(lines), losses={LossCause.SPOOL_FULL: len(lines)}, reason=str(error))
        else:
            self.disk = ""
            self._settle(era, len(lines), spooled=len(lines), losses={}, reason="")
        finally:
            for dropped in self._spool.take_dropped():
                reason = f"the spool holds no more than {self._spool.cap_bytes >> 20} MiB: the oldest were dropped"
                losses = {LossCause.SPOOL_FULL: dropped.points}
                self._settle(dropped.era, 0, spooled=-dropped.points, losses=losses, reason=reason)
        return ()

    def _note(self, outcome: Outcome) -> None:
        if outcome.reason:
            self.last_error = outcome.reason
        if outcome.away:
            self.away = outcome.reason
            self._patience.failed(outcome.retry_after_s)
        elif outcome.delivered or outcome.rejected:
            self.away = ""
            self._patience.succeeded()

    def _disk_failed(self, what: str, error: OSError) -> None:
        self.disk = self.last_error = f"the spool cannot {what}: {error.strerror or error}"


def opened(directory: Path) -> tuple[Spool | None, DeliveryCounters]:
    """The spool and the counters in a directory; without them, and with a warning, where it cannot be used."""
    spool = None
    try:
        spool = Spool(directory)
        return spool, DeliveryCounters(directory / COUNTERS_FILE)
    except (OSError, SpoolBusy) as error:
        log.warning("telemetry will not outlive this worker: %s", error)
        return spool, DeliveryCounters()


def _losses(outcome: Outcome) -> dict[LossCause, int]:
    return {LossCause.REJECTED: outcome.rejected, LossCause.FAILED: outcome.failed}
