"""A campaign's report as text: one table per workload, a sentence per verdict, and invalid trials.

The table has a row per load level and a column per datapath, like vendors' tables.
"""

from collections.abc import Callable, Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from deploy.cli.shown import load
from deploy.cli.shown.columns import GAP, heads, portions, width_of
from deploy.cli.shown.crossovers import print_crossovers
from deploy.cli.shown.declared import print_declared
from deploy.cli.shown.expectations import print_expectations
from deploy.cli.shown.fingerprint import print_fingerprints
from deploy.cli.shown.invalid import print_failed, print_invalid
from deploy.cli.shown.remarks import (
    print_calibration,
    print_caveats,
    print_condition_costs,
    print_offloads,
    print_probe_tax,
    print_telemetry,
    print_tolerated,
)
from deploy.cli.shown.searched import lower_per_s, upper_per_s
from deploy.cli.shown.slow import SLOW_FIGURES
from deploy.cli.shown.verdicts import print_verdicts, style_of
from deploy.cli.shown.why import print_why
from domain.loads.metric import Metric
from domain.reports.outcome import is_explained, outcome_line, state_text
from domain.reports.report import MIN_BEYOND, MIN_PAIRS, CampaignReport, CellResult, Percentiles, Verdict
from domain.values.names import LIMIT
from domain.values.texts import NONE, number_text, optional_text

FEW = "*"  # marks a percentile that rests on few slow requests


def print_report(report: CampaignReport, console: Console) -> None:
    """Print the whole report; it fits into 80 columns or the console's width."""
    console.print(headline(report), highlight=False)
    if line := outcome_line(report.campaign):
        console.print(escape(line), highlight=False)
    for workload in dict.fromkeys(cell.workload for cell in report.results):

        def fits(labels: Sequence[str], workload: str = workload) -> bool:
            return width_of(_table(report, workload, labels), console) <= console.width

        for labels in portions(_columns(report, workload), fits):
            console.print()
            console.print(_table(report, workload, labels))
    print_declared(report, console)
    _print_notes(report, console)
    load.print_placement(report, console)
    print_offloads(report, console)
    print_calibration(report, console)
    print_condition_costs(report, console)
    print_tolerated(report, console)
    load.print_carrying(report, console)
    print_verdicts(report, console)
    print_crossovers(report, console)
    print_why(report, console)
    print_caveats(report, console)
    print_invalid(report, console)
    print_failed(report, console)
    if report.left_out:
        console.print(f"\n[bold red]{escape(report.left_out)}[/bold red]", highlight=False)
    print_probe_tax(report, console)
    print_telemetry(report, console)
    print_fingerprints(report, console)
    print_expectations(report, console)


def _print_notes(report: CampaignReport, console: Console) -> None:
    """What the marks and rows of the table mean."""
    if any(verdict.ratio is not None for verdict in report.verdicts):
        console.print(f"×: figure ÷ figure, with the 95 % interval of that pair alone; {MIN_PAIRS} pairs at least.")
        if any(verdict.focused_pairs for verdict in report.verdicts):
            console.print("With blocks of the focus in it, its own figures stand below it.")
        console.print("Only the verdicts below take into account how many comparisons there are.\n")
    load.print_load_notes(report, console)
    if any(cell.latency_us and cell.latency_us.rests_on_few(99.9) for cell in report.results):
        console.print(
            f"{FEW} fewer than {MIN_BEYOND} slow episodes (or requests) in all its valid trials: only a hint\n",
            highlight=False,
        )


def lost_cells(report: CampaignReport) -> list[CellResult]:
    """Cells without a figure for which host noise or a failure is the reason."""
    return [cell for cell in report.results if cell.valid_trials == 0 and not is_explained(cell)]


def reference_of(report: CampaignReport) -> str:
    """The datapath that the others are compared with; empty without comparisons."""
    campaign = report.campaign.get("campaign") or {}
    labels = [campaign.get("reference"), *campaign.get("datapaths", ())]
    named = [label for label in labels if label] or [verdict.reference for verdict in report.verdicts]
    return str(named[0]) if named and report.verdicts else ""


