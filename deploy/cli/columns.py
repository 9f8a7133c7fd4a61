"""How the table of a printed report is laid out: what names a level, and how many datapaths are side by side."""

from collections.abc import Sequence

from domain.report import CellResult

GAP = 2  # between columns
_INTERVAL_WIDTH = 13  # "0.985 – 1.009", the widest usual figure


def heads(cell: CellResult) -> list[str]:
    """The level's name with its load, in lines that are not wide."""
    bare, _, condition = cell.load.partition(" under ")
    offered, equals, rate = bare.partition(" = ")
    kind, _, slo = offered.partition("(")
    bounds = slo.removesuffix(")").split(", ") if cell.is_capacity else []
    terms = [f"  under {term}" for term in condition.split(", ")] if condition else []
    rates = [f"  = {rate}"] if equals else []  # of a share
    return [f"{cell.level} {kind if cell.is_capacity else offered}", *(f"  {one}" for one in bounds), *rates, *terms]


def portions(labels: Sequence[str], width: int, names_width: int) -> list[list[str]]:
    """As many datapaths side by side as fit; each portion repeats the first one for comparison."""

    def width_of(portion: Sequence[str]) -> int:
        first_column = names_width + GAP
        return first_column + sum(max(len(label), _INTERVAL_WIDTH) + GAP for label in portion)

    portions = [list(labels[:1])]
    for label in labels[1:]:
        if len(portions[-1]) > 1 and width_of([*portions[-1], label]) > width:
            portions.append([labels[0]])
        portions[-1].append(label)
    return portions
