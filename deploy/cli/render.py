"""A campaign's report as text: one table per workload, a sentence per verdict, and invalid trials.

The table has a row per load level (low, medium, high) and a column per datapath, like vendors' tables.
"""

from collections.abc import Callable, Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from deploy.cli.remarks import (
    print_calibration,
    print_caveats,
    print_condition_costs,
    print_item,
    print_offloads,
    print_probe_tax,
    print_telemetry,
)
from deploy.cli.why import print_why
from domain.failures import InvalidTrial, group_by_reasons
from domain.names import LIMIT
from domain.report import MIN_BEYOND, CampaignReport, CellResult, Metric, Percentiles, Verdict, VerdictWord, too_few

NONE = "–"
FEW = "*"  # marks a percentile of few requests
_GAP = 2
_INTERVAL_WIDTH = 11  # "0.99 – 1.09", the widest usual figure
_MOST_DETAILS = 12  # failed attempts to print; --json has all
_STYLES = {
    VerdictWord.FASTER: "green",
    VerdictWord.SLOWER: "red",
    VerdictWord.EQUIVALENT: "cyan",
    VerdictWord.INCONCLUSIVE: "yellow",
}


def print_report(report: CampaignReport, console: Console) -> None:
    """Print the whole report; it fits into 80 columns or the console's width."""
    console.print(_headline(report), highlight=False)
    for workload in dict.fromkeys(cell.workload for cell in report.results):
        for labels in _portions(_columns(report, workload), console.width):
            console.print()
            console.print(_table(report, workload, labels))
    if any(cell.latency_us and cell.latency_us.rests_on_few(99.9) for cell in report.results):
        console.print(f"{FEW} fewer than {MIN_BEYOND} requests were slower: only a hint\n", highlight=False)
    print_offloads(report, console)
    print_calibration(report, console)
    print_condition_costs(report, console)
    _print_verdicts(report, console)
    print_why(report, console)
    print_caveats(report, console)
    _print_invalid(report.invalid, console)
    _print_failed(report, console)
    if report.left_out:
        console.print(f"\n[bold red]{escape(report.left_out)}[/bold red]", highlight=False)
    print_probe_tax(report, console)
    print_telemetry(report, console)


def cells_without_trial(report: CampaignReport) -> list[CellResult]:
    """Cells without a valid trial."""
    return [cell for cell in report.results if cell.valid_trials == 0]


def reference_of(report: CampaignReport) -> str:
    """The datapath that the others are compared with; empty without comparisons."""
    return next((verdict.reference for verdict in report.verdicts), "")


def _headline(report: CampaignReport) -> str:
    facts = report.campaign
    parts = [f"[bold]{escape(str(facts.get('name', '')))}[/bold]", str(facts.get("state", ""))]
    parts += [f"{name} {facts[name]}" for name in ("id", "seed") if facts.get(name) is not None]
    return " · ".join(part for part in parts if part)


def _columns(report: CampaignReport, workload: str) -> list[str]:
    """Reference first, the limit last, the others in the campaign's order."""
    roles = {cell.datapath: cell.role for cell in report.results if cell.workload == workload}
    reference = reference_of(report)
    return sorted(roles, key=lambda label: (label != reference, roles[label] == LIMIT))


def _portions(labels: Sequence[str], width: int) -> list[list[str]]:
    """As many datapaths side by side as fit; each portion repeats the first one for comparison."""

    def width_of(portion: Sequence[str]) -> int:
        first_column = max(len("  latency p99.9 µs"), len(f"  × {labels[0]}")) + _GAP
        return first_column + sum(max(len(label), _INTERVAL_WIDTH) + _GAP for label in portion)

    portions = [list(labels[:1])]
    for label in labels[1:]:
        if len(portions[-1]) > 1 and width_of([*portions[-1], label]) > width:
            portions.append([labels[0]])
        portions[-1].append(label)
    return portions


def _table(report: CampaignReport, workload: str, labels: Sequence[str]) -> Table:
    reference = reference_of(report)
    table = Table(
        title=_title(report, workload), title_justify="left", title_style="bold", box=None, padding=(0, _GAP, 0, 0)
    )
    table.add_column("", no_wrap=True)
    for label in labels:
        table.add_column(label, justify="right", no_wrap=True)
    cells = {(cell.level, cell.datapath): cell for cell in report.results if cell.workload == workload}
    verdicts = {(v.level, v.datapath, v.metric): v for v in report.verdicts if v.workload == workload}
    for level in dict.fromkeys(level for level, _ in cells):
        of_level = [cells.get((level, label)) for label in labels]
        first = next(cell for (name, _), cell in cells.items() if name == level)
        bare, _, condition = first.load.partition(" under ")
        load, equals, rate = bare.partition(" = ")
        kind, _, slo = load.partition("(")
        table.add_row(f"[bold]{level}[/bold] {kind if first.is_capacity else load}")
        for bound in slo.removesuffix(")").split(", ") if first.is_capacity else ():
            table.add_row(f"  {bound}")
        if equals:  # the rate of a share, on a separate line to save width
            table.add_row(f"  = {rate}")
        for term in condition.split(", ") if condition else ():
            table.add_row(f"  under {term}")
        for number, (name, show, metric) in enumerate(_figures_of(first)):
            table.add_row(f"  {name}", *(_figure_text(cell, show, first=not number) for cell in of_level))
            if metric is not None and reference:
                compared = [verdicts.get((level, label, metric)) for label in labels]
                table.add_row(f"  × {reference}", *map(_ratio, compared))
                table.add_row("    95 % interval", *map(_interval, compared))
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
    return (*figures, _WALKED) if "ballast" in cell.condition else figures


