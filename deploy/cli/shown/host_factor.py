"""The hosts of one campaign side by side, for ``showdown compare CAMPAIGN``."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from deploy.cli.shown.figures import figure_text
from domain.runs.comparison import COLUMNS
from domain.runs.host_factor import Heterogeneity, HostCell, HostFactor, HostFigure
from domain.values.texts import percent_text, ratio_text


def print_hosts_of(found: HostFactor, console: Console) -> None:
    """The hosts, in which facts they differ, and every figure of each."""
    for host in found.hosts:
        left_out = f", {host.left_out} with another fingerprint left out" if host.left_out else ""
        kernel = f", Linux {host.kernel}" if host.kernel else ""
        console.print(f"{host.host}: {host.blocks} blocks{left_out}{kernel}", highlight=False, markup=False)
    for fact in found.facts:
        values = ", ".join(value or "absent" for value in fact.values)
        console.print(f"differs   {fact.name}: {values}", highlight=False, markup=False)
    names = [host.host for host in found.hosts]
    for title, cells in (("Ratios to the reference, within blocks", found.ratios), ("Figures", found.figures)):
        if cells and names:
            console.print()
            console.print(_table(title, names, cells))
    console.print(f"\n{found.caution}", highlight=False)
    if len(names) > 1:
        console.print(
            "Intervals are 95 %, of one host alone. 'differ' takes all rows into account: at most 5 % of these words "
            f"are wrong. Two hosts: showdown compare {found.id}:{names[0]} {found.id}:{names[1]}",
            highlight=False,
            markup=False,
        )


def _table(title: str, names: Sequence[str], cells: Sequence[HostCell]) -> Table:
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for name in ("datapath", "level", "figure"):
        table.add_column(name, no_wrap=True)
    for name in (*names, "mean of hosts", "between", "I²"):
        table.add_column(name, justify="right")
    table.add_column("")
    for cell in cells:
        is_ratio = cell.reference is not None
        shown = [_shown(one, is_ratio=is_ratio) for one in cell.hosts]
        rest = _rest(cell.heterogeneity, is_ratio=is_ratio)
        table.add_row(cell.datapath, cell.level, COLUMNS[cell.metric], *shown, *rest)
    return table


def _shown(one: HostFigure, *, is_ratio: bool) -> str:
    if is_ratio and one.value is not None and one.low is not None and one.high is not None:
        return ratio_text(one.value, one.low, one.high)
    return figure_text(one.value, is_ratio=is_ratio)


def _rest(found: Heterogeneity | None, *, is_ratio: bool) -> tuple[str, str, str, str]:
    if found is None:
        return "–", "–", "–", "too few blocks"
    mean = figure_text(found.mean.value if found.mean else None, is_ratio=is_ratio)
    return mean, f"±{percent_text(found.between)}", percent_text(found.i2), "differ" if found.differs else "unclear"
