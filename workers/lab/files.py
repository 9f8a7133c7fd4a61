"""Files that a crash leaves whole: with their former content or with the new one, never with a part of it."""

import contextlib
import os
import threading
import time
from pathlib import Path

from probes.stream.segment_files import sync_directory

DRAFT = ".tmp"
STALE_S = 60.0  # no draft is written for that long


def write_whole(file: Path, text: str, *, sync: bool) -> None:
    """Write a file in one step; with ``sync`` it survives a power failure. Raises ``OSError`` and leaves no draft."""
    draft = file.with_name(f".{file.name}.{os.getpid()}-{threading.get_ident()}{DRAFT}")
    try:
        _write(draft, text.encode(), sync=sync)
        os.replace(draft, file)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(draft)
        raise
    if sync:
        sync_directory(file.parent)


def remove_drafts(directory: Path, *, now_s: float | None = None) -> list[str]:
    """Remove what killed writers left. Returns the names. A draft that cannot be removed stays."""
    removed = []
    with contextlib.suppress(OSError):
        for name in os.listdir(directory):
            if name.endswith(DRAFT):
                with contextlib.suppress(OSError):
                    age_s = (time.time() if now_s is None else now_s) - (directory / name).stat().st_mtime
                    if abs(age_s) > STALE_S:  # in the future: the clock was set back since
                        os.unlink(directory / name)
                        removed.append(name)
    return removed


def _write(path: Path, data: bytes, *, sync: bool) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        while data:
            data = data[os.write(descriptor, data) :]
        if sync:
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
