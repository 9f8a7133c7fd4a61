"""Says what keeps the coordinator from its work while a command waits for a campaign."""

from collections.abc import Callable
from typing import Protocol

from deploy.cli.errors import CommandError, Unreachable
from domain.service.trouble import Part, Readiness

LOOK_EACH_S = 5.0
TROUBLE_AFTER_S = 120.0


class Coordinator(Protocol):
    """The part of the client that is used here."""

    def readiness(self) -> Readiness:
        """What keeps the coordinator from its work. Raises :class:`Unreachable`."""


class Display(Protocol):
    """Where a line goes."""

    def say(self, text: str) -> None:
        """Print one permanent line."""


class TroubleWatcher:
    """Says each trouble once when it begins, and when it has ended. One that stays ends the command."""

    def __init__(self, coordinator: Coordinator, display: Display, clock: Callable[[], float]) -> None:
        self._coordinator = coordinator
        self._display = display
        self._clock = clock
        self._look_at = clock() + LOOK_EACH_S
        self._since: dict[Part, float] = {}

    def look(self) -> None:
        """Look, if it is time to. Raises :class:`CommandError` if a trouble has lasted ``TROUBLE_AFTER_S``."""
        now = self._clock()
        if now < self._look_at:
            return
        self._look_at = now + LOOK_EACH_S
        try:
            troubles = {trouble.part: trouble for trouble in self._coordinator.readiness().troubles}
        except Unreachable:
            return  # the caller notices by itself
        for part in self._since.keys() - troubles.keys():
            self._display.say(f"The {part} works again")
            del self._since[part]
        for part, trouble in troubles.items():
            if part not in self._since:
                self._since[part] = now
                self._display.say(trouble.sentence())
            elif trouble.stops_work and now - self._since[part] >= TROUBLE_AFTER_S:
                raise CommandError(f"gave up waiting: {trouble.sentence()}")
