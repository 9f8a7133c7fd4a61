"""One watched trial: its mean request, the parts of its kernel stages, and whether it may explain anything. Pure.

Means may be added, percentiles may not. A stage's part in one request is its mean × how often it happened per request.

Probes look for moments only, and looking slows a busy datapath down. So the mean is that of the requests that were sent
in those moments, if the generator reports them (``window_times``). Otherwise it is the slice's mean. In a closed loop
that is divided by the pace of the traffic in those moments: the number of requests under way is the number of
connections and does not change (Little's law, L = λW).

In an open loop latency begins before the send. The wait for a free connection, and for the generator to notice, is a
separate part (``send_wait``) before the kernel's first stage.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from coordinator.analysis.path import SEND_WAIT, StagePath
from coordinator.scheduling.digests import COUNTED, FIGURE, LACKS_FIGURE, TrialDigest
from domain.watched import StageRole


@dataclass(frozen=True)
class WatchedTrial:
    """A trial that can explain its mean request.

    ``parts`` are its figures by stage; a watched stage without any event has the figure zero. ``unmeasured`` are the
    stages that had events and no figure. A stage in neither was not watched, or does not apply to the datapath.
    """

    trial: TrialDigest
    mean_us: float
    parts: Mapping[StageRole, float]
    unmeasured: frozenset[StageRole]

    def has(self, key: StageRole) -> bool:
        """True if the stage had events, whether or not it has a figure."""
        return key in self.unmeasured or self.parts.get(key, 0.0) != 0.0


class _Reading(NamedTuple):
    """What the digest knows of one stage."""

    key: StageRole
    us: float
    known: int


def watched_trial(trial: TrialDigest, path: StagePath) -> WatchedTrial | None:
    """The trial as evidence; ``None`` where it is none."""
    mean_us = trial.watched_mean_us
    if not trial.valid or mean_us is None:
        return None
    parts = parts_us(trial, path)
    return WatchedTrial(trial, mean_us, parts, frozenset(_unmeasured(trial, path) - parts.keys()))


def parts_us(trial: TrialDigest, path: StagePath) -> dict[StageRole, float]:
    """Microseconds per request of each stage on the path that has a figure, of one trial.

    A stage within another is taken off that. If the inner one has no figure, the outer one has none either.
    """
    readings = list(_on_path(trial, path))
    whole = {one.key: one.us for one in readings if one.known & FIGURE}
    own = {**_send_wait(trial), **whole}
    for inner, us in whole.items():
        outer = path.outer(inner)
        if outer is not None and whole.get(outer):  # a stage without events contains nothing
            own[outer] -= us
    for one in readings:
        outer = path.outer(one.key)
        if outer is not None and one.known & LACKS_FIGURE:
            own.pop(outer, None)
    return own


def _unmeasured(trial: TrialDigest, path: StagePath) -> set[StageRole]:
    """Stages that had events but no figure; and those that contain one."""
    readings = list(_on_path(trial, path))
    without = {one.key for one in readings if one.known & LACKS_FIGURE}
    present = {one.key for one in readings if one.known & COUNTED}
    return without | {outer for key in without if (outer := path.outer(key)) is not None and outer in present}


def _on_path(trial: TrialDigest, path: StagePath) -> Iterator[_Reading]:
    if trial.stages is not None:
        for key, us, known in zip(trial.stages.keys, trial.stages.us, trial.stages.known, strict=True):
            if path.holds(key.stage, key.role):
                yield _Reading(key, us, known)


def _send_wait(trial: TrialDigest) -> dict[StageRole, float]:
    wait_us = trial.send_wait_us
    return {} if wait_us is None else {StageRole(SEND_WAIT): wait_us}