def headline(report: CampaignReport) -> str:
    """The campaign's name, state, outcome, id and seed."""
    facts = report.campaign
    parts = [f"[bold]{escape(str(facts.get('name', '')))}[/bold]", state_text(facts)]
    parts += [f"{name} {facts[name]}" for name in ("id", "seed") if facts.get(name) is not None]
    return " · ".join(part for part in parts if part)


def _columns(report: CampaignReport, workload: str) -> list[str]:
    """Reference first, the limit last, the others in the campaign's order."""
    roles = {cell.datapath: cell.role for cell in report.results if cell.workload == workload}
    reference = reference_of(report)
    return sorted(roles, key=lambda label: (label != reference, roles[label] == LIMIT))


def _table(report: CampaignReport, workload: str, labels: Sequence[str]) -> Table:
    reference = reference_of(report)
    table = Table(
        title=_title(report, workload), title_justify="left", title_style="bold", box=None, padding=(0, GAP, 0, 0)
    )
    table.add_column("", overflow="fold")  # the only one that gives way to numbers
    for label in labels:
        table.add_column(label, justify="right", no_wrap=True)
    cells = {(cell.level, cell.datapath): cell for cell in report.results if cell.workload == workload}
    verdicts = {
        (v.level, v.datapath, v.metric): v
        for v in report.verdicts
        if v.workload == workload and v.reference == reference
    }
    for level in dict.fromkeys(level for level, _ in cells):
        of_level = [cells.get((level, label)) for label in labels]
        first = next(cell for (name, _), cell in cells.items() if name == level)
        head, *lines = heads(first)
        table.add_row(f"[bold]{level}[/bold]{head.removeprefix(level)}")
        for line in lines:
            table.add_row(line)
        for number, (name, show, metric) in enumerate(_figures_of(first)):
            table.add_row(f"  {name}", *(_figure_text(cell, name, show, first=not number) for cell in of_level))
            if metric is not None and reference:
                compared = [verdicts.get((level, label, metric)) for label in labels]
                table.add_row(f"  × {reference}", *map(_ratio, compared))
                table.add_row("    95 % interval", *map(_interval, compared))
                if any(one is not None and one.focused_pairs for one in compared):
                    table.add_row("    its figures", *map(_own_figures, compared))
        table.add_row("")
    return table


def _title(report: CampaignReport, workload: str) -> str:
    """The workload, its parameters, and the number of clients if there are several."""
    campaign = report.campaign.get("campaign") or {}
    values = ", ".join(f"{name} {value:,}" for name, value in campaign.get("parameters", {}).get(workload, {}).items())
    if (clients := campaign.get("clients", 1)) > 1:
        values = ", ".join(filter(None, [values, f"{clients} clients"]))
    return f"{workload} [not bold]({values})[/not bold]" if values else workload


def _figures_of(cell: CellResult) -> "_Figures":
    figures = _CAPACITY_FIGURES if cell.is_capacity else _OPEN_FIGURES if cell.open_loop else _CLOSED_FIGURES
    figures = (*figures, *load.PROFILE_ROWS) if cell.carried_up_to else figures
    return (*figures, _WALKED) if "ballast" in cell.condition else figures


def _figure_text(cell: CellResult | None, name: str, show: Callable[[CellResult], str], *, first: bool) -> str:
    """A figure; without valid trials, the first one is the reason, and others are those of overloaded trials."""
    if cell is None:
        return NONE
    text = show(cell)
    if text != NONE:
        return text
    return f"[red]{cell.invalid_for}[/red]" if first and cell.invalid_for else load.overloaded_text(cell, name) or NONE


def _ratio(verdict: Verdict | None) -> str:
    if verdict is None or verdict.ratio is None:
        return NONE
    text = number_text(verdict.ratio, verdict.low or 0.0, verdict.high or verdict.ratio, 1.0)
    style = style_of(verdict)
    return f"[{style}]{text}[/{style}]" if style else text


def _interval(verdict: Verdict | None) -> str:
    if verdict is None or verdict.low is None or verdict.high is None:
        return NONE
    return _range(verdict.low, verdict.high)


