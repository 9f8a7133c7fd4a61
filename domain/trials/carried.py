"""How much of its load was carried, by a slice or by a trial."""

import math
from collections.abc import Iterable

from pydantic import Field

from domain.values.bounds import Count
from domain.values.frozen import Frozen
from domain.values.texts import share_text

# Above these shares a trial's latency depends on the generator, and the report says so.
MAX_QUEUED_SHARE = 0.01  # of the due requests, that waited for a free connection
MAX_SHOWN_LAG_SHARE = 0.10  # of the latency at p99, that is the generator's own lateness at p99


# An open level is carried if what was due in a slice is answered there, but for the requests that were pending at its
# middle. That is one latency's worth (Little's law). The rest is room for single stalls of the host at a slice's end,
# and for the noise of counting a few pending requests.
MIN_DELIVERED_SHARE = 0.99
COUNT_ERRORS = 2.0  # standard deviations of the difference of two Poisson counts, which matter at low rates only


def is_delivered(due: int, delivered: int, pending: int, slices: int = 1) -> bool:
    """Whether enough of what was due in slices was answered in them; ``pending`` at their middles, in all."""
    noise = COUNT_ERRORS * math.sqrt(2 * (pending + slices))
    return delivered + noise >= MIN_DELIVERED_SHARE * (due - pending)


class Carried(Frozen):
    """What was due, and what was answered of it before a slice's end; older results have ``requests`` only."""

    requests: Count = Field(description="Begun in the slice and answered, in it or after it.")
    delivered: Count | None = Field(
        default=None, description="Answered before the slice's end; null if the generator does not report it."
    )
    due: Count | None = Field(default=None, description="In the schedule; open loop only.")
    queued: Count | None = Field(
        default=None, description="Found no free connection when they were due; open loop only."
    )

    @classmethod
    def sum_of(cls, parts: Iterable["Carried"]) -> "Carried":
        """Of several slices; a count that one of them does not have is unknown."""
        every = list(parts)
        return cls(
            requests=sum(part.requests for part in every),
            delivered=_sum(part.delivered for part in every),
            due=_sum(part.due for part in every),
            queued=_sum(part.queued for part in every),
        )

    @property
    def answered_within(self) -> int:
        """Requests answered before their slice's end; where that is unknown, at any time."""
        return self.requests if self.delivered is None else self.delivered

    @property
    def queued_share(self) -> float | None:
        """Share of the due requests that waited for a free connection; open loop only."""
        return self.queued / self.due if self.queued is not None and self.due else None


def _sum(counts: Iterable[int | None]) -> int | None:
    every = list(counts)
    known = [count for count in every if count is not None]
    return sum(known) if known and len(known) == len(every) else None


def is_queued(queued_share: float | None) -> bool:
    """Whether so many requests waited for a free connection that the latency depends on the generator."""
    return queued_share is not None and queued_share > MAX_QUEUED_SHARE


def is_late(lag_p99_us: float | None, latency_p99_us: float | None) -> bool:
    """Whether the generator's own lateness is so large a part of the latency that it must be named."""
    return lag_p99_us is not None and bool(latency_p99_us) and lag_p99_us > MAX_SHOWN_LAG_SHARE * (latency_p99_us or 0)


def cautions(queued_share: float | None, lag_p99_us: float | None, latency_p99_us: float | None) -> tuple[str, ...]:
    """What a reader of a latency must know about the generator, in sentences."""
    found = []
    if queued_share is not None and is_queued(queued_share):
        found.append(f"{share_text(queued_share)} of the requests waited for a free connection of the generator")
    if is_late(lag_p99_us, latency_p99_us):
        late = f"the generator was late by {lag_p99_us:,.0f} µs at p99"
        found.append(f"{late}, of a latency of {latency_p99_us:,.0f} µs")
    return tuple(found)
