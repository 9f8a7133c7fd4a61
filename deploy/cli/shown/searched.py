"""What searches found, as text: the capacity that shares refer to, and the bounds behind a capacity level's figure."""

from rich.console import Console
from rich.markup import escape

from domain.loads.searched import OpenCapacities
from domain.reports.calibration import Calibration
from domain.reports.report import CampaignReport, CellResult


def lower_per_s(cell: CellResult) -> float | None:
    """The lower bound of a searched capacity."""
    return None if cell.slo_search is None else cell.slo_search.lower_per_s


def upper_per_s(cell: CellResult) -> float | None:
    """The upper bound of a searched capacity."""
    return None if cell.slo_search is None else cell.slo_search.upper_per_s


def print_open_capacities(workload: str, found: Calibration, open_loop: OpenCapacities, console: Console) -> None:
    """The capacity that shares refer to, that of every datapath, and whether it moved."""
    console.print(
        f"Shares of {workload} refer to {found.requests_per_s:,.0f} requests/s: what its slowest datapath, "
        f"{found.datapath}, carries in an open loop on {found.host}, as the lower bound",
        highlight=False,
    )
    bounds = f"Carried in an open loop (80 % confidence for each): {escape(open_loop.every)}"
    console.print(f"{bounds} ({open_loop.seconds:,.0f} s)", highlight=False)
    if open_loop.check is not None:
        moved = bool(open_loop.check.fell or open_loop.check.rose)
        style = "yellow" if moved or open_loop.check.unknown else "default"
        console.print(f"Checked: [{style}]{escape(open_loop.check.sentence)}[/{style}]", highlight=False)
    console.print()


def print_searches(report: CampaignReport, console: Console) -> None:
    """The trials behind the bounds of each capacity, and what its searches cost."""
    found = [(cell, cell.slo_search) for cell in report.results if cell.slo_search is not None]
    if not found:
        return
    console.print("[bold]Searched capacities[/bold], with the bounds of all searches (98 % confidence for each search)")
    for cell, search in found:
        where = f"{cell.datapath}, {cell.workload} at {cell.level}"
        console.print(
            f"  {where}: {search.range_text}; {search.evidence} ({search.cost})", highlight=False, soft_wrap=True
        )
    console.print()
