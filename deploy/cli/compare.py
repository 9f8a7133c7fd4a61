"""``showdown compare``: campaigns, or groups of campaigns, side by side with a baseline."""

from collections.abc import Sequence

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from deploy.cli.errors import UsageProblem
from deploy.cli.output import json_option, print_json
from deploy.cli.remote import coordinator_command
from deploy.cli.rest.client import Coordinator
from deploy.cli.shown.columns import portions, width_of
from deploy.cli.shown.figures import figure_text
from deploy.cli.shown.host_factor import print_hosts_of
from domain.reports.verdict_words import VerdictWord
from domain.runs.comparison import COLUMNS, Compared, Comparison
from domain.runs.comparison_table import (
    ABSENT,
    Row,
    SettingRow,
    basis_text,
    confidence_text,
    name_of,
    rows_of,
    setting_rows,
    tag_of,
)
from domain.runs.host_factor import HostFactor
from domain.runs.label_sides import sides_by_label, too_few_values
from domain.values.texts import NONE, ratio_text

_STYLES = {VerdictWord.BETTER: "green", VerdictWord.WORSE: "red", VerdictWord.SAME: "cyan"}
_ON_A_PAGE = 1000  # campaigns with a label
_WIDEST = 30  # characters of a side's column; a longer note takes several lines


@click.command()
@click.argument("baseline", required=False)
@click.argument("others", nargs=-1)
@click.option(
    "--by", metavar="KEY", help="A side for each value of this label; the value that was left first is the baseline."
)
@click.option("--search", default="", help="With --by: only campaigns with these words in name, id, note or labels.")
@json_option
@coordinator_command
def compare(
    coordinator: Coordinator,
    baseline: str | None,
    others: tuple[str, ...],
    *,
    by: str | None,
    search: str,
    as_json: bool,
) -> None:
    """Compare campaigns OTHERS with campaign BASELINE: each figure, its ratio, and what else is not the same.

    Each may be a list of ids with ',' between them: one side. Several campaigns of a side show what differs from boot
    to boot. ID:HOST is the part of a campaign that one of its hosts measured. Without OTHERS: how the hosts of BASELINE
    differ.
    """
    if (baseline is None) == (by is None) or (search and by is None):
        raise UsageProblem("name BASELINE and OTHERS, or give --by KEY; --search is for --by")
    first, *rest = _by_label(coordinator, by, search) if by is not None else (str(baseline), *others)
    found = coordinator.compare(first, *rest) if rest else coordinator.host_factor(first)
    if as_json:
        print_json(found.model_dump(mode="json"))
    elif isinstance(found, HostFactor):
        print_hosts_of(found, Console())
    else:
        print_comparison(found, Console())


def _by_label(coordinator: Coordinator, key: str, search: str) -> list[str]:
    """The sides by the values of a label. Raises :class:`UsageProblem` if there are fewer than two."""
    filters: dict[str, str | int] = {"label": key, "limit": _ON_A_PAGE, **({"q": search} if search else {})}
    sides = sides_by_label(list(coordinator.all_campaigns(**filters)), key)
    if len(sides) < 2:
        raise UsageProblem(too_few_values(key, len(sides)))
    return sides


def print_comparison(found: Comparison, console: Console) -> None:
    """The sides, what differs between them, and a table of figures and one of ratios."""
    for number in found.sides:
        for one in found.campaigns(number):
            name = name_of(found, number).lower()
            console.print(f"{name:<9} {one.name} {one.title}: {one.scope}", highlight=False, markup=False)
    console.print()
    rows = setting_rows(found)
    for row in rows:
        console.print(f"differs   {row.name}: {_setting_text(row)}", highlight=False, markup=False)
    if not rows:
        console.print("Their files and hosts show no difference.")
    for title, cells in (("Figures", found.figures), ("Ratios to the reference, within blocks", found.ratios)):
        if cells:
            _print_table(title, found, rows_of(cells), console)
    if found.caution:
        console.print(f"\n{found.caution}", highlight=False)
    console.print(_reading(found), highlight=False)


def _setting_text(row: SettingRow) -> str:
    """``6.12 → 6.18``; with several other sides ``6.12 → 6.18 (side 1), 6.19 (side 3)``."""
    texts = [(number, _values_text(one)) for number, one in enumerate(row.others, start=1) if one is not None]
    several = len(row.others) > 1
    after = ", ".join(f"{text} (side {number})" if several else text for number, text in texts)
    return f"{_values_text(row.baseline)} → {after}"


def _values_text(values: Sequence[str]) -> str:
    return ", ".join(values) or ABSENT


def _reading(found: Comparison) -> str:
    """How intervals and words are to be read."""
    confidence = confidence_text(found)
    if not confidence:
        return f"Each value is {basis_text(found)}."
    return (
        f"Each value is {basis_text(found)}. Better, worse and same take all figures into account: at most 5 % of "
        f"these words are wrong. Intervals agree with them: they are of {confidence}, exclude 1 where a figure is "
        "better or worse, and are within the margin of equivalence where it is the same. "
        "--json has the 95 % interval of each figure alone, too."
    )


def _print_table(title: str, found: Comparison, rows: Sequence[Row], console: Console) -> None:
    """The table, in as many parts as it takes; each has the baseline."""

    def table(sides: Sequence[str]) -> Table:
        return _table(title, found, rows, list(map(int, sides[1:])))

    for part in portions(
        [str(number) for number in found.sides], lambda sides: width_of(table(sides), console) <= console.width
    ):
        console.print()
        console.print(table(part))


def _table(title: str, found: Comparison, rows: Sequence[Row], sides: Sequence[int]) -> Table:
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for name in ("datapath", "level", "figure"):
        table.add_column(name, no_wrap=True)
    table.add_column("baseline", justify="right")
    is_stacked = len(found.numbers) > 1
    if is_stacked:
        for number in sides:
            head = f"{name_of(found, number).lower()}\n{escape(tag_of(found, number))}"
            table.add_column(head, max_width=_WIDEST)
    else:
        table.add_column("other", justify="right")
        table.add_column("other ÷ baseline", justify="right")
        table.add_column("")
    for row in rows:
        chosen = [cell for cell in row if cell.side in sides]
        texts = [_stacked(cell) for cell in chosen] if is_stacked else _apart(chosen[0])
        first = row[0]
        baseline = figure_text(first.baseline, is_ratio=first.reference is not None)
        table.add_row(first.datapath, first.level, COLUMNS[first.metric], baseline, *texts)
    return table


def _apart(cell: Compared) -> list[str]:
    """Figure, ratio and word of the only other side, in columns of their own."""
    return [figure_text(cell.other, is_ratio=cell.reference is not None), _ratio(cell) or NONE, _word(cell)]


def _stacked(cell: Compared) -> str:
    """Figure and word of a side, and below them its ratio."""
    figure = figure_text(cell.other, is_ratio=cell.reference is not None)
    return f"{figure}\n{cell.note}" if cell.note else f"{figure} {_word(cell)}\n{_ratio(cell)}"


def _ratio(cell: Compared) -> str:
    found = cell.adjusted
    return ratio_text(found.value, found.low, found.high) if found else ""


def _word(cell: Compared) -> str:
    return cell.note or f"[{_STYLES.get(cell.change, 'dim')}]{cell.text}[/]"
