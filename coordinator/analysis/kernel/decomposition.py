"""Where the time went: a mean request as the sum of its kernel stages, and the difference of two datapaths. Pure.

Bars and differences are of the same blocks (:mod:`coordinator.analysis.kernel.watched_level`). What the stages
leave of a mean is the rest: user space (origin, generator), TCP's own work, and what no probe sees.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from coordinator.analysis.inference.statistics import CONFIDENCE
from coordinator.analysis.kernel.path import StagePath
from coordinator.analysis.kernel.watched_level import WatchedLevel, Watching, watched_alone, watching
from coordinator.analysis.kernel.why import explanation
from coordinator.analysis.trials.campaign_results import CampaignResults
from coordinator.analysis.trials.columns import known
from coordinator.analysis.trials.digest import trial_digest
from domain.campaigns.campaign import Cell
from domain.campaigns.cells import cell_at
from domain.probes.watched import StageRole
from domain.reports.explanation import Decomposition, Difference, StagePart
from domain.reports.report import MIN_PAIRS
from domain.trials.trial import TrialResult


@dataclass(frozen=True)
class _Series:
    """A figure by block, ``None`` in blocks that it is not of."""

    values: tuple[float | None, ...]

    @property
    def known(self) -> list[float]:
        return [value for value in self.values if value is not None]

    @property
    def mean(self) -> float:
        return math.fsum(self.known) / len(self.known)

    @property
    def pseudo_values(self) -> NDArray[np.float64]:
        """Jackknife: of a figure in all blocks, the figures themselves. They may be added block by block."""
        blocks, count = len(self.values), len(self.known)
        shares = [0.0 if one is None else (one - self.mean) * (blocks - 1) / (count - 1) for one in self.values]
        return self.mean + np.asarray(shares, dtype=np.float64)

    def minus(self, other: "_Series") -> "_Series":
        pairs = zip(self.values, other.values, strict=True)
        return _Series(tuple(None if one is None or two is None else one - two for one, two in pairs))


class Explained(NamedTuple):
    """What probes explain of a campaign, in the order of its cells, and of its levels and pairs."""

    decompositions: tuple[Decomposition, ...]
    differences: tuple[Difference, ...]


def explained_by(data: CampaignResults, compared: Sequence[tuple[str, str]], path: StagePath) -> Explained:
    """A decomposition per cell that probes watched in a valid trial; differences of pairs that share a block.

    A difference is label − reference, in µs per request. The trials of one level are in memory at once, and not all.
    """
    cells: dict[Cell, Decomposition] = {}
    differences: list[Difference] = []
    for workload in data.campaign.workloads:
        for level in data.campaign.levels:
            seen = watching(data.level(workload, level), data.campaign.labels, path)
            for label in data.campaign.labels:
                cell = cell_at(label, workload, level)
                if (found := _of_cell(cell, seen)) is not None:
                    cells[cell] = found
            differences += [
                _difference(data, cell_at(label, workload, level), reference, seen.compared)
                for label, reference in compared
                if {label, reference} <= set(seen.compared.labels)
            ]
    return Explained(tuple(cells[cell] for cell in data.campaign.cells if cell in cells), tuple(differences))


def of_trial(trial: TrialResult, path: StagePath) -> Decomposition | None:
    """One trial's own, without intervals; ``None`` where probes watched nothing, or the trial is invalid."""
    digest = trial_digest(trial)
    found = watched_alone(digest, path)
    cell = cell_at(trial.datapath, trial.workload, trial.level)
    return _decomposition(cell, found, compared=True, disturbed=int(digest.is_disturbed)) if found else None


def _of_cell(cell: Cell, seen: Watching) -> Decomposition | None:
    level, label = seen.of(cell.datapath), cell.datapath
    if level is None:
        return None
    return _decomposition(cell, level, compared=label not in seen.alone, disturbed=seen.disturbed[label])


def _decomposition(cell: Cell, level: WatchedLevel, *, compared: bool, disturbed: int) -> Decomposition:
    label = cell.datapath
    mean = _Series(tuple(level.means_us(label)))
    parts = {key: _Series(tuple(level.parts_us(label, key))) for key in level.stages if level.is_measured(label, key)}
    rest = _rest(mean, list(parts.values()), 1)
    return Decomposition(
        datapath=label,
        workload=cell.workload,
        level=cell.level,
        trials=len(level.blocks),
        mean_us=mean.mean,
        parts=tuple(_part(key, series, 1) for key, series in parts.items()),
        unattributed_us=rest.us,
        unattributed_low_us=rest.low_us,
        unattributed_high_us=rest.high_us,
        unwatched_us=_unwatched_us(level.numbers(label, "unwatched_mean_ns")),
        work_per_request=_work_per_request(level, label),
        left_out=tuple(
            _name(key) for key in level.stages if level.has(label, key) and not level.is_measured(label, key)
        ),
        compared=compared,
        disturbed=disturbed,
    )


