"""Delivery of one batch, isolating invalid lines; and the pause after a failure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from domain.values.texts import error_text
from probes.stream.sink import Sink, SinkError

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 10.0
LONGEST_RETRY_AFTER_S = 3600.0


@dataclass
class Outcome:
    """The result of a batch: ``rest`` was not tried or not accepted and must be kept; the sink may be ``away``."""

    delivered: int = 0
    rejected: int = 0
    failed: int = 0
    rest: tuple[str, ...] = ()
    away: bool = False
    reason: str = ""
    retry_after_s: float | None = None


def post(sink: Sink, lines: Sequence[str], hurry: Callable[[], bool] = lambda: False) -> Outcome:
    """Write a batch. A refused batch is halved until the invalid lines are isolated, or ``hurry`` is true.

    A batch that is too large for the sink is halved, too.

    Lines that the server accepted before are written again, which is harmless: points have an identity. The server's
    count of refused lines is not reliable (1.x reports ``dropped=0`` for lines that it cannot parse).
    """
    outcome, parts = Outcome(), [tuple(lines)] if lines else []
    while parts:
        part = parts.pop()
        if outcome.reason and hurry():
            outcome.rest = tuple(line for kept in (part, *reversed(parts)) for line in kept)
            return outcome
        try:
            sink.write("\n".join(part))
        except SinkError as error:
            outcome.reason = outcome.reason or str(error)
            if error.again and not (error.too_large and len(part) > 1):
                outcome.rest = tuple(line for kept in (part, *reversed(parts)) for line in kept)
                outcome.away, outcome.retry_after_s, outcome.reason = True, error.retry_after_s, str(error)
                return outcome
            if not error.again and (len(part) == 1 or error.refused == len(part)):
                outcome.rejected += len(part)
                continue
        except (
            Exception
        ) as error:  # a bug of the client, or a line that it cannot encode: the other lines must not suffer
            outcome.reason = outcome.reason or error_text(error)
            if len(part) == 1:
                outcome.failed += 1
                continue
        else:
            outcome.delivered += len(part)
            continue
        middle = len(part) // 2
        parts += [part[middle:], part[:middle]]
    return outcome


class RetryBackoff:
    """The pause before the next attempt at an unavailable sink: as long as it asked for, else doubled each time."""

    def __init__(self, clock: Callable[[], float], first_pause_s: float = FIRST_PAUSE_S) -> None:
        self._clock = clock
        self._first_pause_s = first_pause_s
        self._pause_s = 0.0
        self._until = float("-inf")

    @property
    def wait_s(self) -> float:
        """The time left; 0 if the sink may be tried now."""
        return max(0.0, self._until - self._clock())

    def record_failure(self, retry_after_s: float | None = None) -> None:
        """The sink was unavailable."""
        self._pause_s = min(LONGEST_PAUSE_S, self._pause_s * 2 or self._first_pause_s)
        self._until = self._clock() + max(self._pause_s, min(retry_after_s or 0.0, LONGEST_RETRY_AFTER_S))

    def record_success(self) -> None:
        """The sink is available."""
        self._pause_s, self._until = 0.0, float("-inf")
