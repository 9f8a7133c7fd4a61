"""One watched trial: its mean request, the parts of its kernel stages, and whether it may explain anything. Pure.

Means may be added, percentiles may not. A stage's part in one request is its mean × how often it happened per request.

Probes look for moments only, and looking slows a busy datapath down. So the mean is that of the requests that were sent
in those moments, if the generator reports them (``window_times``). Otherwise it is the slice's mean. In a closed loop
that is divided by the pace of the traffic in those moments: the number of requests under way is the number of
connections and does not change (Little's law, L = λW).

In an open loop latency begins before the send. The wait for a free connection, and for the generator to notice, is a
separate part (``send_wait``) before the kernel's first stage.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from coordinator.analysis.path import SEND_WAIT, StagePath
from domain.noise_limits import MAX_SLICE_THROTTLED_SHARE, MAX_WATCHED_FOREIGN_SHARE, MAX_WATCHED_STEAL_SHARE
from domain.sample import is_matched
from domain.trial import ProbeReading, SliceResult, TrialResult
from domain.watched import StageRole


@dataclass(frozen=True)
class WatchedTrial:
    """A trial that can explain its mean request.

    ``parts`` are its figures by stage; a watched stage without any event has the figure zero. ``unmeasured`` are the
    stages that had events and no figure. A stage in neither was not watched, or does not apply to the datapath.
    """

    trial: TrialResult
    mean_us: float
    parts: Mapping[StageRole, float]
    unmeasured: frozenset[StageRole]

    def has(self, key: StageRole) -> bool:
        """True if the stage had events, whether or not it has a figure."""
        return key in self.unmeasured or self.parts.get(key, 0.0) != 0.0


def watched_trial(trial: TrialResult, path: StagePath) -> WatchedTrial | None:
    """The trial as evidence; ``None`` where probes watched nothing, or the trial is invalid."""
    mean_us = _mean_us(trial)
    if not trial.validity.valid or not trial.watched_requests or not trial.probes or mean_us is None:
        return None
    parts = parts_us(trial, path)
    return WatchedTrial(trial, mean_us, parts, frozenset(_unmeasured(trial, path) - parts.keys()))


def is_disturbed(trial: TrialResult) -> bool:
    """True if the host was not left alone in a watched slice. Results of older versions do not say, and are used.

    Such noise spoils the explanation only: the trial does not count its watched slices.
    """
    return any(one.probed and _is_noisy(one, trial.cpu.cpus) for one in trial.slices)


def parts_us(trial: TrialResult, path: StagePath) -> dict[StageRole, float]:
    """Microseconds per request of each stage on the path that has a figure, of one trial.

    A stage within another is taken off that. If the inner one has no figure, the outer one has none either.
    """
    requests = trial.watched_requests
    whole = {
        StageRole(reading.stage, reading.role): _per_request_us(reading, requests)
        for reading in _on_path(trial, path)
        if _is_figure(reading)
    }
    own = {**_send_wait(trial), **whole}
    for inner, us in whole.items():
        outer = path.outer(inner)
        if outer is not None and whole.get(outer):  # a stage without events contains nothing
            own[outer] -= us
    for reading in _on_path(trial, path):
        outer = path.outer(StageRole(reading.stage, reading.role))
        if outer is not None and _lacks_figure(reading):
            own.pop(outer, None)
    return own


def _unmeasured(trial: TrialResult, path: StagePath) -> set[StageRole]:
    """Stages that had events but no figure; and those that contain one."""
    without = {StageRole(one.stage, one.role) for one in _on_path(trial, path) if _lacks_figure(one)}
    present = {StageRole(one.stage, one.role) for one in _on_path(trial, path) if one.count}
    return without | {outer for key in without if (outer := path.outer(key)) is not None and outer in present}


def _on_path(trial: TrialResult, path: StagePath) -> Iterable[ProbeReading]:
    return (one for one in trial.probes if one.applies and path.holds(one.stage, one.role))


def _is_figure(reading: ProbeReading) -> bool:
    """Enough starts were matched, and the events are known; or the probe watched, and nothing began."""
    if reading.count:
        return reading.events > 0 and is_matched(reading.matched)
    return not _lacks_figure(reading)


def _lacks_figure(reading: ProbeReading) -> bool:
    """Something began, and was not measured well enough."""
    began = reading.count > 0 or reading.lost > 0 or reading.matched is not None
    return began and not (reading.count > 0 and reading.events > 0 and is_matched(reading.matched))


def _per_request_us(reading: ProbeReading, requests: int) -> float:
    return (reading.mean_ns or 0.0) * reading.events / requests / 1000


def _send_wait(trial: TrialResult) -> dict[StageRole, float]:
    wait_ns = trial.window_times.send_wait_ns if trial.window_times else None
    return {} if wait_ns is None else {StageRole(SEND_WAIT): wait_ns / 1000}


def _mean_us(trial: TrialResult) -> float | None:
    if trial.window_times:
        return trial.window_times.mean_ns / 1000
    mean_ns = trial.watched_latency.mean_ns if trial.watched_latency is not None else None
    closed_loop = trial.latency is None
    pace = trial.watched_pace if closed_loop and trial.watched_pace else 1.0
    return None if mean_ns is None else mean_ns / 1000 / pace


def _is_noisy(one: SliceResult, cpus: int) -> bool:
    limits = {"steal_s": MAX_WATCHED_STEAL_SHARE, "foreign_s": MAX_WATCHED_FOREIGN_SHARE,
              "throttled_s": MAX_SLICE_THROTTLED_SHARE}  # fmt: skip
    return any((getattr(one, name) or 0.0) > limit * one.duration_s * cpus for name, limit in limits.items())
