"""How the verification of a bundle ends, for programs: the exit codes of ``showdown verify``."""

from enum import IntEnum


class VerifyExit(IntEnum):
    """They are among the codes of the command line (deploy/cli/errors.py)."""

    SAME = 0
    DIFFERS = 8
    NOT_SIGNED = 9
    UNREADABLE = 10
