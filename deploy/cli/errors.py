"""How commands end: the exit codes, once, and the errors that carry them."""

from collections.abc import Iterable
from enum import IntEnum

import click

from domain.problems import Problem


class ExitCode(IntEnum):
    """Why a command ended; documented in ``showdown --help``."""

    OK = 0
    INTERNAL = 1
    USAGE = 2
    INVALID = 3
    FAILED = 4
    INCOMPLETE = 5
    UNREACHABLE = 6
    INTERRUPTED = 130


MEANINGS = {
    ExitCode.OK: "all went well",
    ExitCode.INTERNAL: "something of Showdown's own failed (the private stack, an unexpected answer)",
    ExitCode.USAGE: "the command was used wrongly, or names a campaign that does not exist",
    ExitCode.INVALID: "the campaign is invalid; each problem is printed with its field",
    ExitCode.FAILED: "the campaign failed or was cancelled",
    ExitCode.INCOMPLETE: "the campaign is complete, but has cells without a single valid trial",
    ExitCode.UNREACHABLE: "the coordinator cannot be reached, or refuses the token",
    ExitCode.INTERRUPTED: "interrupted; the campaign was cancelled and everything of it removed",
}


class CommandError(click.ClickException):
    """Ends a command with a message on standard error. ``INTERNAL`` unless a subclass says better."""

    exit_code = int(ExitCode.INTERNAL)


class UsageProblem(CommandError):
    """Something that the caller can mend by calling differently."""

    exit_code = int(ExitCode.USAGE)


class Unreachable(CommandError):
    """There is no coordinator that would serve us."""

    exit_code = int(ExitCode.UNREACHABLE)


class CampaignInvalid(CommandError):
    """A campaign was refused; nothing was created."""

    exit_code = int(ExitCode.INVALID)

    def __init__(self, problems: Iterable[Problem], summary: str = "the campaign is invalid") -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join([summary, *(f"  {problem}" for problem in self.problems)]))
