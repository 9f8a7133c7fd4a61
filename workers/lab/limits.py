"""Limits of the programs in labs."""

import resource


def open_files(wanted: int) -> int:
    """The limit of open files for a program that wants so many: these, or what the host allows a process at most."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
