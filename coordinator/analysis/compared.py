"""The blocks that a level's figures and ratios come from. They are the same, so that figure ÷ figure = ratio. Pure.

A block counts if every compared datapath has its figure in it. A datapath that lacks it too often would take the blocks
from all others; it is not compared at this level. The choice looks at validity only, never at a figure.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from domain.report import MIN_PAIRS

KEPT_SHARE = 0.7  # of the blocks that have any figure: what compared datapaths must share

Figures = Mapping[str, float | None]
"""One block: the figure of each label, or ``None``."""


@dataclass(frozen=True)
class Compared:
    """The labels that are compared at a level by one metric, and their figures in each block that counts."""

    labels: tuple[str, ...]
    rows: tuple[Mapping[str, float], ...]

    def logs(self, label: str, reference: str) -> list[float]:
        """One log-ratio per block; empty if one of the two is not compared."""
        if label not in self.labels or reference not in self.labels:
            return []
        return [math.log(row[label]) - math.log(row[reference]) for row in self.rows]

    def differences(self, label: str, reference: str) -> list[float]:
        """One difference per block; empty if one of the two is not compared."""
        if label not in self.labels or reference not in self.labels:
            return []
        return [row[label] - row[reference] for row in self.rows]


def compared(blocks: Sequence[Figures], labels: Sequence[str]) -> Compared:
    """Leave out the datapath with the fewest figures, one at a time, until the others share enough blocks."""
    found = {label: sum(block.get(label) is not None for block in blocks) for label in labels}
    kept = [label for label in labels if found[label]]
    sets = [list(kept)]
    while len(kept) > 2:
        worst = min(reversed(kept), key=found.__getitem__)
        kept.remove(worst)
        sets.append(list(kept))
    choices = [Compared(tuple(chosen), _complete(blocks, chosen)) for chosen in sets]
    measured = sum(any(figure is not None for figure in block.values()) for block in blocks)
    needed = max(math.ceil(KEPT_SHARE * measured), min(measured, MIN_PAIRS))
    enough = (choice for choice in choices if len(choice.rows) >= needed)
    return next(enough, max(choices, key=lambda choice: len(choice.rows) * len(choice.labels)))


def _complete(blocks: Sequence[Figures], labels: Sequence[str]) -> tuple[Mapping[str, float], ...]:
    rows = ({label: block.get(label) for label in labels} for block in blocks)
    complete = ({label: figure for label, figure in row.items() if figure is not None} for row in rows)
    return tuple(row for row in complete if labels and len(row) == len(labels))
