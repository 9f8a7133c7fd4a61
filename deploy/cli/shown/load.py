"""How an open level's load was carried, as text: rows of the report's table, and statements below it."""

from collections.abc import Callable

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from domain.hosts.placement import SHARED
from domain.reports.carrying import OverloadedTrials
from domain.reports.report import CampaignReport, CellResult
from domain.reports.verdict_words import CarryingWord
from domain.values.texts import NONE, share_text

Rows = tuple[tuple[str, Callable[[CellResult], str], None], ...]  # a row's name and text; none has a verdict
MARK = "!"  # the latency depends on the generator
_STYLES = {CarryingWord.DOES_NOT_CARRY.value: "red", CarryingWord.UNCLEAR.value: "yellow"}


def carried_text(cell: CellResult) -> str:
    """In how many blocks the load was carried: ``4 of 6``."""
    found = cell.carried_in
    if found is None:
        return NONE
    text = f"{found.blocks} of {found.of}"
    return text if found.blocks == found.of else f"[red]{text}[/red]"


def carried_up_to_text(cell: CellResult) -> str:
    """Where the rate changes: the highest carried one, the blocks' median; ``all`` if each carried all of it."""
    found = cell.carried_up_to
    if found is None:
        return NONE
    return "all" if found.whole == found.blocks else f"{found.median_per_s:,.0f}"


def cpus_text(cell: CellResult) -> str:
    """How full the host was: ``1.49 of 2``."""
    return _cpus(cell.cpus_used, cell.cpus)


def queued_text(cell: CellResult) -> str:
    """The share of requests that waited for a free connection of the generator."""
    return NONE if cell.queued_share is None else f"{share_text(cell.queued_share)}{_mark(cell.is_queued)}"


def lag_text(cell: CellResult) -> str:
    """The generator's own lateness at p99."""
    return NONE if cell.lag_p99_us is None else f"{cell.lag_p99_us:,.0f}{_mark(cell.is_late)}"


def overloaded_text(cell: CellResult, name: str) -> str:
    """The row ``name`` of a cell whose trials were all overloaded; empty for other cells and rows."""
    found = cell.overloaded
    show = _OVERLOADED.get(name)
    return f"[dim]{text}[/dim]" if found and show and not cell.valid_trials and (text := show(found)) else ""


def print_load_notes(report: CampaignReport, console: Console) -> None:
    """What the marks of these rows mean."""
    if any(cell.is_queued or cell.is_late for cell in report.results):
        text = "the latency depends on the generator: queued above 1 %, or lag p99 above 10 % of the latency"
        console.print(f"{MARK} {text}\n", highlight=False)
    if any(cell.overloaded and not cell.valid_trials for cell in report.results):
        console.print("≥ of overloaded trials: what was not answered counts with the time it waited\n", highlight=False)


def print_placement(report: CampaignReport, console: Console) -> None:
    """Whether generator, DUT and origin had CPUs of their own, and how the generator drove open levels."""
    if report.cpu_placement:
        text = escape(report.cpu_placement).replace(SHARED, f"[yellow]{SHARED}[/yellow]")
        console.print(f"CPU placement: {text}\n", highlight=False)
    if report.generator:
        console.print(f"Open levels: {escape(report.generator)}\n", highlight=False)


def print_carrying(report: CampaignReport, console: Console) -> None:
    """A statement per open level and pair of datapaths, where one of them did not carry the load in some block."""
    found = [one for one in report.carrying if not one.is_plain]
    if not found:
        return
    console.print("[bold]Which datapath carries the load[/bold]", highlight=False)
    for one in sorted(found, key=lambda one: one.word is CarryingWord.UNCLEAR):
        row = Table.grid(padding=0)
        row.add_column(no_wrap=True)
        row.add_column()
        row.add_row(f"[{_STYLES[one.title]}]{one.title:>14}[/]  ", escape(one.sentence))
        console.print(row)
    console.print()


def _mark(shown: bool) -> str:
    return f"[yellow]{MARK}[/yellow]" if shown else ""


def _cpus(used: float | None, cpus: int | None) -> str:
    return NONE if used is None or cpus is None else f"{used:.2f} of {cpus}"


def _at_least(value: float | None) -> str:
    return "" if value is None else f"≥ {value:,.0f}"


_OVERLOADED: dict[str, Callable[[OverloadedTrials], str]] = {
    "latency p50 µs": lambda found: _at_least(found.p50_us),
    "latency p99 µs": lambda found: _at_least(found.p99_us),
    "requests/s": lambda found: "" if found.delivered_per_s is None else f"{found.delivered_per_s:,.0f}",
    "CPUs busy": lambda found: _cpus(found.cpus_used, found.cpus),
}

CLOSED_ROWS: Rows = (("CPUs busy", cpus_text, None),)
CAPACITY_ROWS: Rows = (*CLOSED_ROWS, ("queued", queued_text, None), ("p99 lag µs", lag_text, None))
OPEN_ROWS: Rows = (("carried", carried_text, None), *CAPACITY_ROWS)
PROFILE_ROWS: Rows = (("carried up to/s", carried_up_to_text, None),)
"""What each kind of level shows about its load."""
