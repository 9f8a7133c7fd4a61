"""What is read of many trials at once, whether they are a cell's or a list of digests. Pure."""

import math
from collections.abc import Sequence

from coordinator.analysis.trials.level_trials import CellTrials
from coordinator.analysis.trials.outcome import is_carried
from coordinator.scheduling.digests import AT, TrialDigest
from domain.trials.trial import Reason

Trials = Sequence[TrialDigest]


def column(trials: Trials, name: str) -> list[float]:
    """One number of each trial; NaN where it has none."""
    if isinstance(trials, CellTrials):
        return trials.numbers(name)
    at = AT[name]
    return [trial.numbers[at] for trial in trials]


def valid_of(trials: Trials) -> Trials:
    """The trials without a finding."""
    return trials.valid if isinstance(trials, CellTrials) else [trial for trial in trials if trial.valid]


def with_shares(trials: Trials) -> Trials:
    """The trials that have shares of slow requests."""
    return trials.with_shares if isinstance(trials, CellTrials) else [trial for trial in trials if trial.has_shares]


def carried_in(trials: Trials) -> list[bool | None]:
    """Of each trial whether its load was carried; ``None`` if it does not say."""
    return trials.carried if isinstance(trials, CellTrials) else [is_carried(trial) for trial in trials]


def overloaded_of(trials: Trials) -> Trials:
    """The trials that did not carry their load, because of overload or of errors."""
    missed = [one is False for one in carried_in(trials)]
    if isinstance(trials, CellTrials):
        return trials.chosen(missed)
    return [trial for trial, is_missed in zip(trials, missed, strict=True) if is_missed]


def reasons_of(trials: Trials) -> list[tuple[Reason, ...]]:
    """The reasons against each trial."""
    return trials.reasons if isinstance(trials, CellTrials) else [trial.reasons for trial in trials]


def offloads_of(trials: Trials) -> set[tuple[tuple[str, bool], ...]]:
    """The different offloads of the trials."""
    return trials.offloads if isinstance(trials, CellTrials) else {trial.words.offloads for trial in trials}


def answered_within(trials: Trials) -> list[float]:
    """Of each trial the requests answered before their slice's end; where that is unknown, at any time."""
    pairs = zip(column(trials, "delivered"), column(trials, "requests"), strict=True)
    return [delivered if delivered == delivered else requests for delivered, requests in pairs]


def known(numbers: Sequence[float]) -> list[float]:
    """Those that are known."""
    return [one for one in numbers if one == one]  # NaN equals nothing; in a fourth of the time of math.isnan


def sum_known(numbers: Sequence[float]) -> float | None:
    """The sum of all numbers; ``None`` without any, or if one is unknown."""
    total = sum(numbers)
    return total if numbers and not math.isnan(total) else None
