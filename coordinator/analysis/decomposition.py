"""Where the time went: a mean client latency as the sum of its kernel stages, and two datapaths' difference. Pure.

Means may be added, percentiles may not. A stage's part in one request is its mean × how often it happened per request.
What the stages leave of the mean latency is *unattributed*: user space (origin, generator), TCP's own work, and what no
probe sees.

Probes look for moments only, and looking slows a busy datapath down. So the mean is that of the requests that were sent
in those moments, if the generator reports them (``window_times``). Otherwise it is the slice's mean. In a closed loop
that is divided by the pace of the traffic in those moments: the number of requests under way is the number of
connections and does not change (Little's law, L = λW).

In an open loop latency begins before the send. The wait for a free connection, and for the generator to notice, is a
separate part (``send_wait``) before the kernel's first stage.
"""

import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from coordinator.analysis.campaign_results import CampaignResults
from coordinator.analysis.path import SEND_WAIT, StagePath
from coordinator.analysis.statistics import student_t
from domain.campaign import Cell
from domain.report import Decomposition, Difference, StagePart
from domain.sample import is_matched
from domain.trial import ProbeReading, TrialResult
from domain.watched import StageRole

SHOWN_SHARE = 0.01  # of the whole difference: smaller parts are in the table, not in the sentence
NAMED_SHARE = 0.1  # of what a stage's roles differ by together: smaller ones are not named

Parts = Mapping[StageRole, float]


def decompositions(data: CampaignResults, path: StagePath) -> tuple[Decomposition, ...]:
    """One per cell that probes watched in a valid trial."""
    found = (_decomposition(cell, data.trials(cell), path) for cell in data.campaign.cells)
    return tuple(one for one in found if one is not None)


def differences(data: CampaignResults, compared: Sequence[tuple[str, str]], path: StagePath) -> tuple[Difference, ...]:
    """One per (label, reference) and level: mean of the per-block differences, label − reference, in µs per request."""
    found = (
        _difference(data, Cell(datapath=label, workload=workload, level=level), reference, path)
        for workload in data.campaign.workloads
        for level in data.campaign.levels
        for label, reference in compared
    )
    return tuple(one for one in found if one is not None)


def of_trial(trial: TrialResult, path: StagePath) -> Decomposition | None:
    """One trial's own, without intervals; ``None`` where probes watched nothing, or the trial is invalid."""
    return _decomposition(Cell(datapath=trial.datapath, workload=trial.workload, level=trial.level), [trial], path)


def parts_us(trial: TrialResult, path: StagePath) -> dict[StageRole, float]:
    """Microseconds per request of each stage on the path, of one trial; a stage within another is taken off that."""
    requests = trial.watched_requests
    whole = {
        StageRole(reading.stage, reading.role): _per_request_us(reading, requests)
        for reading in trial.probes
        if path.holds(reading.stage, reading.role) and _is_figure(reading)
    }
    own = {**_send_wait(trial), **whole}
    for inner, us in whole.items():
        outer = path.outer(inner)
        if outer is not None and outer in own:
            own[outer] = max(0.0, own[outer] - us)
    return own


def _decomposition(cell: Cell, trials: Iterable[TrialResult], path: StagePath) -> Decomposition | None:
    watched = [trial for trial in trials if _is_watched(trial)]
    if not watched:
        return None
    means = [_mean_us(trial) for trial in watched]
    parts = [parts_us(trial, path) for trial in watched]
    return Decomposition(
        datapath=cell.datapath,
        workload=cell.workload,
        level=cell.level,
        trials=len(watched),
        mean_us=math.fsum(means) / len(means),
        parts=_stage_parts(parts, path),
        unattributed_us=math.fsum(mean - math.fsum(part.values()) for mean, part in zip(means, parts, strict=True))
        / len(watched),
        unwatched_us=_unwatched_us(watched),
        work_per_request=_work_per_request(watched),
        left_out=_left_out(watched, path),
    )


def _difference(data: CampaignResults, cell: Cell, reference: str, path: StagePath) -> Difference | None:
    label = cell.datapath
    pairs = [
        (block[label], block[reference])
        for block in data.blocks.get((cell.workload, cell.level), [])
        if label in block and reference in block and _is_watched(block[label]) and _is_watched(block[reference])
    ]
    if not pairs:
        return None
    deltas, rests, means = [], [], []
    for one, other in pairs:
        mine, theirs = parts_us(one, path), parts_us(other, path)
        delta = {key: mine.get(key, 0.0) - theirs.get(key, 0.0) for key in {**mine, **theirs}}
        mean = _mean_us(one) - _mean_us(other)
        deltas.append(delta)
        means.append(mean)
        rests.append(mean - math.fsum(delta.values()))
    found = Difference(
        datapath=label,
        reference=reference,
        workload=cell.workload,
        level=cell.level,
        pairs=len(pairs),
        mean_us=_part("mean", "", means),
        parts=_stage_parts(deltas, path),
        unattributed_us=math.fsum(rests) / len(rests),
    )
    return found.model_copy(update={"sentence": explanation(found, data.load(cell.workload, cell.level))})


