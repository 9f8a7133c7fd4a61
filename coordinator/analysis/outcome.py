"""What a trial says of its load: carried, overloaded, or nothing. Pure."""

import math
from functools import lru_cache

from coordinator.scheduling.digests import AT, TrialDigest
from domain.trial import REASON_CLASSES, Reason, ReasonClass

DUE = AT["due"]
_OUTCOMES = frozenset(one for one, kind in REASON_CLASSES.items() if kind is ReasonClass.OUTCOME)
COMPATIBLE = _OUTCOMES | {Reason.DROPS, Reason.PROBE_LOSS}  # overload may cause these two


def is_carried(trial: TrialDigest) -> bool | None:
    """Whether a trial's load was carried; ``None`` if the trial does not say.

    Results of older versions lack what was due: then nothing shows that the load was carried.
    """
    found = carried_by_reasons(trial.reasons)
    return None if found < 0 or (found and math.isnan(trial.numbers[DUE])) else bool(found)


@lru_cache(maxsize=4096)
def carried_by_reasons(reasons: tuple[Reason, ...]) -> int:
    """The same as far as reasons say it: 1 carried (if what was due is known), 0 overloaded, -1 nothing."""
    if not reasons:
        return 1
    return 0 if Reason.OVERLOADED in reasons and all(reason in COMPATIBLE for reason in reasons) else -1


@lru_cache(maxsize=4096)
def missed_for(reasons: tuple[Reason, ...]) -> Reason | None:
    """The outcome that made a trial invalid; ``None`` if it is valid, or if it measured something else."""
    if any(reason not in COMPATIBLE for reason in reasons):
        return None
    return next((reason for reason in reasons if reason in _OUTCOMES), None)
