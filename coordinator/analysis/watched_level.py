"""The blocks that bars and sentences of one level come from. They are the same for all, so bars subtract. Pure.

A block counts if every compared datapath explains its trial in it. Of these blocks, a stage's figure is the mean over
those in which every datapath that has the stage measured it. Both choices look at what is there, never at a figure.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from coordinator.analysis.level_trials import LevelTrials
from coordinator.analysis.path import StagePath
from coordinator.analysis.trial_parts import WatchedTrial, watched_trial
from coordinator.scheduling.digests import TrialDigest
from domain.report import MIN_PAIRS
from domain.watched import StageRole

Block = Mapping[str, WatchedTrial]


class Measured(NamedTuple):
    """Which datapaths measured a stage, and in which blocks."""

    labels: tuple[str, ...]
    blocks: tuple[int, ...]


@dataclass(frozen=True)
class WatchedLevel:
    """The compared datapaths of a level, and their trials in each block that counts."""

    labels: tuple[str, ...]
    blocks: tuple[Block, ...]
    path: StagePath

    @cached_property
    def stages(self) -> Mapping[StageRole, Measured]:
        """Each stage that some datapath has, in the order of the path; perhaps no datapath measured it."""
        found = {key for block in self.blocks for trial in block.values() for key in (*trial.parts, *trial.unmeasured)}
        ordered = sorted(found, key=lambda key: (self.path.stages.index(key.stage), key.role))
        return {key: self._measured(key) for key in ordered if any(self.has(label, key) for label in self.labels)}

    def has(self, label: str, key: StageRole) -> bool:
        """True if the datapath's requests met the stage in some block."""
        return any(block[label].has(key) for block in self.blocks)

    def is_measured(self, label: str, key: StageRole) -> bool:
        """True if the stage has a figure for the datapath."""
        return key in self.stages and label in self.stages[key].labels

    def means_us(self, label: str) -> list[float | None]:
        """The mean request of each block."""
        return [block[label].mean_us for block in self.blocks]

    def parts_us(self, label: str, key: StageRole) -> list[float | None]:
        """The stage's part in each block, ``None`` in blocks in which it is not compared."""
        chosen = self.stages[key].blocks
        return [block[label].parts[key] if index in chosen else None for index, block in enumerate(self.blocks)]

    def _measured(self, key: StageRole) -> Measured:
        having = [label for label in self.labels if self.has(label, key)]
        figures = [{label for label in having if key in block[label].parts} for block in self.blocks]
        enough = min(MIN_PAIRS, len(self.blocks))
        choices = _choices(figures, having, fewest=1)
        return next((Measured(*one) for one in choices if len(one[1]) >= enough), Measured((), ()))


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
    found = _alike(_evidence(level, labels, path))
    if not any(found):
        return Watching(WatchedLevel((), (), path), {}, disturbed)
    seen = [label for label in labels if any(label in block for block in found)]
    enough = min(MIN_PAIRS, sum(bool(block) for block in found))
    choices = list(_choices(found, seen, fewest=2))
    kept, chosen = next(
        (one for one in choices if len(one[1]) >= enough),
        max(choices, key=lambda one: len(one[0]) * len(one[1]), default=((), ())),
    )
    kept = kept if chosen else ()
    return Watching(
        WatchedLevel(kept, tuple(found[index] for index in chosen), path),
        {label: _alone(found, label, path) for label in seen if label not in kept},
        disturbed,
    )


def watched_alone(trial: TrialDigest, path: StagePath) -> WatchedLevel | None:
    """One trial, disturbed or not; ``None`` if it explains nothing."""
    found = watched_trial(trial, path)
    label = trial.words.datapath
    return WatchedLevel((label,), ({label: found},), path) if found else None


def _evidence(level: LevelTrials, labels: Sequence[str], path: StagePath) -> list[Block]:
    chosen = level.is_evidence & ~level.is_disturbed
    found: list[Block] = []
    for block, wanted in zip(level.blocks, chosen.tolist(), strict=True):
        names = [label for label, is_wanted in zip(labels, wanted, strict=True) if is_wanted]
        found.append({label: one for label in names if (one := watched_trial(block[label], path)) is not None})
    return found


def _alike(blocks: Sequence[Block]) -> list[Block]:
    """Without the trials whose mean is of other moments than the stages', if other trials have the right one."""
    timed = any(one.trial.is_timed for block in blocks for one in block.values())
    return [{label: one for label, one in block.items() if one.trial.is_timed or not timed} for block in blocks]


def _alone(blocks: Iterable[Block], label: str, path: StagePath) -> WatchedLevel:
    return WatchedLevel((label,), tuple({label: block[label]} for block in blocks if label in block), path)


def _choices(
    found: Sequence[Collection[str]], names: Sequence[str], *, fewest: int
) -> Iterator[tuple[tuple[str, ...], tuple[int, ...]]]:
    """Names, and the indices of the blocks that have all of them; each time without the name that has the fewest."""
    count = {name: sum(name in block for block in found) for name in names}
    kept = [name for name in names if count[name]]
    while kept:
        yield tuple(kept), tuple(index for index, block in enumerate(found) if all(name in block for name in kept))
        if len(kept) <= fewest:
            return
        kept.remove(min(reversed(kept), key=count.__getitem__))
