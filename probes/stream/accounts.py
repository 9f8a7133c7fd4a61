"""The accounts of telemetry points: one for the host's whole life, and the open account of the present block."""

from collections.abc import Mapping

from domain.probes.telemetry import LossCause, TelemetryAccount
from probes.stream.counters import Counts, DeliveryCounters

_NOTHING: Mapping[LossCause, int] = {}


class Accounts:
    """Counts each event in the life-time counters, and in the open account if the points belong to it. Not thread-safe.

    Accounts are numbered from 1; 0 marks points that belong to no open account, such as those of earlier processes.
    """

    def __init__(self, counters: DeliveryCounters) -> None:
        self.counters = counters
        self.account_number = 1
        self._open = Counts()
        self._reason = ""

    def produce(self, points: int) -> None:
        """Count new points of the open account."""
        self.counters.life.produce(points)
        self._open.produce(points)

    def record(
        self,
        account_number: int,
        *,
        delivered: int = 0,
        spooled: int = 0,
        losses: Mapping[LossCause, int] = _NOTHING,
        reason: str = "",
    ) -> None:
        """Count points that moved; a negative ``spooled`` means that they left the spool."""
        for counts in (
            (self.counters.life, self._open) if account_number == self.account_number else (self.counters.life,)
        ):
            counts.add(delivered=delivered, spooled=spooled)
            for cause, points in losses.items():
                counts.lose(cause, points)
        if account_number == self.account_number and any(losses.values()):
            self._reason = self._reason or reason

    def account(self, queued: int, waiting_for: str = "") -> TelemetryAccount:
        """The open account; ``waiting_for`` says why points are neither delivered nor lost."""
        account = self._open.account(queued, self._reason)
        if account.spooled or account.queued:
            missing = "; ".join(dict.fromkeys(filter(None, (self._reason, waiting_for))))
            return account.model_copy(update={"missing": missing[:500]})
        return account

    def close_account(self, queued: int, waiting_for: str = "") -> TelemetryAccount:
        """Close the account, return it, and open the next."""
        account = self.account(queued, waiting_for)
        self.counters.note_block(account)
        self._open, self._reason = Counts(), ""
        self.account_number += 1
        return account
