"""Where telemetry goes: the contract between the stream and what it writes to."""

from typing import Protocol


class SinkError(RuntimeError):
    """A batch was not taken: why, whether trying again may help, and how many of its points were refused."""

    def __init__(self, reason: str, *, again: bool, refused: int | None = None) -> None:
        super().__init__(reason)
        self.again = again
        self.refused = refused


class Sink(Protocol):
    """Where lines of line protocol go."""

    def write(self, lines: str) -> None:
        """Deliver lines, joined by newlines. Raises :class:`SinkError`; must come back within seconds."""

    def close(self) -> None:
        """Free connections; harmless when repeated."""
