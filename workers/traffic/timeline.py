"""What a generator sent when: sums over the steps of a slice. Pure."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from domain.probes.watched import Span
from domain.probes.window_times import WindowTimes


@dataclass(frozen=True)
class Timeline:
    """For each step of a slice, from its start: sums over the answered requests that were sent in the step.

    ``latency_ns`` is empty in a closed loop.
    """

    step_s: float
    requests: tuple[int, ...]
    service_time_ns: tuple[int, ...]
    latency_ns: tuple[int, ...] = ()

    def plus(self, other: "Timeline") -> "Timeline":
        """The sum of two clients' timelines. Raises ``ValueError`` if their steps differ."""
        if self.step_s != other.step_s:
            raise ValueError("timelines of different steps")
        return Timeline(
            self.step_s,
            _added(self.requests, other.requests),
            _added(self.service_time_ns, other.service_time_ns),
            _added(self.latency_ns, other.latency_ns),
        )

    def within(self, spans: Iterable[Span]) -> WindowTimes | None:
        """The sums of steps whose middle is in a span, counted from the slice's start; ``None`` without requests."""
        at = [step for span in spans for step in self._steps(span)]
        if not (requests := sum(self.requests[step] for step in at)):
            return None
        return WindowTimes(
            requests=requests,
            service_time_ns=sum(self.service_time_ns[step] for step in at),
            latency_ns=sum(self.latency_ns[step] for step in at) if self.latency_ns else None,
        )

    def _steps(self, span: Span) -> range:
        begin, end = (math.ceil(at_s / self.step_s - 0.5) for at_s in span)
        return range(max(0, begin), min(len(self.requests), end))


def _added(one: Sequence[int], other: Sequence[int]) -> tuple[int, ...]:
    return tuple(mine + its for mine, its in zip(one, other, strict=True))
