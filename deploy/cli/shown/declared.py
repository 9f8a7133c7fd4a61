"""The figures that workloads declare besides the usual ones, as tables."""

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from domain.reports.figure_tables import FigureTable, FigureText, figure_tables
from domain.reports.report import CampaignReport


def print_declared(report: CampaignReport, console: Console) -> None:
    """A table for each workload and level: a row for each figure, a column for each datapath."""
    tables = figure_tables(report.figures)
    if not tables:
        return
    console.print(
        "\n[bold]Figures that workload or datapath declare[/bold], means over valid trials, "
        "with 95 % intervals from five trials on",
        highlight=False,
    )
    for table in tables:
        console.print(_table(table))


def _table(found: FigureTable) -> Table:
    title = f"{found.workload}, {found.level}"
    table = Table(box=None, padding=(0, 2, 0, 0), title=title, title_justify="left", title_style="")
    table.add_column("")
    for row in found.rows:
        table.add_column(row.label, justify="right")
    for place, head in enumerate(found.heads):
        table.add_row(escape(head), *(_text(row.figures[place]) for row in found.rows))
    return table


def _text(one: FigureText) -> str:
    added = f"{one.added} over the limit" if one.added else ""
    return "\n".join(filter(None, (one.value, one.bounds.replace("[", r"\["), added.replace("[", r"\["))))
