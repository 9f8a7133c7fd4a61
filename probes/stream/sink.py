"""Where telemetry goes: the contract between the stream and what it writes to."""

from typing import Protocol


class SinkError(RuntimeError):
    """A batch was not taken, and why.

    ``again``: the lines are not at fault, and may be taken later, not before ``retry_after_s`` when the server said so.
    Otherwise some of the lines are at fault; ``refused`` says how many, where the server tells. The others may have
    been taken.
    """

    def __init__(
        self, reason: str, *, again: bool, refused: int | None = None, retry_after_s: float | None = None
    ) -> None:
        super().__init__(reason)
        self.again = again
        self.refused = refused
        self.retry_after_s = retry_after_s


class Sink(Protocol):
    """Where lines go."""

    def write(self, lines: str) -> None:
        """Deliver lines, joined by newlines. Raises :class:`SinkError`; must come back within seconds."""

    def close(self) -> None:
        """Free connections; harmless when repeated."""
