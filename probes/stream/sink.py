"""The contract between the stream and the destination of telemetry."""

from typing import Protocol


class SinkError(RuntimeError):
    """A batch was not accepted, and why.

    ``again``: the lines are valid and may be sent later, but not before ``retry_after_s`` if the server gave that.
    Otherwise some lines are invalid; ``refused`` is their number if the server reports it. Other lines may have been
    accepted. ``too_large``: fewer lines at once may be accepted now.
    """

    def __init__(
        self,
        reason: str,
        *,
        again: bool,
        refused: int | None = None,
        retry_after_s: float | None = None,
        too_large: bool = False,
    ) -> None:
        super().__init__(reason)
        self.again = again
        self.refused = refused
        self.retry_after_s = retry_after_s
        self.too_large = too_large


class Sink(Protocol):
    """A destination of lines."""

    def write(self, lines: str) -> None:
        """Deliver lines, joined by newlines. Raises :class:`SinkError`; must return within seconds."""

    def close(self) -> None:
        """Free connections; harmless if repeated."""
