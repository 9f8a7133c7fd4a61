"""The one table of an answer: a row per datapath, and the few figures that matter as columns. Pure."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from domain.campaigns.campaign import Campaign
from domain.loads.capacity import slo_text
from domain.loads.load import AnyLoad, CapacityLoad, ClosedLoad, OpenLoad
from domain.loads.metric import Metric
from domain.reports.answer import MOST_COLUMNS, Column, Entry, Row
from domain.reports.report import MIN_PAIRS, CampaignReport, CellResult, Price
from domain.values.names import LIMIT
from domain.values.texts import listed, number_text

NONE = "–"
NOTE = f"from fewer than {MIN_PAIRS} blocks, or with a note in the whole report"


@dataclass(frozen=True)
class _Figure:
    """A figure of a kind of level: its heading, its value and its text."""

    heading: str
    metric: Metric
    value: Callable[[CellResult], float | None]
    digits: int = 0


_RATE = _Figure("requests/s", Metric.REQUESTS_PER_S, lambda cell: cell.requests_per_s)
_CPU = _Figure("CPU µs", Metric.CPU_US_PER_REQUEST, lambda cell: cell.cpu_us_per_request, digits=1)
_P50 = _Figure("p50 µs", Metric.LATENCY_P50_US, lambda cell: cell.latency_p50_us)
_CAPACITY = _Figure("requests/s", Metric.SLO_CAPACITY_PER_S, lambda cell: cell.slo_capacity_per_s)


def table_of(
    campaign: Campaign, report: CampaignReport, prices: Sequence[Price]
) -> tuple[tuple[Column, ...], tuple[Row, ...], str]:
    """Columns, rows, and what the mark of a figure means; ``prices`` are those that the answer quotes."""
    cells = {(cell.workload, cell.level, cell.datapath): cell for cell in report.results}
    chosen = _chosen(campaign)
    columns = tuple(
        Column(level=level, load=load_words(campaign, report, level), figure=figure.heading) for level, figure in chosen
    )
    rows = [
        Row(name=label, workload=workload, entries=tuple(_entries(chosen, cells, workload, label)))
        for workload in campaign.workloads
        for label in _labels(campaign, report)
    ]
    rows += _price_rows(report, prices, chosen)
    noted = any(entry.noted for row in rows for entry in row.entries)
    return columns, tuple(rows), NOTE if noted else ""


def load_words(campaign: Campaign, report: CampaignReport, level: str) -> str:
    """A level in short: ``64 connections``, ``12,900/s``, ``p99<=5ms``; several workloads may differ in a rate."""
    load = campaign.levels[level]
    return _bare_words(load, {cell.load for cell in report.results if cell.level == level}) + load.under


def place_words(campaign: Campaign, report: CampaignReport, levels: Sequence[str]) -> str:
    """Where a figure holds, in the words of the table's heading."""
    if len(levels) > 1:
        return f"over {listed(levels)}"
    words = load_words(campaign, report, levels[0])
    return f"at {words}" if isinstance(campaign.levels[levels[0]], ClosedLoad) else f"at {levels[0]} ({words})"


def workload_words(campaign: Campaign, workload: str) -> str:
    """The workload of a figure, if the campaign has several."""
    return f", in {workload}" if len(campaign.workloads) > 1 else ""


def _bare_words(load: AnyLoad, shown: set[str]) -> str:
    if isinstance(load, ClosedLoad):
        return f"{load.connections} connection{'s' * (load.connections != 1)}"
    if isinstance(load, CapacityLoad):
        return slo_text(load.p99_us)
    if isinstance(load, OpenLoad) and load.profile is None:
        return f"{load.rate_per_s:,}/s{load.arrivals}"
    one = next(iter(shown), "") if len(shown) == 1 else ""
    rate = one.partition(" under ")[0].partition(" = ")[2]
    return rate or load.bare


def _figures(is_capacity: bool, *, closed: bool) -> tuple[_Figure, ...]:
    if is_capacity:
        return (_CAPACITY,)
    return (_RATE, _CPU) if closed else (_CPU, _P50)


def _chosen(campaign: Campaign) -> list[tuple[str, _Figure]]:
    """The first figure of each level; if there is room for all, the second of open levels, and then of closed ones."""
    found = [
        (level, number + (number and isinstance(load, ClosedLoad)), figure)
        for level, load in campaign.levels.items()
        for number, figure in enumerate(_figures(isinstance(load, CapacityLoad), closed=isinstance(load, ClosedLoad)))
    ]
    for rank in (2, 1):
        kept = [(level, figure) for level, its_rank, figure in found if its_rank <= rank]
        if len(kept) <= MOST_COLUMNS:
            return kept
    return [(level, figure) for level, its_rank, figure in found if not its_rank][:MOST_COLUMNS]


def _labels(campaign: Campaign, report: CampaignReport) -> list[str]:
    """The reference first, the limit last."""
    limits = {cell.datapath for cell in report.results if cell.role == LIMIT}
    return sorted(campaign.labels, key=lambda label: (label != campaign.reference_label, label in limits))


def _entries(
    chosen: Sequence[tuple[str, _Figure]], cells: dict[tuple[str, str, str], CellResult], workload: str, label: str
) -> Iterable[Entry]:
    seen: set[str] = set()
    for level, figure in chosen:
        cell = cells.get((workload, level, label))
        yield _entry(cell, figure, first=level not in seen)
        seen.add(level)


def _entry(cell: CellResult | None, figure: _Figure, *, first: bool) -> Entry:
    """A figure; without one, the first column of the level has the reason."""
    value = figure.value(cell) if cell is not None else None
    if cell is None or value is None:
        reason = cell.invalid_for.value.replace("_", " ") if cell is not None and cell.invalid_for and first else NONE
        return Entry(text=reason)
    noted = (cell.pairs < MIN_PAIRS and cell.slo_search is None) or bool(cell.caveats)
    return Entry(value=value, text=f"{value:,.{figure.digits}f}", noted=noted)


def _price_rows(
    report: CampaignReport, prices: Sequence[Price], chosen: Sequence[tuple[str, _Figure]]
) -> Iterable[Row]:
    """What the quoted datapaths cost over the other, at every level: means of differences, so not of the rows above."""
    for pair in dict.fromkeys((one.workload, one.datapath, one.over) for one in prices):
        found = {(p.level, p.metric): p for p in report.prices if (p.workload, p.datapath, p.over) == pair}
        workload, label, over = pair
        entries = tuple(_price_entry(found.get((level, figure.metric))) for level, figure in chosen)
        yield Row(name=f"{label} over {over}", workload=workload, is_price=True, entries=entries)


def _price_entry(price: Price | None) -> Entry:
    if price is None or price.may_be_nothing:
        return Entry(text="")
    if price.low_us <= 0 <= price.high_us:  # the ratio of the pairs knows the sign, and nothing knows the size
        end, mark = (price.high_us, "≤") if price.us > 0 else (price.low_us, "≥")
        return Entry(text=f"{mark} {number_text(end, price.low_us, price.high_us)}")
    sign = "+" if price.us >= 0 else ""
    return Entry(value=price.us, text=f"{sign}{number_text(price.us, price.low_us, price.high_us)}")
