"""The blocks that a level's figures and ratios come from. They are the same, so that figure ÷ figure = ratio. Pure.

A block counts if every compared datapath has its figure in it. A datapath that lacks it too often would take the blocks
from all others; it is not compared at this level. The choice looks at validity only, never at a figure.

In a campaign with a focus, some blocks hold the focused datapaths alone. Comparisons among these use all blocks that
hold them. All other figures and comparisons are of the blocks that hold every datapath: absolute figures drift.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from domain.report import MIN_PAIRS

KEPT_SHARE = 0.7  # of the blocks that have any figure: what compared datapaths must share

Figures = Mapping[str, float | None]
"""One block: the figure of each label, or ``None``."""


@dataclass(frozen=True)
class Compared:
    """The labels that are compared at a level by one metric, and their figures in each block that counts.

    ``alone`` of the rows, the last ones, are of blocks that hold the campaign's focus only.
    """

    labels: tuple[str, ...]
    rows: tuple[Mapping[str, float], ...]
    alone: int = 0
    _columns: dict[str, list[float]] = field(default_factory=dict, compare=False, repr=False)
    _logs: dict[str, list[float]] = field(default_factory=dict, compare=False, repr=False)
    _log_means: dict[str, float] = field(default_factory=dict, compare=False, repr=False)

    def column(self, label: str) -> Sequence[float]:
        """The figures of one label, by block."""
        if label not in self._columns:
            self._columns[label] = [row[label] for row in self.rows]
        return self._columns[label]

    def log_column(self, label: str) -> Sequence[float]:
        """Their logarithms; a label takes part in many comparisons."""
        if label not in self._logs:
            self._logs[label] = [math.log(figure) for figure in self.column(label)]
        return self._logs[label]

    def mean(self, label: str) -> float:
        """The mean of its figures."""
        return math.fsum(self.column(label)) / len(self.rows)

    def log_mean(self, label: str) -> float:
        """The mean of their logarithms."""
        if label not in self._log_means:
            self._log_means[label] = math.fsum(self.log_column(label)) / len(self.rows)
        return self._log_means[label]

    def logs(self, label: str, reference: str) -> list[float]:
        """One log-ratio per block; empty if one of the two is not compared."""
        if label not in self.labels or reference not in self.labels:
            return []
        return [one - other for one, other in zip(self.log_column(label), self.log_column(reference), strict=True)]

    def differences(self, label: str, reference: str) -> list[float]:
        """One difference per block; empty if one of the two is not compared."""
        if label not in self.labels or reference not in self.labels:
            return []
        return [one - other for one, other in zip(self.column(label), self.column(reference), strict=True)]


def compared(blocks: Sequence[Figures], labels: Sequence[str], focused: Sequence[Figures] = ()) -> Compared:
    """Leave out the datapath with the fewest figures, one at a time, until the others share enough blocks.

    ``focused`` are further blocks, which hold nothing but ``labels``.
    """
    every = [*blocks, *focused]
    found = {label: sum(block.get(label) is not None for block in every) for label in labels}
    measured = sum(any(block.get(label) is not None for label in labels) for block in every)
    needed = max(math.ceil(KEPT_SHARE * measured), min(measured, MIN_PAIRS))
    choices = []
    for chosen in _sets(found):
        alone = _complete(focused, chosen)
        choice = Compared(chosen, (*_complete(blocks, chosen), *alone), len(alone))
        if len(choice.rows) >= needed:
            return choice
        choices.append(choice)
    return max(choices, key=lambda choice: len(choice.rows) * len(choice.labels))


def _sets(found: Mapping[str, int]) -> Iterator[tuple[str, ...]]:
    """All labels with figures; each time without the one that has the fewest, down to two."""
    kept = [label for label in found if found[label]]
    yield tuple(kept)
    while len(kept) > 2:
        kept.remove(min(reversed(kept), key=found.__getitem__))
        yield tuple(kept)


def _complete(blocks: Sequence[Figures], labels: Sequence[str]) -> tuple[Mapping[str, float], ...]:
    rows = ({label: block.get(label) for label in labels} for block in blocks)
    complete = ({label: figure for label, figure in row.items() if figure is not None} for row in rows)
    return tuple(row for row in complete if labels and len(row) == len(labels))
