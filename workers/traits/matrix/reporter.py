"""A worker's part in its host's matrix of traits: it tells what is new, and asks for tests when it is idle."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from domain.traits import TraitMatrix
from workers.traits.matrix.file import kept, made_by

log = logging.getLogger(__name__)

IDLE_ROUNDS = 2  # of the signs of life, 30 s apart: what has just been started is about to get work


@dataclass
class MatrixReporter:
    """Between a host's disk and its coordinator; ``tell`` and ``ask`` raise what their callers handle.

    ``work`` is how many tasks the worker has had, and has now: it is idle while that stays the same. ``ask`` is empty
    where a host shall not test by itself.
    """

    state_dir: Path
    tell: Callable[[TraitMatrix], None]
    work: Callable[[], tuple[int, int]]
    ask: Callable[[], None] | None = None
    _told: TraitMatrix | None = None
    _seen: tuple[int, int] | None = None
    _idle_rounds: int = 0
    _asked: bool = field(default=False)

    def round(self) -> None:
        """Once per sign of life: tell what is new; ask for what this kernel and version do not have yet."""
        found = kept(self.state_dir)
        if found is not None and found != self._told:
            self.tell(found)
            self._told = found
        now = self.work()
        self._idle_rounds = self._idle_rounds + 1 if now == self._seen and now[1] == 0 else 0
        self._seen = now
        if self.ask and not self._asked and self._idle_rounds >= IDLE_ROUNDS and _is_wanting(found):
            log.info("nothing is to be done: the datapaths of this host are tested")
            self.ask()
            self._asked = True


def _is_wanting(found: TraitMatrix | None) -> bool:
    """A matrix of another kernel or version says nothing about these."""
    if found is None:
        return True
    made = made_by()
    return (found.kernel, found.version) != (made["kernel"], made["version"])
