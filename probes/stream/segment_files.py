"""The files of a spool: their names, and what a reader beside the worker sees in them."""

import contextlib
import logging
import os
import re
from pathlib import Path

from probes.stream.segment import records

log = logging.getLogger(__name__)

BROKEN = ".bad"
_NAME = re.compile(r"(\d{10,})\.seg")  # ten digits at least: numbers grow, and must not fall out of the pattern


def file_name(number: int) -> str:
    """The name of a segment's file."""
    return f"{number:010d}.seg"


def spool_content(directory: Path) -> tuple[int, int, float | None]:
    """Points, bytes and the oldest time (s since the epoch) of a spool that another process may be using."""
    points, size, oldest_ns = 0, 0, 0
    for _, path in segment_files(directory):
        try:
            data = path.read_bytes()
        except OSError:  # delivered since, or no file at all
            continue
        size += len(data)
        waiting = [record for record in records(data) if not record.done and record.end <= len(data)]
        points += sum(record.points for record in waiting)
        oldest_ns = min([record.time_ns for record in waiting] + ([oldest_ns] if oldest_ns else []), default=0)
    return points, size, oldest_ns / 1e9 if oldest_ns else None


def spool_size(directory: Path) -> int:
    """The bytes of a spool that another process may be using. It reads no segment."""
    size = 0
    for _, path in segment_files(directory):
        with contextlib.suppress(OSError):  # delivered since
            size += path.stat().st_size
    return size


def broken_files(directory: Path) -> list[str]:
    """Names of segments that could not be used."""
    return sorted(path.name for path in directory.iterdir() if path.name.endswith(BROKEN)) if directory.is_dir() else []


def set_aside(path: Path, why: OSError) -> None:
    """Rename a file that cannot be used, so that no later start reads it. A log entry says why."""
    try:
        path.rename(path.with_name(path.name + BROKEN))
    except OSError as error:
        log.error("telemetry in %s is not used: %s; not renamed: %s", path, why, error)
    else:
        log.error("telemetry in %s is not used, and set aside as %s%s: %s", path, path.name, BROKEN, why)


def segment_files(directory: Path) -> list[tuple[int, Path]]:
    """Every segment with its number, the oldest first."""
    named = ((_NAME.fullmatch(path.name), path) for path in directory.iterdir()) if directory.is_dir() else ()
    return sorted((int(match[1]), path) for match, path in named if match)


def sync_directory(directory: Path) -> None:
    """Make the names in a directory survive a power failure. Raises ``OSError``."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
