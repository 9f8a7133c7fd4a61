"""Where the cgroup v2 hierarchy is mounted."""

import os
from pathlib import Path


def root() -> Path:
    """The root of the unified hierarchy. Raises ``OSError`` if none is mounted."""
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, target, kind, *_ = line.split()
        if kind == "cgroup2":
            return Path(target)
    raise OSError("no cgroup2 is mounted")


def open_root() -> int:
    """A descriptor of the root, which covers every process; the caller closes it. Raises ``OSError``."""
    return os.open(root(), os.O_RDONLY | os.O_DIRECTORY)
