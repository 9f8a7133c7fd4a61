"""The contract of a life: what one part of a worker does on its disk, and what its successor must find."""

import os
import random
from pathlib import Path

from tests.faults.disk import Disk
from workers.lab.files import STALE_S


class Life:
    """One part of a worker over several processes. Each keeps its own record of what was acknowledged to it."""

    survives_power_failures = True

    def __init__(self, root: Path, rng: random.Random) -> None:
        self.root = root
        self.rng = rng

    def live(self, disk: Disk) -> None:
        """What the first process does; it may die at any call."""
        raise NotImplementedError

    def recover(self, disk: Disk) -> None:
        """What a successor does at its start; it may die, too."""
        raise NotImplementedError

    def died(self) -> None:
        """The process died: forget what it had in memory."""

    def check(self, *, power: bool) -> None:
        """Start once more, without faults, and raise ``AssertionError`` if something was lost, doubled or left."""
        raise NotImplementedError


def age(directory: Path) -> None:
    """Let time pass: what is a draft now was left by a process that has ended."""
    for file in directory.glob(".*"):
        at_s = file.stat().st_mtime - 2 * STALE_S
        os.utime(file, (at_s, at_s))
