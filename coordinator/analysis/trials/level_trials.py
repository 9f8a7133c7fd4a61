"""The trials of one workload and level, as a table: a row for each block, a column for each datapath. Pure."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import overload

import numpy as np
from numpy.typing import NDArray

from coordinator.analysis.trials.block_trials import Numbers, reasons_at, rows_of, shape_of
from coordinator.analysis.trials.outcome import DUE, Said
from coordinator.scheduling.digests import AT, FIELDS, TrialDigest
from domain.trials.trial import Reason

_OVER = AT["percent_over_1ms"]
_CARRIED = {-1: None, 0: False, 1: True}

Places = NDArray[np.intp]
Mask = NDArray[np.bool_]


class LevelTrials:
    """The blocks of one level that are analysed, in order; a datapath may lack its trial in some of them."""

    def __init__(self, blocks: Sequence[Mapping[str, TrialDigest]], labels: Sequence[str]) -> None:
        self.blocks = blocks
        self._column = {label: place for place, label in enumerate(labels)}
        self._shapes = [shape_of(block) for block in blocks]
        self._known: dict[tuple[str, ...], tuple[Places, Places]] = {}
        size = len(blocks), len(labels)
        self._numbers = np.full((*size, len(FIELDS)), math.nan)
        self.present: Mask = np.zeros(size, dtype=np.bool_)
        outcomes = np.zeros((*size, 3), dtype=np.int8)
        for index, block in enumerate(blocks):
            rows = rows_of(block)
            known, columns = self._places(rows.labels)
            self._numbers[index, columns] = rows.numbers[known]
            self.present[index, columns] = True
            outcomes[index, columns] = rows.flags[known]
        self.valid: Mask = outcomes[:, :, 0] == 1
        self.has_shares: Mask = (outcomes[:, :, 1] == 1) & ~np.isnan(self._numbers[:, :, _OVER])
        said, not_due = outcomes[:, :, 2], np.isnan(self._numbers[:, :, DUE])
        unknown = ~self.present | (said == Said.NOTHING) | (not_due & (said != Said.OVERLOADED))
        self._carried = np.where(unknown, np.int8(-1), (said == Said.CARRIED).astype(np.int8))

    def _places(self, labels: tuple[str, ...]) -> tuple[Places, Places]:
        """Which trials of a block are the campaign's, and their columns; most blocks have one order."""
        if labels not in self._known:
            found = [(row, self._column[label]) for row, label in enumerate(labels) if label in self._column]
            self._known[labels] = (
                np.array([row for row, _ in found], np.intp),
                np.array([at for _, at in found], np.intp),
            )
        return self._known[labels]

    def table(self, name: str) -> Numbers:
        """One number of every trial: NaN where there is no trial, or it has no such number."""
        found: Numbers = self._numbers[:, :, AT[name]]
        return found

    def figures(self, name: str) -> Numbers:
        """One figure of every valid trial, NaN of others.

        A CPU cost of zero or less means that the idle baseline exceeds the measurement. It has no logarithm, and is no
        figure.
        """
        found = self.table(name)
        with np.errstate(invalid="ignore"):
            return np.where(self.valid & (found > 0) & (found < math.inf), found, math.nan)

    def shares(self, name: str) -> Numbers:
        """One share of every trial that has shares; also an overloaded trial does."""
        return np.where(self.has_shares, self.table(name), math.nan)

    @property
    def is_evidence(self) -> Mask:
        """Of every trial, whether it is valid and probes saw its requests."""
        return self.valid & ~np.isnan(self.table("watched_mean_us"))

    @property
    def is_disturbed(self) -> Mask:
        """Of every trial, whether the host was not left alone in a watched slice."""
        found: Mask = self.table("is_disturbed") == 1
        return found

    def holds_only(self, labels: Sequence[str]) -> Mask:
        """Of every block, whether it has trials of these datapaths only."""
        others = [column for label, column in self._column.items() if label not in labels]
        return np.logical_not(self.present[:, others].any(axis=1))

    def carried_by(self, label: str, reference: str) -> tuple[int, int, int]:
        """In how many blocks each of two datapaths carried its load, and in how many both trials say it."""
        ours, theirs = (self._carried[:, self._column[one]] for one in (label, reference))
        both = (ours >= 0) & (theirs >= 0)
        return int((ours[both] == 1).sum()), int((theirs[both] == 1).sum()), int(both.sum())

    def cell(self, label: str) -> "CellTrials":
        """The trials of one datapath."""
        column = self._column[label]
        return CellTrials(self, label, column, np.flatnonzero(self.present[:, column]))

    def reasons(self, index: int, label: str) -> tuple[Reason, ...]:
        """The reasons against one trial."""
        return reasons_at(self.blocks[index], label)

    def offloads(self, blocks: Places, label: str) -> set[tuple[tuple[str, bool], ...]]:
        """The different offloads of a datapath's trials; blocks with one shape have the same."""
        shapes = [self._shapes[block] for block in blocks]
        shared = {id(shape): shape for shape in shapes if shape is not None}
        found = {shape.trials[shape.rows[label]].words.offloads for shape in shared.values()}
        own = (self.blocks[block] for block, shape in zip(blocks, shapes, strict=True) if shape is None)
        return found | {block[label].words.offloads for block in own}

    def outcomes(self, column: int) -> NDArray[np.int8]:
        """Of each block: 1 if the datapath carried the load, 0 if it did not, -1 where no trial says it."""
        found: NDArray[np.int8] = self._carried[:, column]
        return found


