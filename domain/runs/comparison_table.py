"""A comparison as a table: a row for each figure, a column for each side. Pure; pages and the command line draw it."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from domain.runs.comparison import Basis, Compared, Comparison, Setting
from domain.values.texts import listed

Row = tuple[Compared, ...]
"""One figure: a cell for each other side, in their order. All of them have the baseline's figure."""

SAME = "same"
"""A setting of a side that is as in the baseline."""
ABSENT = "absent"


@dataclass(frozen=True)
class SettingRow:
    """A setting or a fact: its values in the baseline, and in each other side; ``None`` if they are the same."""

    name: str
    baseline: tuple[str, ...]
    others: tuple[tuple[str, ...] | None, ...]


def rows_of(cells: Sequence[Compared]) -> list[Row]:
    """The cells of one table, row by row."""
    return [tuple(row) for _, row in groupby(cells, lambda one: (one.workload, one.level, one.datapath, one.metric))]


def setting_rows(found: Comparison) -> list[SettingRow]:
    """What is not the same, a row for each setting."""
    return [_setting_row(list(row), found.numbers) for _, row in groupby(found.settings, lambda one: one.name)]


def _setting_row(settings: Sequence[Setting], numbers: Sequence[int]) -> SettingRow:
    by_side = {one.side: one.other for one in settings}
    return SettingRow(settings[0].name, settings[0].baseline, tuple(by_side.get(number) for number in numbers))


def name_of(found: Comparison, number: int) -> str:
    """What a side is called: ``Baseline``, ``Other`` if there is one other side, else ``Side 2``."""
    if number == 0:
        return "Baseline"
    return "Other" if len(found.numbers) == 1 else f"Side {number}"


def tag_of(found: Comparison, number: int) -> str:
    """By what users know a side: the labels that all of its campaigns have and not all sides; without any, its id."""
    campaigns = found.campaigns(number)
    own = _common_labels(found, number)
    others = [_common_labels(found, other) for other in found.sides]
    known_by = [(key, value) for key, value in own if any((key, value) not in labels for labels in others)]
    if known_by:
        return ", ".join(f"{key}={value}" if value else key for key, value in known_by)
    return campaigns[0].title if len(campaigns) == 1 else f"{len(campaigns)} campaigns"


def _common_labels(found: Comparison, number: int) -> list[tuple[str, str]]:
    """The labels that all campaigns of a side have."""
    first, *rest = (one.labels for one in found.campaigns(number))
    return [(key, value) for key, value in first.items() if all(labels.get(key) == value for labels in rest)]


def basis_text(found: Comparison) -> str:
    """What one value of the comparison is."""
    of_blocks = sorted({one.side for one in found.figures if one.basis is Basis.BLOCKS})
    if not of_blocks or found.basis is Basis.CAMPAIGNS:
        return "the mean of a campaign"
    if len(of_blocks) == len(found.numbers):
        return "a block"
    noun = "side" if len(of_blocks) == 1 else "sides"
    return f"the mean of a campaign; for {noun} {listed([str(one) for one in of_blocks])} and the baseline a block"


def confidence_text(found: Comparison) -> str:
    """The confidence of the adjusted intervals in percent: ``99.4 %``; empty without any."""
    if found.confidence is None:
        return ""
    digits = 1
    while digits < 4 and round(100 * found.confidence, digits) == 100:
        digits += 1
    return f"{100 * found.confidence:.{digits}f} %".replace(".0 %", " %")
