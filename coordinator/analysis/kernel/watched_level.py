"""The blocks that bars and sentences of one level come from. They are the same for all, so bars subtract. Pure.

A block counts if every compared datapath explains its trial in it. Of these blocks, a stage's figure is the mean over
those in which every datapath that has the stage measured it. Both choices look at what is there, never at a figure.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np

from coordinator.analysis.kernel.path import StagePath
from coordinator.analysis.kernel.stage_table import Places, StageTable
from coordinator.analysis.trials.level_trials import LevelTrials, Mask
from coordinator.scheduling.digests import TrialDigest
from domain.probes.watched import StageRole
from domain.reports.report import MIN_PAIRS


class Measured(NamedTuple):
    """Which datapaths measured a stage, and in which blocks."""

    labels: tuple[str, ...]
    blocks: frozenset[int]


@dataclass(frozen=True, eq=False)
class WatchedLevel:
    """The compared datapaths of a level, and the blocks that count."""

    labels: tuple[str, ...]
    blocks: Places
    table: StageTable

    @cached_property
    def stages(self) -> Mapping[StageRole, Measured]:
        """Each stage that some datapath has, in the order of the path; perhaps no datapath measured it."""
        order = self.table.path.stages
        ordered = sorted(self.table.stages, key=lambda key: (order.index(key.stage), key.role))
        return {key: self._measured(key) for key in ordered if any(self.has(label, key) for label in self.labels)}

    def has(self, label: str, key: StageRole) -> bool:
        """True if the datapath's requests met the stage in some block."""
        return bool(self.table.stages[key].has[self.blocks, self.table.column[label]].any())

    def is_measured(self, label: str, key: StageRole) -> bool:
        """True if the stage has a figure for the datapath."""
        return key in self.stages and label in self.stages[key].labels

    def means_us(self, label: str) -> list[float]:
        """The mean request of each block."""
        found: list[float] = self.table.means_us[self.blocks, self.table.column[label]].tolist()
        return found

    def parts_us(self, label: str, key: StageRole) -> list[float | None]:
        """The stage's part in each block, ``None`` in blocks in which it is not compared."""
        chosen = self.stages[key].blocks
        parts = self.table.stages[key].parts_us[self.blocks, self.table.column[label]].tolist()
        return [part if index in chosen else None for index, part in enumerate(parts)]

    def numbers(self, label: str, name: str) -> list[float]:
        """One number of the datapath's trial in each block; NaN where it has none."""
        return self.table.numbers(name, self.blocks, label)

    def work(self, label: str) -> dict[str, list[float]]:
        """The kernel's work by kind, in the blocks that know it."""
        column = self.table.column[label]
        found = {kind: one[self.blocks, column] for kind, one in self.table.work.items()}
        return {kind: one[~np.isnan(one)].tolist() for kind, one in found.items() if not np.isnan(one).all()}

    def _measured(self, key: StageRole) -> Measured:
        having = [label for label in self.labels if self.has(label, key)]
        columns = [self.table.column[label] for label in having]
        figures = ~np.isnan(self.table.stages[key].parts_us[self.blocks][:, columns])
        enough = min(MIN_PAIRS, len(self.blocks))
        choices = _choices(figures, having, fewest=1)
        found = next((one for one in choices if len(one[1]) >= enough), ((), ()))
        return Measured(found[0], frozenset(map(int, found[1])))


@dataclass(frozen=True)
class Watching:
    """All that probes saw at one level."""

    compared: WatchedLevel
    alone: Mapping[str, WatchedLevel] = field(default_factory=dict)
    disturbed: Mapping[str, int] = field(default_factory=dict)

    def of(self, label: str) -> WatchedLevel | None:
        """Where the datapath's bar comes from: the compared blocks, or only its own, or nothing."""
        return self.compared if label in self.compared.labels else self.alone.get(label)


def watching(level: LevelTrials, labels: Sequence[str], path: StagePath) -> Watching:
    """Choose the datapaths that are compared, leaving out the one with the fewest trials until enough blocks remain."""
    disturbed = dict(zip(labels, (level.is_evidence & level.is_disturbed).sum(axis=0).tolist(), strict=True))
    found = _alike(level)
    table = StageTable(level, labels, path)
    if not found.any():
        return Watching(WatchedLevel((), np.zeros(0, dtype=np.intp), table), {}, disturbed)
    enough = min(MIN_PAIRS, int(found.any(axis=1).sum()))
    choices = list(_choices(found, labels, fewest=2))
    kept, chosen = next(
        (one for one in choices if len(one[1]) >= enough),
        max(choices, key=lambda one: len(one[0]) * len(one[1])),
    )
    kept = kept if len(chosen) else ()
    seen = [bool(found[:, column].any()) for column in range(len(labels))]
    alone = {
        label: WatchedLevel((label,), np.flatnonzero(found[:, column]), table)
        for column, label in enumerate(labels)
        if seen[column] and label not in kept
    }
    return Watching(WatchedLevel(kept, np.asarray(chosen, dtype=np.intp), table), alone, disturbed)


def watched_alone(trial: TrialDigest, path: StagePath) -> WatchedLevel | None:
    """One trial, disturbed or not; ``None`` if it explains nothing."""
    label = trial.words.datapath
    level = LevelTrials([{label: trial}], (label,))
    if not level.is_evidence.any():
        return None
    return WatchedLevel((label,), np.zeros(1, dtype=np.intp), StageTable(level, (label,), path))


def _alike(level: LevelTrials) -> Mask:
    """Which trials explain something; a mean of other moments than the stages' only if no trial has a right one."""
    found: Mask = level.is_evidence & ~level.is_disturbed
    timed: Mask = found & (level.table("is_timed") == 1)
    return timed if timed.any() else found


def _choices(found: Mask, names: Sequence[str], *, fewest: int) -> Iterator[tuple[tuple[str, ...], Sequence[int]]]:
    """Names, and the indices of the blocks that have all of them; each time without the name that has the fewest.

    ``found`` has a row for each block, and a column for each name.
    """
    count = dict(zip(names, found.sum(axis=0).tolist(), strict=True))
    column = {name: place for place, name in enumerate(names)}
    kept = [name for name in names if count[name]]
    while kept:
        yield tuple(kept), np.flatnonzero(found[:, [column[name] for name in kept]].all(axis=1)).tolist()
        if len(kept) <= fewest:
            return
        kept.remove(min(reversed(kept), key=count.__getitem__))
