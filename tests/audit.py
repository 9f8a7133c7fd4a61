"""Checks of telemetry accounts that only tests need."""

from domain.probes.telemetry import TelemetryAccount
from probes.stream.stream import Stream


def unaccounted(account: TelemetryAccount) -> int:
    """Points missing from an account; anything but zero is a bug."""
    return account.produced - account.delivered - account.spooled - account.queued - account.lost


class AuditedStream(Stream):
    """A stream that also reports the account of all points since its counters began."""

    def totals(self) -> TelemetryAccount:
        """The account over all blocks and former workers."""
        with self._changed:
            return self._counters.life.account(self._in_memory, self._waiting_for)