def _difference(data: CampaignResults, cell: Cell, reference: str, level: WatchedLevel) -> Difference:
    """The intervals are simultaneous: Bonferroni's over all that the sentence may state."""
    label = cell.datapath
    mean = _Series(tuple(level.means_us(label))).minus(_Series(tuple(level.means_us(reference))))
    both, mine, theirs, neither = _sorted_stages(level, label, reference)
    series = {key: _Series(tuple(level.parts_us(label, key))) for key in (*both, *mine)}
    others = {key: _Series(tuple(level.parts_us(reference, key))) for key in (*both, *theirs)}
    parts = {key: series[key].minus(others[key]) for key in both}
    statements = len(both) + len(mine) + len(theirs) + 2  # the mean and the rest
    nothing = _Series(tuple(0.0 for _ in mean.values))
    explained = [*parts.values(), *(series[key] for key in mine), *(nothing.minus(others[key]) for key in theirs)]
    found = Difference(
        datapath=label,
        reference=reference,
        workload=cell.workload,
        level=cell.level,
        pairs=len(mean.values),
        mean_us=_part(StageRole("mean"), mean, statements),
        parts=tuple(_part(key, one, statements) for key, one in parts.items()),
        only_datapath=tuple(_part(key, series[key], statements) for key in mine),
        only_reference=tuple(_part(key, others[key], statements) for key in theirs),
        not_measured=tuple(_name(key) for key in neither),
        rest=_rest(mean, explained, statements),
    )
    return found.model_copy(update={"sentence": explanation(found, data.load(cell.workload, cell.level))})


def _sorted_stages(level: WatchedLevel, label: str, reference: str) -> tuple[list[StageRole], ...]:
    """Stages measured in both, stages that only one of them has, and stages that are not measured in both."""
    both, mine, theirs, neither = [], [], [], []
    for key in level.stages:
        has = [level.has(one, key) for one in (label, reference)]
        measured = [level.is_measured(one, key) for one in (label, reference)]
        if all(measured):
            both.append(key)
        elif has == [True, False] and measured[0]:
            mine.append(key)
        elif has == [False, True] and measured[1]:
            theirs.append(key)
        elif any(has):
            neither.append(key)
    return both, mine, theirs, neither


def _part(key: StageRole, series: _Series, statements: int) -> StagePart:
    values = np.asarray(series.known, dtype=np.float64)
    return _interval(key, series.mean, values, values.size - 1, statements, values.size)


def _rest(mean: _Series, explained: Sequence[_Series], statements: int) -> StagePart:
    """What the parts leave of the mean. A part may be of fewer blocks, so its interval is the jackknife's."""
    us = mean.mean - math.fsum(one.mean for one in explained)
    fewest = min(len(one.known) for one in (mean, *explained))
    if fewest < MIN_PAIRS:
        return StagePart(stage="rest", us=us, blocks=fewest)
    values = mean.pseudo_values - sum((one.pseudo_values for one in explained), np.zeros(len(mean.values)))
    return _interval(StageRole("rest"), us, values, fewest - 1, statements, fewest)


def _interval(
    key: StageRole, us: float, values: NDArray[np.float64], freedom: int, statements: int, blocks: int
) -> StagePart:
    half = None
    if blocks >= MIN_PAIRS:
        reach = float(stdtrit(freedom, 1 - (1 - CONFIDENCE) / 2 / statements))
        half = reach * float(values.std(ddof=1)) / math.sqrt(values.size)
    return StagePart(
        stage=key.stage,
        role=key.role,
        us=us,
        low_us=None if half is None else us - half,
        high_us=None if half is None else us + half,
        blocks=blocks,
    )


def _name(key: StageRole) -> str:
    return f"{key.stage} ({key.role})" if key.role else key.stage


def _work_per_request(level: WatchedLevel, label: str) -> dict[str, float]:
    requests = sum(level.numbers(label, "watched_requests"))
    return {kind: math.fsum(events) / requests for kind, events in level.work(label).items()}


def _unwatched_us(means_ns: Sequence[float]) -> float | None:
    counted = [mean_ns for mean_ns in known(means_ns) if mean_ns]
    return math.fsum(counted) / len(counted) / 1000 if counted else None