def explanation(difference: Difference, load: str) -> str:
    """The difference in one sentence: stages by size, each with its roles; ``load`` is the level as shown."""
    total = difference.mean_us.us
    stages: dict[str, list[StagePart]] = {}
    for part in difference.parts:
        stages.setdefault(part.stage, []).append(part)
    by_size = sorted(stages.values(), key=lambda parts: -abs(_sum_us(parts)))
    words = [_stage_words(parts) for parts in by_size if abs(_sum_us(parts)) >= SHOWN_SHARE * abs(total)]
    words.append(f"unattributed {_microseconds(difference.unattributed_us)}")
    claim = (
        f"takes {_microseconds(abs(total))} µs {'longer' if total > 0 else 'less'} than one of {difference.reference}"
    )
    return (
        f"A mean request of {difference.datapath} {claim} at {difference.level} load ({load}) "
        f"of {difference.workload}: {', '.join(words)}."
    )


def _sum_us(parts: Sequence[StagePart]) -> float:
    return math.fsum(part.us for part in parts)


def _stage_words(parts: Sequence[StagePart]) -> str:
    """``run_queue 120 (proxy)``; where several roles matter, with the time of each."""
    whole = math.fsum(abs(part.us) for part in parts)
    whose = [part for part in parts if part.role and abs(part.us) >= NAMED_SHARE * whole]
    each = "" if len(whose) == 1 else " {us}"
    roles = ", ".join(part.role + each.format(us=_microseconds(part.us)) for part in whose)
    return f"{parts[0].stage} {_microseconds(_sum_us(parts))}{f' ({roles})' if roles else ''}"


def _microseconds(us: float) -> str:
    return f"{us:.0f}" if abs(us) >= 9.95 else f"{us:.1f}"


def _stage_parts(trials: Sequence[Parts], path: StagePath) -> tuple[StagePart, ...]:
    """Means over trials, in the order of the path; a stage that a trial lacks took none of its time."""
    keys = sorted({key for trial in trials for key in trial}, key=lambda key: (path.stages.index(key.stage), key.role))
    return tuple(_part(key.stage, key.role, [trial.get(key, 0.0) for trial in trials]) for key in keys)


def _part(stage: str, role: str, values: Sequence[float]) -> StagePart:
    estimate = student_t(np.asarray(values, dtype=np.float64)) if len(values) > 1 else None
    return StagePart(
        stage=stage,
        role=role,
        us=math.fsum(values) / len(values),
        low_us=estimate.low if estimate else None,
        high_us=estimate.high if estimate else None,
    )


def _work_per_request(trials: Sequence[TrialResult]) -> dict[str, float]:
    requests = sum(trial.watched_requests for trial in trials)
    kinds = dict.fromkeys(kind for trial in trials for kind in trial.work)
    return {kind: math.fsum(trial.work.get(kind, 0.0) for trial in trials) / requests for kind in kinds}


def _left_out(trials: Sequence[TrialResult], path: StagePath) -> tuple[str, ...]:
    """Stages that some trial measured too badly for a figure: what they took is unattributed there."""
    left = {
        f"{reading.stage} ({reading.role})" if reading.role else reading.stage
        for trial in trials
        for reading in trial.probes
        if path.holds(reading.stage, reading.role) and reading.count and not _is_figure(reading)
    }
    return tuple(sorted(left))


def _send_wait(trial: TrialResult) -> dict[StageRole, float]:
    wait_ns = trial.window_times.send_wait_ns if trial.window_times else None
    return {} if wait_ns is None else {StageRole(SEND_WAIT): max(0.0, wait_ns) / 1000}


def _is_watched(trial: TrialResult) -> bool:
    return bool(trial.validity.valid and trial.watched_requests and trial.probes and trial.watched_latency is not None)


def _is_figure(reading: ProbeReading) -> bool:
    return reading.count > 0 and is_matched(reading.matched)


def _per_request_us(reading: ProbeReading, requests: int) -> float:
    return (reading.mean_ns or 0.0) * reading.events / requests / 1000


def _unwatched_us(trials: Sequence[TrialResult]) -> float | None:
    counted = [times.mean_ns for trial in trials if (times := trial.latency or trial.service_time) and times.mean_ns]
    return math.fsum(counted) / len(counted) / 1000 if counted else None


def _mean_us(trial: TrialResult) -> float:
    if trial.window_times:
        return trial.window_times.mean_ns / 1000
    mean_ns = trial.watched_latency.mean_ns if trial.watched_latency is not None else None
    closed_loop = trial.latency is None
    pace = trial.watched_pace if closed_loop and trial.watched_pace else 1.0
    return (mean_ns or 0.0) / 1000 / pace
