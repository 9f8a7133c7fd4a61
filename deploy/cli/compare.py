"""``showdown compare``: two campaigns, or two groups of campaigns, side by side."""

from collections.abc import Sequence

import click
from rich.console import Console
from rich.table import Table

from deploy.cli.client import Coordinator
from deploy.cli.figures import figure_text
from deploy.cli.host_factor import print_hosts_of
from deploy.cli.output import json_option, print_json
from deploy.cli.remote import coordinator_command
from domain.comparison import COLUMNS, Basis, Compared, Comparison
from domain.host_factor import HostFactor
from domain.texts import ratio_text

_STYLES = {True: "green", False: "red", None: "dim"}


@click.command()
@click.argument("baseline")
@click.argument("other", required=False)
@json_option
@coordinator_command
def compare(coordinator: Coordinator, baseline: str, other: str | None, *, as_json: bool) -> None:
    """Compare campaign OTHER with campaign BASELINE: each figure, its ratio, and what else is not the same.

    Each may be a list of ids with ',' between them. Several campaigns of a side show what differs from boot to boot.
    ID:HOST is the part of a campaign that one of its hosts measured. Without OTHER: how the hosts of BASELINE differ.
    """
    found = coordinator.compare(baseline, other) if other is not None else coordinator.host_factor(baseline)
    if as_json:
        print_json(found.model_dump(mode="json"))
    elif isinstance(found, HostFactor):
        print_hosts_of(found, Console())
    else:
        print_comparison(found, Console())


def print_comparison(found: Comparison, console: Console) -> None:
    """The two sides, what differs between them, and a table of figures and one of ratios."""
    for name, side in (("baseline", found.baseline), ("other", found.other)):
        for one in side:
            console.print(f"{name:<9} {one.name} {one.title}: {one.scope}", highlight=False, markup=False)
    console.print()
    for setting in found.settings:
        first, second = (", ".join(values) or "absent" for values in (setting.baseline, setting.other))
        console.print(f"differs   {setting.name}: {first} → {second}", highlight=False, markup=False)
    if not found.settings:
        console.print("Their files and hosts show no difference.")
    for title, cells in (("Figures", found.figures), ("Ratios to the reference, within blocks", found.ratios)):
        if cells:
            console.print()
            console.print(_table(title, cells))
    if found.caution:
        console.print(f"\n{found.caution}", highlight=False)
    value = "a block" if found.basis is Basis.BLOCKS else "the mean of a campaign"
    console.print(
        f"Intervals are 95 %, of one figure alone; each value is {value}. Higher and lower take all figures into "
        "account: at most 5 % of these words are wrong.",
        highlight=False,
    )


def _table(title: str, cells: Sequence[Compared]) -> Table:
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for name in ("datapath", "level", "figure"):
        table.add_column(name, no_wrap=True)
    for name in ("baseline", "other", "other ÷ baseline"):
        table.add_column(name, justify="right")
    table.add_column("")
    for cell in cells:
        ratio = ratio_text(cell.ratio.value, cell.ratio.low, cell.ratio.high) if cell.ratio else "–"
        word = cell.note or f"[{_STYLES[cell.is_better]}]{cell.change.value}[/]"
        figures = (figure_text(one, is_ratio=cell.reference is not None) for one in (cell.baseline, cell.other))
        table.add_row(cell.datapath, cell.level, COLUMNS[cell.metric], *figures, ratio, word)
    return table
