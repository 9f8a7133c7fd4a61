"""What a trial says of its load: carried, overloaded, or nothing. Pure."""

import math
from functools import lru_cache

from coordinator.scheduling.digests import AT, TrialDigest
from domain.trial import REASON_CLASSES, Reason, ReasonClass

_DUE = AT["due"]
_OUTCOMES = frozenset(one for one, kind in REASON_CLASSES.items() if kind is ReasonClass.OUTCOME)
COMPATIBLE = _OUTCOMES | {Reason.DROPS, Reason.PROBE_LOSS}  # overload may cause these two


def is_carried(trial: TrialDigest) -> bool | None:
    """Whether a trial's load was carried; ``None`` if the trial does not say.

    Results of older versions lack what was due: then nothing shows that the load was carried.
    """
    if trial.reasons:
        return False if _is_overload(trial.reasons) else None
    return None if math.isnan(trial.numbers[_DUE]) else True


@lru_cache(maxsize=4096)
def _is_overload(reasons: tuple[Reason, ...]) -> bool:
    return Reason.OVERLOADED in reasons and all(reason in COMPATIBLE for reason in reasons)


@lru_cache(maxsize=4096)
def missed_for(reasons: tuple[Reason, ...]) -> Reason | None:
    """The outcome that made a trial invalid; ``None`` if it is valid, or if it measured something else."""
    if any(reason not in COMPATIBLE for reason in reasons):
        return None
    return next((reason for reason in reasons if reason in _OUTCOMES), None)
