"""Reports a host's matrix of traits when it is new, and requests tests when the host is idle."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from domain.trials.traits import TraitMatrix
from workers.traits.matrix.file import kept, made_by

log = logging.getLogger(__name__)

IDLE_ROUNDS = 2  # of the registration, 30 s apart: a worker that has just started may get work soon


@dataclass
class MatrixReporter:
    """Between a host's disk and its coordinator. Exceptions of ``report`` and ``request_tests`` go to the caller.

    ``task_counts`` returns the tasks received so far and those in progress; the host is idle while both stay the same.
    ``request_tests`` is ``None`` if the host must not test by itself.
    """

    state_dir: Path
    report: Callable[[TraitMatrix], None]
    task_counts: Callable[[], tuple[int, int]]
    request_tests: Callable[[], object] | None = None
    _reported: TraitMatrix | None = None
    _seen: tuple[int, int] | None = None
    _idle_rounds: int = 0
    _requested: bool = field(default=False)

    def round(self) -> None:
        """Called at each registration: report a new matrix; request tests if this kernel or version has none."""
        found = kept(self.state_dir)
        if found is not None and found != self._reported:
            self.report(found)
            self._reported = found
        now = self.task_counts()
        self._idle_rounds = self._idle_rounds + 1 if now == self._seen and now[1] == 0 else 0
        self._seen = now
        if self.request_tests and not self._requested and self._idle_rounds >= IDLE_ROUNDS and _is_outdated(found):
            log.info("this host is idle: its datapaths are tested")
            self.request_tests()
            self._requested = True


def _is_outdated(found: TraitMatrix | None) -> bool:
    """True if there is no matrix of this kernel and version."""
    if found is None:
        return True
    made = made_by()
    return (found.kernel, found.version) != (made["kernel"], made["version"])