class CellTrials(Sequence[TrialDigest]):
    """Trials of one datapath at one level. Its columns are quick; each trial is made when it is asked for."""

    __slots__ = ("_blocks", "_column", "_label", "_level")

    def __init__(self, level: LevelTrials, label: str, column: int, blocks: Places) -> None:
        self._level, self._label, self._column, self._blocks = level, label, column, blocks

    def __len__(self) -> int:
        return len(self._blocks)

    @overload
    def __getitem__(self, place: int) -> TrialDigest: ...
    @overload
    def __getitem__(self, place: slice) -> "CellTrials": ...
    def __getitem__(self, place: int | slice) -> "TrialDigest | CellTrials":
        if isinstance(place, slice):
            return self._of(self._blocks[place])
        return self._level.blocks[int(self._blocks[place])][self._label]

    def __iter__(self) -> Iterator[TrialDigest]:
        return (self._level.blocks[block][self._label] for block in self._blocks)

    def numbers(self, name: str) -> list[float]:
        """One number of each trial; NaN where it has none."""
        found: list[float] = self._level.table(name)[self._blocks, self._column].tolist()
        return found

    @property
    def valid(self) -> "CellTrials":
        """Those without a finding."""
        return self._where(self._level.valid)

    @property
    def with_shares(self) -> "CellTrials":
        """Those that have shares of slow requests."""
        return self._where(self._level.has_shares)

    @property
    def carried(self) -> list[bool | None]:
        """Of each whether its load was carried; ``None`` if it does not say."""
        return [_CARRIED[one] for one in self._level.outcomes(self._column)[self._blocks].tolist()]

    @property
    def reasons(self) -> list[tuple[Reason, ...]]:
        """The reasons against each."""
        return [self._level.reasons(block, self._label) for block in self._blocks]

    @property
    def offloads(self) -> set[tuple[tuple[str, bool], ...]]:
        """The different offloads of the trials."""
        return self._level.offloads(self._blocks, self._label)

    def chosen(self, wanted: Sequence[bool]) -> "CellTrials":
        """Some of them: one answer for each."""
        return self._of(self._blocks[np.array(wanted, dtype=np.bool_)])

    def _where(self, mask: Mask) -> "CellTrials":
        return self._of(self._blocks[mask[self._blocks, self._column]])

    def _of(self, blocks: Places) -> "CellTrials":
        return CellTrials(self._level, self._label, self._column, blocks)