def _own_figures(verdict: Verdict | None) -> str:
    """What a ratio divides, if it is also of blocks that the figures above it do not have."""
    if verdict is None or not verdict.focused_pairs or verdict.figure is None or verdict.reference_figure is None:
        return NONE
    decimals = 1 if verdict.metric is Metric.CPU_US_PER_REQUEST else 0
    return f"{verdict.figure:,.{decimals}f} ÷ {verdict.reference_figure:,.{decimals}f}"


def _range(low: float, high: float) -> str:
    return " – ".join(number_text(end, low, high, 1.0) for end in (low, high))


def _share(cell: CellResult) -> str:
    return NONE if cell.share_of_direct is None else f"{cell.share_of_direct.value * 100:.0f} %"


def _share_interval(cell: CellResult) -> str:
    share = cell.share_of_direct
    if share is None or share.low == share.high:
        return NONE
    return f"{share.low * 100:.0f} – {share.high * 100:.0f} %"


def _pairs(cell: CellResult) -> str:
    if cell.compared:
        return f"{cell.pairs}"
    others = "focus only" if cell.compared_in_focus else "not compared"
    return f"[red]{cell.pairs}, {others}[/red]" if cell.pairs else NONE


def _trials(cell: CellResult) -> str:
    text = f"{cell.valid_trials} of {cell.valid_trials + cell.invalid_trials}"
    return text if cell.invalid_trials == 0 and cell.valid_trials else f"[red]{text}[/red]"


def _conntrack_text(cell: CellResult) -> str:
    return NONE if cell.tracked is None else "yes" if cell.tracked else "no"


def _rate(cell: CellResult) -> str:
    return optional_text(cell.requests_per_s)


def _cpu(cell: CellResult) -> str:
    return optional_text(cell.cpu_us_per_request, 1)


def _latency(value: float | None, pooled: Percentiles | None, percentile: float) -> str:
    """A percentile; marked if few slow episodes of all trials together lie beyond it."""
    return optional_text(value) + (FEW if value is not None and pooled and pooled.rests_on_few(percentile) else "")


def _pooled_p999(cell: CellResult) -> str:
    found = cell.latency_us
    return NONE if found is None else _latency(found.p999, found, 99.9)


# A figure's name, its text, and its metric in verdicts.
_Figures = tuple[tuple[str, Callable[[CellResult], str], Metric | None], ...]
_CLOSED_FIGURES: _Figures = (
    ("requests/s", _rate, Metric.REQUESTS_PER_S),
    ("CPU µs/request", _cpu, None),  # its verdicts are sentences below the table
    ("share of direct", _share, None),
    ("  95 % interval", _share_interval, None),
    *load.CLOSED_ROWS,
    ("pairs", _pairs, None),
    ("valid trials", _trials, None),
    ("tracked", _conntrack_text, None),
)
_OPEN_FIGURES: _Figures = (
    ("CPU µs/request", _cpu, Metric.CPU_US_PER_REQUEST),
    ("latency p50 µs", lambda c: _latency(c.latency_p50_us, c.latency_us, 50), Metric.LATENCY_P50_US),
    ("latency p99 µs", lambda c: _latency(c.latency_p99_us, c.latency_us, 99), Metric.LATENCY_P99_US),
    ("pooled p99.9 µs", _pooled_p999, None),
    *SLOW_FIGURES,
    ("requests/s", _rate, None),
    *load.OPEN_ROWS,
    ("pairs", _pairs, None),
    ("valid trials", _trials, None),
    ("tracked", _conntrack_text, None),
)

_CAPACITY_FIGURES: _Figures = (
    ("SLO requests/s", lambda c: optional_text(c.slo_capacity_per_s), Metric.SLO_CAPACITY_PER_S),
    ("  lower bound", lambda c: optional_text(lower_per_s(c)), None),
    ("  upper bound", lambda c: optional_text(upper_per_s(c)), None),
    ("share of direct", _share, None),
    ("  95 % interval", _share_interval, None),
    *load.CAPACITY_ROWS,
    ("pairs", _pairs, None),
    ("searches", _trials, None),
    ("tracked", _conntrack_text, None),
)
_WALKED = ("ballast packets", lambda cell: optional_text(cell.ballast_packets), None)
