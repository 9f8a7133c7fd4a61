"""How the table of a printed report is laid out: what names a level, and how many datapaths are side by side."""

from collections.abc import Callable, Sequence

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

from domain.reports.report import CellResult

GAP = 2  # between columns
_ANY_WIDTH = 10_000


def heads(cell: CellResult) -> list[str]:
    """The level's name with its load, in lines that are not wide."""
    bare, _, condition = cell.load.partition(" under ")
    offered, equals, rate = bare.partition(" = ")
    kind, _, slo = offered.partition("(")
    bounds = slo.removesuffix(")").split(", ") if cell.is_capacity else []
    terms = [f"  under {term}" for term in condition.split(", ")] if condition else []
    rates = [f"  = {rate}"] if equals else []  # of a share
    return [f"{cell.level} {kind if cell.is_capacity else offered}", *(f"  {one}" for one in bounds), *rates, *terms]


def portions(labels: Sequence[str], fits: Callable[[Sequence[str]], bool]) -> list[list[str]]:
    """As many datapaths side by side as fit; each portion repeats the first one for comparison."""
    portions = [list(labels[:1])]
    for label in labels[1:]:
        if len(portions[-1]) > 1 and not fits([*portions[-1], label]):
            portions.append([labels[0]])
        portions[-1].append(label)
    return portions


def width_of(table: Table, console: Console) -> int:
    """The columns that a table needs so that nothing of it is cut."""
    return Measurement.get(console, console.options.update(max_width=_ANY_WIDTH), table).maximum
