"""How long it takes to load something into the kernel, and how much of the kernel's memory it takes."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_MEMINFO = Path("/proc/meminfo")
_KINDS = ("Slab:", "VmallocUsed:", "Percpu:")
"""What the kernel itself holds. Page tables and sockets' buffers do not grow with a list."""


@dataclass
class Load:
    """One load, once it has ended."""

    seconds: float = 0.0
    memory_bytes: int = 0


@contextmanager
def measured() -> Iterator[Load]:
    """Measure what happens within the context.

    The memory is that of the whole host, so what other programs do meanwhile is in it: some hundred KiB.
    """
    load, held, begun = Load(), kernel_memory_bytes(_MEMINFO.read_text()), time.monotonic()
    yield load
    load.seconds = time.monotonic() - begun
    load.memory_bytes = max(0, kernel_memory_bytes(_MEMINFO.read_text()) - held)


def kernel_memory_bytes(meminfo: str) -> int:
    """The kernel's own memory, from the text of /proc/meminfo."""
    rows = (line.split() for line in meminfo.splitlines())
    return 1024 * sum(int(row[1]) for row in rows if row and row[0] in _KINDS)
