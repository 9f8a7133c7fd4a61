"""What a report lists but does not analyse: invalid trials, and attempts without a result."""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from domain.trials.trial import Reason
from domain.values.frozen import Frozen
from domain.values.names import Label, Name

MOST_LISTED = 1000
"""Invalid trials that a report lists; it counts all of them, and ``/trials`` has each."""


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


class ReasonsCount(Frozen):
    """How many trials are invalid for exactly these reasons."""

    reasons: tuple[Reason, ...]
    trials: int


class TrialGroup(NamedTuple):
    """Invalid trials of one cell with the same reasons: the first one, and how many there are."""

    first: InvalidTrial
    trials: int


class ReasonsGroup(NamedTuple):
    """All trials that are invalid for exactly these reasons, and their cells, as far as the report lists them."""

    reasons: tuple[Reason, ...]
    trials: int
    cells: tuple[TrialGroup, ...]


class Lists(Protocol):
    """The invalid trials of a report."""

    @property
    def invalid(self) -> tuple[InvalidTrial, ...]:
        """Those that it lists."""

    @property
    def invalid_counts(self) -> tuple[ReasonsCount, ...]:
        """All of them by their reasons."""


def counts_of(report: Lists) -> tuple[ReasonsCount, ...]:
    """All invalid trials by their reasons; reports of earlier versions list every trial and count none."""
    found = Counter(trial.reasons for trial in report.invalid)
    listed = tuple(ReasonsCount(reasons=reasons, trials=count) for reasons, count in found.items())
    return report.invalid_counts or listed


def invalid_total(report: Lists) -> int:
    """How many trials are invalid."""
    return sum(one.trials for one in counts_of(report))


def group_by_reasons(invalid: Sequence[InvalidTrial]) -> tuple[TrialGroup, ...]:
    """Group invalid trials by cell and reasons; each group is at its first trial's place."""
    found: dict[tuple[object, ...], list[InvalidTrial]] = {}
    for trial in invalid:
        found.setdefault((trial.datapath, trial.workload, trial.level, trial.reasons), []).append(trial)
    return tuple(TrialGroup(group[0], len(group)) for group in found.values())


def groups_of(report: Lists) -> tuple[ReasonsGroup, ...]:
    """The invalid trials by their reasons, the most common first: what is to be done is the same for each group."""
    cells = group_by_reasons(report.invalid)
    groups = (
        ReasonsGroup(one.reasons, one.trials, tuple(cell for cell in cells if cell.first.reasons == one.reasons))
        for one in counts_of(report)
    )
    return tuple(sorted(groups, key=lambda one: -one.trials))


class FailedAttempt(Frozen):
    """An attempt that ended without a result."""

    block: int
    attempt: int
    host: str
    reason: str
