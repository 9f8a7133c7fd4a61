"""How the blocks of this host ended, counted on disk: a worker that is started again goes on counting.

The process that runs blocks writes, the one that serves metrics reads.
"""

import json
import logging
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path

from workers.lab.files import write_whole

log = logging.getLogger(__name__)


class Ending(StrEnum):
    """How an attempt ended on this host."""

    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    LOST = "lost"
    """Its lease was lost, so the coordinator did not wait for its end."""


class BlockTally:
    """The counts, in one file."""

    def __init__(self, state_dir: Path) -> None:
        self._file = state_dir / "blocks.json"

    def add(self, ending: Ending) -> None:
        """Count an attempt. An error of the disk is logged: it costs a count, not a block."""
        counts = {**self.counts(), ending: self.counts()[ending] + 1}
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            write_whole(self._file, json.dumps(counts, allow_nan=False), sync=False)
        except OSError as error:
            log.warning("the block is not counted: %s", error)

    def counts(self) -> Mapping[Ending, int]:
        """By ending, since the state directory was made; zeros if the file is missing or cannot be understood."""
        try:
            found = json.loads(self._file.read_text(encoding="utf-8"))
            return {ending: max(0, int(found.get(ending, 0))) for ending in Ending}
        except (OSError, ValueError, TypeError, AttributeError):
            return dict.fromkeys(Ending, 0)
