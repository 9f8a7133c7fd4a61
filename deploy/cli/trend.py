"""``showdown trend``: the figures of a series of campaigns over time, and where they changed."""

from collections.abc import Mapping, Sequence
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from deploy.cli.errors import UsageProblem
from deploy.cli.output import json_option, print_json
from deploy.cli.remote import coordinator_command
from deploy.cli.rest.client import Coordinator
from deploy.cli.shown.figures import figure_text
from domain.runs.comparison import COLUMNS
from domain.runs.trend import ChangePoint, FactChange, Trend, TrendReport, periods_of
from domain.values.texts import counted

_STYLES = {True: "green", False: "red", None: "dim"}


@click.command()
@click.argument("series_id", required=False)
@click.option("--search", default="", help="List series with these words in the name of a campaign.")
@click.option("--host", default="", help="List series on this host.")
@click.option(
    "--label", multiple=True, metavar="KEY[=VALUE]",
    help="List series of which a campaign has this label; repeated: all of them.",
)  # fmt: skip
@json_option
@coordinator_command
def trend(
    coordinator: Coordinator, series_id: str | None, *, search: str, host: str, label: tuple[str, ...], as_json: bool
) -> None:
    """Show where the figures of SERIES_ID changed their level. Without it, list series.

    A series is the campaigns of one file on the same hosts. 'showdown schedule' starts one at set times.
    """
    wanted = {"search": search, "host": host, "label": ",".join(label)}
    if series_id is None:
        _list(list(coordinator.all_series(**wanted)), as_json=as_json)
        return
    if any(wanted.values()):
        raise UsageProblem("--search, --host and --label are for the list of series: leave out SERIES_ID")
    found = coordinator.trends(series_id)
    if as_json:
        print_json(found.model_dump(mode="json"))
    else:
        print_trends(found, Console())


def print_trends(found: TrendReport, console: Console) -> None:
    """The series, its changes of level, what was new about its hosts, and the newest values."""
    series = found.series
    head = f"{series.name} on {series.hosts}: {counted(len(found.campaigns), 'campaign')}"
    console.print(f"{head}, {series.first_at[:10]} to {series.last_at[:10]}", highlight=False, markup=False)
    for one in found.campaigns:
        if one.changed:
            console.print(f"new at {one.id} ({one.at[:10]}): {_facts(one.changed)}", highlight=False, markup=False)
    if periods := [",".join(ids) for ids in periods_of(found.campaigns)]:
        console.print("the periods between these changes, side by side:", highlight=False)
        console.print(f"  showdown compare {' '.join(periods)}", highlight=False, markup=False, soft_wrap=True)
    changes = [(trend, change) for trend in found.trends for change in trend.changes]
    if changes:
        console.print()
        console.print(_changes(changes))
    elif len(found.campaigns) < found.needed:
        console.print(f"Changes can be found from {found.needed} campaigns on.")
    else:
        console.print("No trend has a change of level.")
    console.print()
    console.print(_newest(found.trends))
    for caution in dict.fromkeys(f"{one.level}: {one.caution}" for one in found.trends if one.caution):
        console.print(caution, highlight=False, markup=False)


def _list(found: Sequence[Mapping[str, Any]], *, as_json: bool) -> None:
    if as_json:
        print_json({"series": found, "total": len(found)})
        return
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("series", "name", "hosts", "campaigns", "newest (UTC)"):
        table.add_column(heading, no_wrap=True, justify="right" if heading == "campaigns" else "left")
    for one in found:
        table.add_row(
            one["id"], one["name"], one["hosts"], str(one["campaigns"]), one["last_at"][:16].replace("T", " ")
        )
    Console().print(table, highlight=False)


def _changes(changes: Sequence[tuple[Trend, ChangePoint]]) -> Table:
    table = Table(title="Changes of level", title_justify="left", box=None, pad_edge=False)
    for name in ("since", "datapath", "level", "figure"):
        table.add_column(name, no_wrap=True)
    for name in ("before", "after", "ratio"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("")
    for trend, change in sorted(changes, key=lambda pair: pair[1].at, reverse=True):
        word = {True: "better", False: "worse", None: ""}[change.better]
        figures = (figure_text(one, is_ratio=trend.reference is not None) for one in (change.before, change.after))
        table.add_row(
            f"{change.campaign} {change.at[:10]}", _label(trend), trend.level, COLUMNS[trend.metric], *figures,
            f"{change.ratio:.3f}", f"[{_STYLES[change.better]}]{word}[/]",
        )  # fmt: skip
    return table


def _newest(trends: Sequence[Trend]) -> Table:
    table = Table(title="Newest values", title_justify="left", box=None, pad_edge=False)
    for name in ("datapath", "level", "figure"):
        table.add_column(name, no_wrap=True)
    table.add_column("newest", justify="right")
    table.add_column("campaigns", justify="right")
    for trend in trends:
        known = [value for value in trend.values if value is not None]
        text = figure_text(trend.values[-1], is_ratio=trend.reference is not None)
        table.add_row(_label(trend), trend.level, COLUMNS[trend.metric], text, str(len(known)))
    return table


def _label(trend: Trend) -> str:
    return f"{trend.datapath} ÷ {trend.reference}" if trend.reference else trend.datapath


def _facts(changed: Sequence[FactChange]) -> str:
    return "; ".join(f"{one.name} {one.before or 'absent'} → {one.after or 'absent'}" for one in changed)
