"""Limits of the programs in labs."""

import resource
from pathlib import Path

from domain.loads.load import MAX_CONNECTIONS

MOST_FILES = 6 * MAX_CONNECTIONS + 400
"""What a program of a lab needs at most: the own relay reserves six for each connection."""
_KERNEL = Path("/proc/sys/fs/nr_open")


def open_files(wanted: int) -> int:
    """The limit of open files for a program that wants so many: these, or what the host allows a process at most.

    Programs inherit this process's hard limit. Where it is too low, it is raised: root may, up to ``fs.nr_open``.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard == resource.RLIM_INFINITY or wanted <= hard:
        return wanted
    try:
        most = min(wanted, int(_KERNEL.read_text()))
        if most > hard:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, most))
    except (OSError, ValueError):  # not root, or without CAP_SYS_RESOURCE
        return hard
    return max(most, hard)
