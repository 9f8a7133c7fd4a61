"""Declared figures arranged for people: a table for each workload and level, a row for each datapath. Pure."""

from collections.abc import Sequence
from typing import NamedTuple

from domain.reports.report import MIN_PAIRS
from domain.trials.figures import CellFigure
from domain.values.texts import NONE, counted, interval_text, is_one_value, number_text, significant_text


class FigureText(NamedTuple):
    """A figure, its interval, and its difference to the limit as texts; what is not known is empty."""

    value: str
    bounds: str = ""
    added: str = ""


class FigureRow(NamedTuple):
    """One datapath."""

    label: str
    figures: tuple[FigureText, ...]


class FigureTable(NamedTuple):
    """One workload and level; ``heads`` are the titles of the columns, with their units."""

    workload: str
    level: str
    heads: tuple[str, ...]
    rows: tuple[FigureRow, ...]


def figure_tables(figures: Sequence[CellFigure]) -> tuple[FigureTable, ...]:
    """The tables, in the order of the figures."""
    places = dict.fromkeys((one.workload, one.level) for one in figures)
    return tuple(_table(*place, [one for one in figures if (one.workload, one.level) == place]) for place in places)


def figure_text(figure: CellFigure) -> FigureText:
    """The value in the decimals that its interval deserves; without one, three digits and how many trials it is of."""
    value, bounds = _texts(figure.value, figure.low, figure.high, figure.trials)
    if figure.added is None:
        return FigureText(value, bounds)
    more, around = _texts(figure.added, figure.added_low, figure.added_high, figure.trials)
    around = around if around.startswith("[") else ""
    return FigureText(value, bounds, f"{'' if more.startswith('−') else '+'}{more} {around}".rstrip())


def _texts(value: float, low: float | None, high: float | None, trials: int) -> tuple[str, str]:
    if trials < MIN_PAIRS:  # reports of earlier versions have intervals from two trials on
        return significant_text(value), f"from {counted(trials, 'trial')}"
    if low is None or high is None or is_one_value(low, high):
        return significant_text(value), ""
    return number_text(value, low, high), interval_text(low, high)


def _table(workload: str, level: str, figures: Sequence[CellFigure]) -> FigureTable:
    names = dict.fromkeys(one.name for one in figures)
    heads = {one.name: f"{one.title}, {one.unit}" if one.unit else one.title for one in figures}
    texts = {(one.datapath, one.name): figure_text(one) for one in figures}
    labels = dict.fromkeys(one.datapath for one in figures)
    rows = (FigureRow(label, tuple(texts.get((label, name), FigureText(NONE)) for name in names)) for label in labels)
    return FigureTable(workload, level, tuple(heads[name] for name in names), tuple(rows))
