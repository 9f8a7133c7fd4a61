"""The blocks that a level's figures and ratios come from. They are the same, so that figure ÷ figure = ratio. Pure.

A block counts if every compared datapath has its figure in it. A datapath that lacks it too often would take the blocks
from all others; it is not compared at this level. The choice looks at validity only, never at a figure.

In a campaign with a focus, some blocks hold the focused datapaths alone. Comparisons among these use all blocks that
hold them. All other figures and comparisons are of the blocks that hold every datapath: absolute figures drift.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from domain.reports.report import MIN_PAIRS

KEPT_SHARE = 0.7  # of the blocks that have any figure: what compared datapaths must share

Figures = Mapping[str, float | None]
"""One block: the figure of each label, or ``None``."""

Table = NDArray[np.float64]
"""A row for each block, a column for each label; NaN where a block lacks the figure."""


@dataclass(frozen=True, eq=False)
class Compared:
    """The labels that are compared at a level by one metric, and their figures in each block that counts.

    ``alone`` of the rows, the last ones, are of blocks that hold the campaign's focus only.
    """

    labels: tuple[str, ...]
    table: Table
    alone: int = 0
    _columns: dict[str, list[float]] = field(default_factory=dict, repr=False)
    _logs: dict[str, list[float]] = field(default_factory=dict, repr=False)
    _arrays: dict[tuple[str, bool], Table] = field(default_factory=dict, repr=False)
    _log_means: dict[str, float] = field(default_factory=dict, repr=False)

    def column(self, label: str) -> Sequence[float]:
        """The figures of one label, by block."""
        if label not in self._columns:
            self._columns[label] = self.table[:, self.labels.index(label)].tolist()
        return self._columns[label]

    def log_column(self, label: str) -> Sequence[float]:
        """Their logarithms; a label takes part in many comparisons."""
        if label not in self._logs:
            self._logs[label] = list(map(math.log, self.column(label)))
        return self._logs[label]

    def mean(self, label: str) -> float:
        """The mean of its figures."""
        return math.fsum(self.column(label)) / len(self.table)

    def log_mean(self, label: str) -> float:
        """The mean of their logarithms."""
        if label not in self._log_means:
            self._log_means[label] = math.fsum(self.log_column(label)) / len(self.table)
        return self._log_means[label]

    def pairs(self, label: str, reference: str) -> int:
        """How many blocks compare two labels; none if one of the two is not compared."""
        return len(self.table) if label in self.labels and reference in self.labels else 0

    @property
    def focused(self) -> Table:
        """The rows of blocks that hold the campaign's focus only."""
        return self.table[len(self.table) - self.alone :]

    def joined(self, focus: "Compared") -> Table:
        """This table with the focused rows of another: NaN where a block lacks a datapath."""
        labels = tuple(dict.fromkeys((*self.labels, *focus.labels)))
        found = np.full((len(self.table) + focus.alone, len(labels)), math.nan)
        found[: len(self.table), : len(self.labels)] = self.table
        found[len(self.table) :, [labels.index(label) for label in focus.labels]] = focus.focused
        return found

    def logs(self, label: str, reference: str) -> list[float]:
        """One log-ratio per block; empty if one of the two is not compared."""
        return self.contrasts(label, reference, as_logs=True).tolist()  # type: ignore[no-any-return]

    def differences(self, label: str, reference: str) -> list[float]:
        """One difference per block; empty if one of the two is not compared."""
        return self.contrasts(label, reference, as_logs=False).tolist()  # type: ignore[no-any-return]

    def contrasts(self, label: str, reference: str, *, as_logs: bool) -> Table:
        """The same as an array."""
        if not self.pairs(label, reference):
            return np.zeros(0)
        return self._array(label, as_logs) - self._array(reference, as_logs)

    def _array(self, label: str, as_logs: bool) -> Table:
        key = label, as_logs
        if key not in self._arrays:
            self._arrays[key] = np.array(self.log_column(label) if as_logs else self.column(label), dtype=np.float64)
        return self._arrays[key]


def table_of(blocks: Sequence[Figures], labels: Sequence[str]) -> Table:
    """The figures of blocks as a table."""
    rows = [[math.nan if (figure := block.get(label)) is None else figure for label in labels] for block in blocks]
    return np.array(rows, dtype=np.float64).reshape(len(blocks), len(labels))


def compared(table: Table, labels: Sequence[str], focused: Table | None = None) -> Compared:
    """Leave out the datapath with the fewest figures, one at a time, until the others share enough blocks.

    ``focused`` are the figures of further blocks, which hold nothing but ``labels``.
    """
    more = table[:0] if focused is None else focused
    known = ~np.isnan(np.concatenate([table, more]))
    found = dict(zip(labels, known.sum(axis=0).tolist(), strict=True))
    measured = int(known.any(axis=1).sum())
    needed = max(math.ceil(KEPT_SHARE * measured), min(measured, MIN_PAIRS))
    choices = []
    for chosen in _sets(found):
        columns = [labels.index(label) for label in chosen]
        alone = _complete(more, columns)
        choice = Compared(chosen, np.concatenate([_complete(table, columns), alone]), len(alone))
        if len(choice.table) >= needed:
            return choice
        choices.append(choice)
    return max(choices, key=lambda choice: len(choice.table) * len(choice.labels))


def _complete(table: Table, columns: Sequence[int]) -> Table:
    """The rows that have all of some columns, and only these."""
    if not columns:
        return table[:0, :0]
    # Sums of a table depend on how it lies in memory.
    return np.ascontiguousarray(table[:, columns][~np.isnan(table[:, columns]).any(axis=1)])


def _sets(found: Mapping[str, int]) -> Iterator[tuple[str, ...]]:
    """All labels with figures; each time without the one that has the fewest, down to two."""
    kept = [label for label in found if found[label]]
    yield tuple(kept)
    while len(kept) > 2:
        kept.remove(min(reversed(kept), key=found.__getitem__))
        yield tuple(kept)
