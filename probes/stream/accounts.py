"""Double entry for telemetry: what became of each point, for the host's whole life and for the account that is open."""

from collections.abc import Mapping

from domain.telemetry import LossCause, TelemetryAccount
from probes.stream.counters import Counts, DeliveryCounters

_NOTHING: Mapping[LossCause, int] = {}


class Accounts:
    """Counts each event in the counters, and in the open account when the points are of its era. Not thread-safe.

    An era is the time of one account. Eras count from 1; what a former process left is of era 0.
    """

    def __init__(self, counters: DeliveryCounters) -> None:
        self.counters = counters
        self.era = 1
        self._open = Counts()
        self._reason = ""

    def produced(self, points: int) -> None:
        """New points, of the current era."""
        self.counters.life.produce(points)
        self._open.produce(points)

    def settled(
        self,
        era: int,
        *,
        delivered: int = 0,
        spooled: int = 0,
        losses: Mapping[LossCause, int] = _NOTHING,
        reason: str = "",
    ) -> None:
        """Points of an era have come to another place; a negative ``spooled`` says that they left the spool."""
        for counts in (self.counters.life, self._open) if era == self.era else (self.counters.life,):
            counts.add(delivered=delivered, spooled=spooled)
            for cause, points in losses.items():
                counts.lose(cause, points)
        if era == self.era and any(losses.values()):
            self._reason = self._reason or reason

    def account(self, queued: int, waiting_for: str = "") -> TelemetryAccount:
        """The open account; ``waiting_for`` says why points are not delivered that are not lost either."""
        account = self._open.account(queued, self._reason)
        if account.spooled or account.queued:
            missing = "; ".join(dict.fromkeys(filter(None, (self._reason, waiting_for))))
            return account.model_copy(update={"missing": missing[:500]})
        return account

    def close_account(self, queued: int, waiting_for: str = "") -> TelemetryAccount:
        """The account, and a new one is open."""
        account = self.account(queued, waiting_for)
        self.counters.note_block(account)
        self._open, self._reason = Counts(), ""
        self.era += 1
        return account
