"""The exit codes of commands, and the errors that carry them."""

from collections.abc import Iterable
from enum import IntEnum

import click

from domain.service.verification import VerifyExit
from domain.values.problems import Problem


class ExitCode(IntEnum):
    """Why a command ended; documented in ``showdown --help``."""

    OK = 0
    EXPECTATION_FAILED = 1
    USAGE = 2
    INVALID = 3
    FAILED = 4
    INCOMPLETE = 5
    UNDECIDED = 6
    NOT_READY = 7
    DIFFERS = VerifyExit.DIFFERS
    NOT_SIGNED = VerifyExit.NOT_SIGNED
    UNREADABLE = VerifyExit.UNREADABLE
    UNREACHABLE = 69  # EX_UNAVAILABLE of sysexits.h
    INTERNAL = 70  # EX_SOFTWARE
    INTERRUPTED = 130


MEANINGS = {
    ExitCode.OK: "success; every expectation of the campaign passes, if it has any ('watch' does not look at them)",
    ExitCode.EXPECTATION_FAILED: "an expectation of the campaign failed; of 'doctor': no datapath can run here; "
    "of 'matrix': a test broke",
    ExitCode.USAGE: "wrong usage, or the campaign does not exist",
    ExitCode.INVALID: "a campaign is invalid: what was submitted, or a file of 'validate'; each problem is printed "
    "with its field",
    ExitCode.FAILED: "the campaign failed or was cancelled",
    ExitCode.INCOMPLETE: "a campaign without expectations is complete, but host noise or failures left cells without a "
    "valid trial. Or it is paused, because its first attempts gave none ('submit --wait', 'watch')",
    ExitCode.UNDECIDED: "no expectation of the campaign failed, but the data do not decide all of them",
    ExitCode.NOT_READY: "of 'status': the coordinator answers, but database, disk, broker or ticker keep campaigns "
    "waiting; each is printed with since when and what to do",
    ExitCode.DIFFERS: "of 'verify': the trials of the bundle do not give its report; each difference is printed",
    ExitCode.NOT_SIGNED: "of 'verify': the signature of the bundle or the hash of a file is wrong",
    ExitCode.UNREADABLE: "of 'verify': the bundle is damaged, or of a version that this one cannot analyse",
    ExitCode.UNREACHABLE: "the coordinator cannot be reached, or refuses the token",
    ExitCode.INTERNAL: "Showdown itself failed (the private stack, an unexpected answer)",
    ExitCode.INTERRUPTED: "interrupted: 'run' has cancelled its campaign and removed its labs; that of "
    "'submit --wait' or 'watch' goes on",
}


class CommandError(click.ClickException):
    """Ends a command with a message on standard error; exit code ``INTERNAL`` unless a subclass sets another."""

    exit_code = int(ExitCode.INTERNAL)


class UsageProblem(CommandError):
    """The caller can correct this by calling the command differently."""

    exit_code = int(ExitCode.USAGE)


class Unreachable(CommandError):
    """No coordinator answers, or it refuses the token."""

    exit_code = int(ExitCode.UNREACHABLE)


class CampaignPaused(CommandError):
    """The first attempts of a campaign gave no valid trial, and it waits for its user."""

    exit_code = int(ExitCode.INCOMPLETE)

    def __init__(self, campaign_id: str, reason: str) -> None:
        self.reason = reason
        super().__init__(
            f"the campaign paused: {reason}. Stop what disturbs the host. Then "
            f"'showdown resume {campaign_id}' goes on, and 'showdown cancel {campaign_id}' ends it."
        )


class CampaignInvalid(CommandError):
    """A campaign was refused; nothing was created."""

    exit_code = int(ExitCode.INVALID)

    def __init__(self, problems: Iterable[Problem], summary: str = "the campaign is invalid") -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join([summary, *(f"  {problem}" for problem in self.problems)]))