def _figure_text(cell: CellResult | None, show: Callable[[CellResult], str], *, first: bool) -> str:
    """A figure; without valid trials, the first figure of a level is the reason."""
    if cell is None:
        return NONE
    text = show(cell)
    return f"[red]{cell.invalid_for}[/red]" if first and text == NONE and cell.invalid_for else text


def _ratio(verdict: Verdict | None) -> str:
    if verdict is None or verdict.ratio is None:
        return NONE
    style = _STYLES[verdict.verdict]
    return f"[{style}]{verdict.ratio:.2f}[/{style}]"


def _interval(verdict: Verdict | None) -> str:
    if verdict is None or verdict.low is None or verdict.high is None:
        return NONE
    return f"{verdict.low:.2f} – {verdict.high:.2f}"


def _number(value: float | None, digits: int = 0) -> str:
    return NONE if value is None else f"{value:,.{digits}f}"


def _share(cell: CellResult) -> str:
    return NONE if cell.share_of_direct is None else f"{cell.share_of_direct.value * 100:.0f} %"


def _trials(cell: CellResult) -> str:
    text = f"{cell.valid_trials} of {cell.valid_trials + cell.invalid_trials}"
    return text if cell.invalid_trials == 0 and cell.valid_trials else f"[red]{text}[/red]"


def _conntrack_text(cell: CellResult) -> str:
    return NONE if cell.tracked is None else "yes" if cell.tracked else "no"


def _rate(cell: CellResult) -> str:
    return _number(cell.requests_per_s)


def _cpu(cell: CellResult) -> str:
    return _number(cell.cpu_us_per_request, 1)


def _latency(found: Percentiles | None, percentile: float) -> str:
    if found is None:
        return NONE
    value = {50: found.p50, 99: found.p99, 99.9: found.p999}[percentile]
    return _number(value) + (FEW if found.rests_on_few(percentile) else "")


# A figure's name, its text, and its metric in verdicts.
_Figures = tuple[tuple[str, Callable[[CellResult], str], Metric | None], ...]
_CLOSED_FIGURES: _Figures = (
    ("requests/s", _rate, Metric.REQUESTS_PER_S),
    ("CPU µs/request", _cpu, None),  # its verdicts are sentences below the table
    ("share of direct", _share, None),
    ("valid trials", _trials, None),
    ("tracked", _conntrack_text, None),
)
_OPEN_FIGURES: _Figures = (
    ("CPU µs/request", _cpu, Metric.CPU_US_PER_REQUEST),
    ("latency p50 µs", lambda c: _latency(c.latency_us, 50), Metric.LATENCY_P50_US),
    ("latency p99 µs", lambda c: _latency(c.latency_us, 99), Metric.LATENCY_P99_US),
    ("latency p99.9 µs", lambda c: _latency(c.latency_us, 99.9), Metric.LATENCY_P999_US),
    ("requests/s", _rate, None),
    ("valid trials", _trials, None),
    ("tracked", _conntrack_text, None),
)

_CAPACITY_FIGURES: _Figures = (
    ("SLO requests/s", lambda c: _number(c.slo_capacity_per_s), Metric.SLO_CAPACITY_PER_S),
    ("share of direct", _share, None),
    ("searches", _trials, None),
    ("tracked", _conntrack_text, None),
)


_WALKED = ("ballast packets", lambda cell: _number(cell.ballast_packets), None)


def _print_verdicts(report: CampaignReport, console: Console) -> None:
    if not report.verdicts:
        return
    console.print("[bold]Verdicts[/bold] (95 % confidence)", highlight=False)
    for workload, level in dict.fromkeys((verdict.workload, verdict.level) for verdict in report.verdicts):
        here = [verdict for verdict in report.verdicts if (verdict.workload, verdict.level) == (workload, level)]
        for verdict in here:
            if verdict.has_enough_pairs:
                _print_verdict(verdict.verdict.value, _STYLES[verdict.verdict], verdict.sentence, console)
        if waiting := too_few(here):
            _print_verdict("no verdict", "yellow", f"{workload} at {level} load: {waiting}", console)


def _print_verdict(word: str, style: str, sentence: str, console: Console) -> None:
    # The word has its own column; the sentence's further lines align below its first.
    row = Table.grid(padding=0)
    row.add_column(no_wrap=True)
    row.add_column()
    row.add_row(f"[{style}]{word:>12}[/{style}]  ", escape(sentence))
    console.print(row)


def _print_invalid(invalid: Sequence[InvalidTrial], console: Console) -> None:
    """A line per cell and reasons, with the numbers of the first such trial; --json has every trial."""
    if not invalid:
        return
    console.print(f"\n[bold red]Invalid trials: {len(invalid)}[/bold red], not analysed", highlight=False)
    for first, trials in group_by_reasons(invalid):
        reasons = ", ".join(reason.value for reason in first.reasons)
        where = f"{first.datapath}, {first.workload} at {first.level}"
        which = f"block {first.block}, attempt {first.attempt}"
        which = f"{trials} trials, first {which}" if trials > 1 else which
        details = f": {'; '.join(first.details)}" if first.details else ""
        print_item(f"{where}: [red]{reasons}[/red] ({which}{escape(details)})", console)


def _print_failed(report: CampaignReport, console: Console) -> None:
    if not report.failed_attempts:
        return
    console.print(f"\n[bold]Attempts without a result: {len(report.failed_attempts)}[/bold]", highlight=False)
    for failed in report.failed_attempts[:_MOST_DETAILS]:
        print_item(f"block {failed.block}, attempt {failed.attempt} on {failed.host}: {escape(failed.reason)}", console)
    if len(report.failed_attempts) > _MOST_DETAILS:
        print_item(f"and {len(report.failed_attempts) - _MOST_DETAILS} more; --json has them all", console)
