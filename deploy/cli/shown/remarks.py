"""Remarks around a report's table: capacities, caveats, the probes' cost, telemetry."""

from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table

from deploy.cli.shown.searched import print_open_capacities, print_searches
from domain.loads.metric import Metric
from domain.reports.report import CampaignReport
from domain.values.texts import number_text, ratio_text


def print_calibration(report: CampaignReport, console: Console) -> None:
    """The capacity behind shares, and the start of searches; or why there is none."""
    searched = any(cell.is_capacity for cell in report.results)
    for workload, found in report.calibrations.items():
        if found.failure:
            console.print(f"[bold red]No capacity:[/bold red] {escape(found.failure)}\n", highlight=False)
        elif found.open_loop is not None:
            print_open_capacities(workload, found, found.open_loop, console)
        elif found.requests_per_s is not None and found.rates_per_s:
            console.print(
                f"Shares of {workload} refer to {found.requests_per_s:,.0f} requests/s, the capacity of its slowest "
                f"datapath, {found.datapath}, at {found.load} on {found.host}\n",
                highlight=False,
            )

        if searched and found.capacities_per_s:
            starts = ", ".join(
                f"{label} {start.per_s:,.0f}{' in the open loop' if start.in_open_loop else ''}"
                for label, start in found.search_starts.items()
            )
            console.print(
                f"Searches of {workload} started around each datapath's capacity at {found.load}, or its upper bound "
                f"in the open loop, requests/s: {starts}\n",
                highlight=False,
            )
    print_searches(report, console)


def print_offloads(report: CampaignReport, console: Console) -> None:
    """The offloads of each level's labs, once for all levels with the same; datapaths never differ."""
    levels: dict[str, list[str]] = {}
    for cell in report.results:
        on = ", ".join(name for name, is_on in cell.offloads.items() if is_on) or "none"
        if cell.offloads and cell.level not in levels.setdefault(on, []):
            levels[on].append(cell.level)
    for on, where in levels.items():
        at = f" at {', '.join(where)}" if len(levels) > 1 else ""
        console.print(escape(f"Offloads on{at}: {on}"), highlight=False)
    if levels:
        console.print()


_COSTS = {Metric.REQUESTS_PER_S: "requests/s", Metric.CPU_US_PER_REQUEST: "CPU/request"}


def print_condition_costs(report: CampaignReport, console: Console) -> None:
    """The cost of a condition for each datapath, by rate and CPU time; --json also has latencies."""
    if not report.condition_costs:
        return
    console.print(
        "[bold]What conditions cost[/bold]: relative to the plain level, from blocks minutes apart", highlight=False
    )
    several = len({cost.workload for cost in report.condition_costs}) > 1
    for metric, title in _COSTS.items():
        table = Table(box=None, padding=(0, 2, 0, 0), title=title, title_justify="left", title_style="")
        table.add_column("", no_wrap=True)
        for heading in ("×", "95 % interval", "pairs"):
            table.add_column(heading, justify="right", no_wrap=True)
        for cost in report.condition_costs:
            if cost.metric is metric:
                where = f"{cost.level} of {cost.workload}" if several else cost.level
                name = f"  {where}, {cost.datapath}"
                ratio, low, high = (number_text(v, cost.low, cost.high, 1.0) for v in (cost.ratio, cost.low, cost.high))
                table.add_row(name, ratio, f"{low} – {high}", f"{cost.pairs}")
        if table.row_count:
            console.print(table)
    console.print()


def print_tolerated(report: CampaignReport, console: Console) -> None:
    """The attacks that filters tolerate, if the campaign has attacks."""
    if report.tolerated_attacks:
        console.print("[bold]What blocked packets cost the others[/bold]", highlight=False)
        for one in report.tolerated_attacks:
            print_item(escape(one.sentence), console)
        console.print()


def print_caveats(report: CampaignReport, console: Console) -> None:
    """The caveats of each cell's figures."""
    for cell in report.results:
        for caveat in cell.caveats:
            print_item(
                f"[yellow]note[/yellow] {cell.datapath}, {cell.workload} at {cell.level}: {escape(caveat)}", console
            )


def print_probe_tax(report: CampaignReport, console: Console) -> None:
    """The cost of watching, of the datapaths where it is proven: the interval excludes 1."""
    taxes = {label: tax for label, tax in (report.campaign.get("probe_tax") or {}).items() if tax["high"] < 1}
    if taxes:
        figures = ", ".join(
            f"{label} {ratio_text(tax['ratio'], tax['low'], tax['high'])}" for label, tax in taxes.items()
        )
        console.print(
            f"\nProbes watched separate slices, which no figure counts; requests/s there: × {figures}",
            highlight=False,
        )


def print_telemetry(report: CampaignReport, console: Console) -> None:
    """The account of the telemetry."""
    account = report.telemetry
    if account.missing:
        console.print(f"\n[yellow]Telemetry is missing:[/yellow] {escape(account.missing)}", highlight=False)
    if account.produced:
        waiting = {"spooled on the host's disk": account.spooled, "still queued": account.queued}
        parts = [
            f"{account.delivered:,} delivered",
            *(f"{points:,} {where}" for where, points in waiting.items() if points),
        ]
        none = "none lost so far" if any(waiting.values()) else "none lost"
        parts.append(f"{account.lost:,} lost" if account.lost else none)
        causes = f" ({account.causes})" if account.causes else ""
        text = f"\nTelemetry: {account.produced:,} points produced, {', '.join(parts)}{causes}"
        console.print(escape(text), highlight=False)


def print_item(text: str, console: Console) -> None:
    """One indented remark."""
    console.print(Padding(text, (0, 0, 0, 2)), highlight=False)
