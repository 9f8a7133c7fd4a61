"""What a trial says of its load: carried, overloaded, or nothing. Pure."""

import math
from enum import IntEnum
from functools import lru_cache

from coordinator.scheduling.digests import AT, TrialDigest
from domain.trials.trial import REASON_CLASSES, Reason, ReasonClass

DUE = AT["due"]
_OUTCOMES = frozenset(one for one, kind in REASON_CLASSES.items() if kind is ReasonClass.OUTCOME)
COMPATIBLE = _OUTCOMES | {Reason.DROPS, Reason.PROBE_LOSS}  # overload may cause these two


class Said(IntEnum):
    """What reasons say of a load; of a load that is known to have been due, except ``OVERLOADED``."""

    NOTHING = -1
    OVERLOADED = 0
    CARRIED = 1
    FAILED = 2  # too many requests failed, though the others were answered in time


def is_carried(trial: TrialDigest) -> bool | None:
    """Whether a trial's load was carried; ``None`` if the trial does not say.

    Results of older versions lack what was due, and closed loops do: then nothing shows that a load was carried.
    """
    said = said_by_reasons(trial.reasons)
    if said is Said.NOTHING or (said is not Said.OVERLOADED and math.isnan(trial.numbers[DUE])):
        return None
    return said is Said.CARRIED


@lru_cache(maxsize=4096)
def said_by_reasons(reasons: tuple[Reason, ...]) -> Said:
    """What a trial's reasons say of its load."""
    if not reasons:
        return Said.CARRIED
    if missed_for(reasons) is None:
        return Said.NOTHING
    return Said.OVERLOADED if Reason.OVERLOADED in reasons else Said.FAILED


@lru_cache(maxsize=4096)
def missed_for(reasons: tuple[Reason, ...]) -> Reason | None:
    """The outcome that made a trial invalid; ``None`` if it is valid, or if it measured something else."""
    if any(reason not in COMPATIBLE for reason in reasons):
        return None
    return next((reason for reason in reasons if reason in _OUTCOMES), None)
