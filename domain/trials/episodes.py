"""Episodes of slow requests: how many independent events a tail rests on.

Two hundred requests that wait for one stall of 20 ms are one event. An episode is a run of slow requests by their
intended send. The next one begins after a millisecond whose requests were all faster. It begins longer after the last
slow request than the time that counts as slow. Requests closer than that were under way at once, and may share a cause.
"""

from collections.abc import Iterable, Sequence
from functools import reduce

from pydantic import Field

from domain.values.bounds import Count, added
from domain.values.frozen import Frozen

STEP_NS = 1_000_000  # of a slice: the generator reports the slowest request that was due in each step
MARKS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
"""A step's mark: ``0`` if no request was due in it, else the place of its slowest request in :data:`LADDER_NS` + 1."""

_UNIT_NS = 8_192  # the generator's classes: four per octave, from eight units on (workers/traffic/src/report/slow.h)
LADDER_NS = tuple(
    _UNIT_NS * (place if place < 4 else (4 + place % 4) << (place // 4 - 1)) for place in range(len(MARKS) - 1)
)
"""The times for which episodes are counted, from 0 to 537 ms."""


class Episodes(Frozen):
    """Episodes of requests at least as slow as each time of :data:`LADDER_NS`, summed over slices."""

    counts: tuple[Count, ...] = Field(min_length=len(LADDER_NS), max_length=len(LADDER_NS))

    def beyond(self, limit_ns: float) -> int:
        """Of requests slower than ``limit_ns``, or than the next higher time that was counted (up to 25 % more)."""
        return next((n for at_ns, n in zip(LADDER_NS, self.counts, strict=True) if at_ns >= limit_ns), 0)

    def plus(self, other: "Episodes") -> "Episodes":
        """Of two stretches of traffic."""
        return Episodes(counts=tuple(added(mine, its) for mine, its in zip(self.counts, other.counts, strict=True)))


def episodes_of(slices: Iterable[str | None]) -> Episodes | None:
    """The episodes of slices, given as their steps' marks; ``None`` unless every slice has them."""
    every = list(slices)
    known = [steps for steps in every if steps is not None]
    return reduce(Episodes.plus, map(_in_slice, known)) if known and len(known) == len(every) else None


def merged_steps(parts: Sequence[str]) -> str:
    """The steps of several clients of one slice: of each, the slowest request."""
    return "".join(map(max, zip(*parts, strict=True)))


def _in_slice(steps: str) -> Episodes:
    marked = [(step, MARKS.index(mark)) for step, mark in enumerate(steps) if mark != MARKS[0]]
    slowest = max((mark for _, mark in marked), default=0)
    counts = [_episodes(marked, place) if place < slowest else 0 for place in range(len(LADDER_NS))]
    return Episodes(counts=tuple(counts))


def _episodes(marked: Sequence[tuple[int, int]], place: int) -> int:
    """Runs of steps with a request at least as slow as this place of the ladder."""
    found, last, faster = 0, 0, True
    for step, mark in marked:
        if mark <= place:
            faster = True
            continue
        if faster and (not found or (step - last) * STEP_NS > LADDER_NS[place]):
            found += 1
        last, faster = step, False
    return found
