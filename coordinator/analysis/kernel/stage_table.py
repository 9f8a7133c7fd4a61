"""The kernel stages of one level's trials as tables: a row for each block, a column for each datapath. Pure.

Means may be added, percentiles may not. A stage's part in one request is its mean × how often it happened per request.
A stage within another is taken off that. If the inner one has no figure, the outer one has none either.

Probes look for moments only, and looking slows a busy datapath down. So the mean is that of the requests that were sent
in those moments, if the generator reports them (``window_times``). Otherwise it is the slice's mean. In a closed loop
that is divided by the pace of the traffic in those moments. The number of requests under way is the number of
connections and does not change (Little's law, L = λW).

In an open loop latency begins before the send. The wait for a free connection, and for the generator to notice, is a
separate part (``send_wait``) before the kernel's first stage.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from coordinator.analysis.kernel.path import SEND_WAIT, StagePath
from coordinator.analysis.trials.block_trials import Numbers, StageRows, stages_of
from coordinator.analysis.trials.level_trials import LevelTrials, Mask
from coordinator.scheduling.digests import COUNTED, FIGURE, LACKS_FIGURE, TrialDigest
from domain.probes.watched import StageRole
from domain.values.bounds import MAX_NAMES, MAX_READINGS

Key = TypeVar("Key")
_SEND_WAIT = StageRole(SEND_WAIT)

Places = NDArray[np.intp]


class Stage(NamedTuple):
    """One stage of every trial. ``parts_us`` is NaN where it has no figure; ``unmeasured``: it had events and none."""

    parts_us: Numbers
    unmeasured: Mask

    @property
    def has(self) -> Mask:
        """Of every trial, whether the stage had events, with a figure or without."""
        found: Mask = self.unmeasured | (~np.isnan(self.parts_us) & (self.parts_us != 0))
        return found


class StageTable:
    """All stages on a request's path, and the kernel's work by kind."""

    def __init__(self, level: LevelTrials, labels: Sequence[str], path: StagePath) -> None:
        self.path, self._level, self._size = path, level, (len(level.blocks), len(labels))
        self.column: Mapping[str, int] = {label: place for place, label in enumerate(labels)}
        self.means_us = level.table("watched_mean_us")
        self.stages: dict[StageRole, Stage] = {}
        self.work: dict[str, Numbers] = {}
        waits_us = level.table("send_wait_us")
        if not np.isnan(waits_us).all():
            self.stages[_SEND_WAIT] = Stage(waits_us, np.zeros(self._size, dtype=np.bool_))
        for (keys, kinds), found in self._groups().items():
            self._add(keys, kinds, found)

    def numbers(self, name: str, blocks: Places, label: str) -> list[float]:
        """One number of a datapath's trials in some blocks; NaN where there is none."""
        found: list[float] = self._level.table(name)[blocks, self.column[label]].tolist()
        return found

    def _groups(self) -> Mapping[tuple[tuple[StageRole, ...], tuple[str, ...]], list["_Rows"]]:
        """The trials by what was watched in them: mostly all of a level are alike."""
        found: dict[tuple[tuple[StageRole, ...], tuple[str, ...]], list[_Rows]] = {}
        columns: dict[tuple[str, ...], Places] = {}
        for index, block in enumerate(self._level.blocks):
            for rows in stages_of(block):
                if rows.labels not in columns:
                    columns[rows.labels] = np.array([self.column.get(one, -1) for one in rows.labels], dtype=np.intp)
                at = columns[rows.labels]
                found.setdefault((rows.keys, rows.kinds), []).append(_Rows(np.full(at.size, index), at, rows))
        return found

    def _add(self, keys: tuple[StageRole, ...], kinds: tuple[str, ...], found: Sequence["_Rows"]) -> None:
        blocks, columns = (np.concatenate([one[place] for one in found]) for place in (0, 1))
        us, known, work = (
            np.concatenate([getattr(one.rows, name) for one in found]) for name in ("us", "known", "work")
        )
        ours = columns >= 0  # a datapath that the campaign does not name
        at = blocks[ours], columns[ours]
        own, unmeasured = _own(keys, us[ours], known[ours], self.path)
        for place, key in enumerate(keys):
            if self.path.holds(key.stage, key.role) and _has_room(self.stages, key, MAX_READINGS):
                stage = self.stages.setdefault(key, self._empty())
                stage.parts_us[at] = own[:, place]
                stage.unmeasured[at] = unmeasured[:, place]
        for place, kind in enumerate(kinds):
            if _has_room(self.work, kind, MAX_NAMES):
                self.work.setdefault(kind, np.full(self._size, np.nan))[at] = work[ours, place]

    def _empty(self) -> Stage:
        return Stage(np.full(self._size, np.nan), np.zeros(self._size, dtype=np.bool_))


def _has_room(found: Collection[Key], key: Key, most: int) -> bool:
    """Whether a table takes a key: of names that each block draws anew, it has as many as one trial may have."""
    return key in found or len(found) < most


def parts_us(trial: TrialDigest, path: StagePath) -> dict[StageRole, float]:
    """Microseconds per request of each stage on the path that has a figure, of one trial."""
    label = trial.words.datapath
    table = StageTable(LevelTrials([{label: trial}], (label,)), (label,), path)
    found = {key: float(stage.parts_us[0, 0]) for key, stage in table.stages.items()}
    return {key: us for key, us in found.items() if us == us}


class _Rows(NamedTuple):
    """Trials of one block: the block's index, and of each trial its column."""

    blocks: Places
    columns: Places
    rows: StageRows


def _own(keys: tuple[StageRole, ...], us: Numbers, known: NDArray[np.uint8], path: StagePath) -> tuple[Numbers, Mask]:
    """Of each trial (a row) and stage: its part without the stages within it, and whether it was not measured."""
    places = {key: place for place, key in enumerate(keys) if path.holds(key.stage, key.role)}
    is_figure, lacks, counted = ((known & flag) != 0 for flag in (FIGURE, LACKS_FIGURE, COUNTED))
    outers = ((place, path.outer(key)) for key, place in places.items())
    within = [(place, places[key]) for place, key in outers if key is not None and key in places]
    own, unmeasured = np.where(is_figure, us, np.nan), lacks.copy()
    for inner, outer in within:  # a stage without events contains nothing
        rows = is_figure[:, inner] & is_figure[:, outer] & (us[:, outer] != 0)
        own[rows, outer] -= us[rows, inner]
    for inner, outer in within:
        own[lacks[:, inner], outer] = np.nan
        unmeasured[lacks[:, inner] & counted[:, outer], outer] = True
    return own, unmeasured & np.isnan(own)
