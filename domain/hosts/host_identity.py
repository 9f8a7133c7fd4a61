"""Which machine a worker runs on, and whether another machine uses its host's name. Pure."""

from dataclasses import dataclass

from pydantic import Field

from domain.values.bounds import Word
from domain.values.frozen import Frozen

_TOLERANCE_S = 5.0  # of the order of two events, each with the delay of a request


class HostIdentity(Frozen):
    """A machine and its boot, as its worker reports them. Ids are hashes, and may be empty if they are unknown."""

    machine: str = Field(default="", max_length=64, pattern=r"^[0-9a-f]*$")
    boot: str = Field(default="", max_length=64, pattern=r"^[0-9a-f]*$")
    up_s: float = Field(default=0.0, ge=0, le=1e10, allow_inf_nan=False, description="Time since that boot.")
    version: Word = Field(default="", description="The version of Showdown.")


class Greeting(Frozen):
    """A worker announces itself before it takes messages. The coordinator refuses it with 409 or 426."""

    identity: HostIdentity = HostIdentity()


class Welcome(Frozen):
    """The coordinator's answer to a greeting."""

    version: Word = Field(default="", description="The coordinator's version of Showdown.")


@dataclass(frozen=True)
class KnownMachine:
    """The machine that used a host's name last, and when the coordinator last heard of it."""

    machine: str
    boot: str
    seen_at: float


def conflict(host: str, known: KnownMachine, reported: HostIdentity, now: float, *, online_s: float) -> str:
    """Why ``reported`` may not use the name ``host``; empty if it may.

    Times are the coordinator's, so no clock of a worker matters. A machine that has booted again is welcome at once.
    """
    if now - known.seen_at > online_s or not known.machine or not reported.machine:
        return ""
    if known.machine != reported.machine:
        return (
            f"host {host} is online on another machine (id {known.machine[:8]}; yours is {reported.machine[:8]}). "
            f"Give this one another name: SHOWDOWN_HOST, and 'showdown hosts enrol'. If it replaces the other one, "
            f"stop the worker there and wait {online_s:.0f} s"
        )
    other_boot = bool(known.boot and reported.boot and known.boot != reported.boot)
    if other_boot and known.seen_at > now - reported.up_s + _TOLERANCE_S:
        return (
            f"host {host} is online on a machine with the same machine id: one is a copy of the other. "
            f"Give the copy another /etc/machine-id and another name: SHOWDOWN_HOST, and 'showdown hosts enrol'"
        )
    return ""
