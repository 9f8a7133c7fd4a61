"""One batch into the sink, so that a bad line loses itself and nothing else; and when to try again after a failure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from probes.stream.sink import Sink, SinkError

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 10.0
LONGEST_RETRY_AFTER_S = 3600.0


@dataclass
class Outcome:
    """What became of a batch: ``rest`` was not taken and is to be kept, because the sink is ``away``."""

    delivered: int = 0
    rejected: int = 0
    failed: int = 0
    rest: tuple[str, ...] = ()
    away: bool = False
    reason: str = ""
    retry_after_s: float | None = None


def post(sink: Sink, lines: Sequence[str]) -> Outcome:
    """Write a batch. One that is refused is halved until the lines at fault stand alone.

    Halves that the server had taken already are written once more: points are told apart by their identity, and a
    server's own word on how many it refused is not always true (1.x says ``dropped=0`` of lines that it cannot parse).
    """
    outcome, parts = Outcome(), [tuple(lines)] if lines else []
    while parts:
        part = parts.pop()
        try:
            sink.write("\n".join(part))
        except SinkError as error:
            outcome.reason = outcome.reason or str(error)
            if error.again:
                outcome.rest = tuple(line for kept in (part, *reversed(parts)) for line in kept)
                outcome.away, outcome.retry_after_s, outcome.reason = True, error.retry_after_s, str(error)
                return outcome
            if len(part) == 1 or error.refused == len(part):
                outcome.rejected += len(part)
                continue
        except Exception as error:  # a bug of the client's, or a line that it cannot encode: the others need not suffer
            outcome.reason = outcome.reason or f"{type(error).__name__}: {error}"
            if len(part) == 1:
                outcome.failed += 1
                continue
        else:
            outcome.delivered += len(part)
            continue
        middle = len(part) // 2
        parts += [part[middle:], part[:middle]]
    return outcome


class Patience:
    """How long to leave a sink alone that is away: as long as it asked for, else twice as long each time."""

    def __init__(self, clock: Callable[[], float], first_pause_s: float = FIRST_PAUSE_S) -> None:
        self._clock = clock
        self._first_pause_s = first_pause_s
        self._pause_s = 0.0
        self._until = float("-inf")

    @property
    def wait_s(self) -> float:
        """How much longer; 0 when it may be tried now."""
        return max(0.0, self._until - self._clock())

    def failed(self, retry_after_s: float | None = None) -> None:
        """It was away."""
        self._pause_s = min(LONGEST_PAUSE_S, self._pause_s * 2 or self._first_pause_s)
        self._until = self._clock() + max(self._pause_s, min(retry_after_s or 0.0, LONGEST_RETRY_AFTER_S))

    def succeeded(self) -> None:
        """It is back."""
        self._pause_s, self._until = 0.0, float("-inf")
