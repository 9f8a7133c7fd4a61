"""What a report lists but does not analyse: invalid trials, and attempts without a result."""

from collections.abc import Sequence
from typing import NamedTuple

from domain.frozen import Frozen
from domain.names import Label, Name
from domain.trial import Reason


class InvalidTrial(Frozen):
    """An invalid trial, and why."""

    trial: str
    block: int
    attempt: int
    datapath: Label
    workload: Name
    level: Name
    reasons: tuple[Reason, ...]
    details: tuple[str, ...] = ()


class TrialGroup(NamedTuple):
    """Invalid trials of one cell with the same reasons: the first one, and how many there are."""

    first: InvalidTrial
    trials: int


def group_by_reasons(invalid: Sequence[InvalidTrial]) -> tuple[TrialGroup, ...]:
    """Group invalid trials by cell and reasons; each group is at its first trial's place."""
    found: dict[tuple[object, ...], list[InvalidTrial]] = {}
    for trial in invalid:
        found.setdefault((trial.datapath, trial.workload, trial.level, trial.reasons), []).append(trial)
    return tuple(TrialGroup(group[0], len(group)) for group in found.values())


class FailedAttempt(Frozen):
    """An attempt that ended without a result."""

    block: int
    attempt: int
    host: str
    reason: str
