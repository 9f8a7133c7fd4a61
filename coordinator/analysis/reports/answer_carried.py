"""The sentence on what each datapath carries: rates with their intervals, and levels that overload some. Pure."""

from collections.abc import Sequence

from coordinator.analysis.reports.answer_table import place_words, workload_words
from domain.campaigns.campaign import Campaign
from domain.loads.load import CapacityLoad, ClosedLoad
from domain.reports.carrying import Carrying
from domain.reports.report import MIN_PAIRS, CampaignReport, CellResult
from domain.reports.verdict_words import CarryingWord
from domain.values.texts import NONE, capitalised, count_per_s_text, is_one_value, listed, p_text

MOST_CARRIED = 4  # datapaths in one part of the sentence


def carried_sentence(campaign: Campaign, report: CampaignReport) -> str:
    """Both parts in one sentence; empty without either."""
    rates = _rates(campaign, report) or _changing(campaign, report)
    text = "; ".join(part for part in (rates, _overload(campaign, report)) if part)
    return f"{capitalised(text)}." if text else ""


def _rates(campaign: Campaign, report: CampaignReport) -> str:
    """The rates within the limit of a capacity level, or else those with the most connections."""
    levels = (*_capacities(campaign), *_closed(campaign))
    for workload, level in ((workload, level) for workload in campaign.workloads for level in levels):
        here = [cell for cell in report.results if (cell.workload, cell.level) == (workload, level)]
        cells = [cell for cell in here if _has_figure(cell)]
        if cells:
            cells.sort(key=lambda cell: -(_rate(cell) or 0.0))
            where = place_words(campaign, report, (level,))
            figures = ", ".join(f"{cell.datapath} {_figure(cell)}" for cell in _few(campaign, cells))
            unknown = listed([cell.datapath for cell in here if cell.left_open])
            left = f"; the search left open what {unknown} can carry" if unknown else ""
            return f"{where} in requests/s: {figures}{left}{workload_words(campaign, workload)}"
    return ""


def _changing(campaign: Campaign, report: CampaignReport) -> str:
    """Where the rate changes during a trial: up to which rate each datapath carried it."""
    for workload, level in ((workload, level) for workload in campaign.workloads for level in campaign.levels):
        here = [cell for cell in report.results if (cell.workload, cell.level) == (workload, level) and cell.compared]
        found = [(cell, up_to) for cell in here if (up_to := cell.carried_up_to) and up_to.blocks >= MIN_PAIRS]
        if found:
            found.sort(key=lambda one: (one[1].whole < one[1].blocks, -one[1].median_per_s))
            texts = {cell.datapath: f"{cell.datapath} {up_to.text}" for cell, up_to in found}
            figures = ", ".join(texts[cell.datapath] for cell in _few(campaign, [cell for cell, _ in found]))
            where = f"{place_words(campaign, report, (level,))}{workload_words(campaign, workload)}"
            return f"{where} the changing rate is carried up to, in requests/s: {figures}"
    return ""


def _overload(campaign: Campaign, report: CampaignReport) -> str:
    """The first level at which Fisher's exact test finds a difference: in how many blocks each carried the load."""
    decided = [one for one in report.carrying if one.word is not CarryingWord.UNCLEAR and one.p is not None]
    if not decided:
        return ""
    first = decided[0]
    key = _key(first)
    alike = [one for one in decided if _key(one) == key][: MOST_CARRIED - 1]
    counts = {one.datapath: one.carried for one in alike} | {first.reference: first.reference_carried}
    ordered = sorted(counts.items(), key=lambda item: -item[1])
    (label, most), *others = ordered
    figures = [f"{label} in {most} of {first.blocks} blocks", *(f"{name} in {count}" for name, count in others)]
    largest = max(one.p or 0.0 for one in alike)
    p = p_text(largest)
    test = f"Fisher's exact test against {first.reference}, p {p if p.startswith('<') else f'≤ {p}'}"
    where = place_words(campaign, report, (first.level,))
    words = workload_words(campaign, first.workload)
    return f"{where} the load is carried by {', '.join(figures)}{words} ({test})"


def _key(one: Carrying) -> tuple[str, str, str, int, int]:
    return one.workload, one.level, one.reference, one.reference_carried, one.blocks


def _capacities(campaign: Campaign) -> list[str]:
    return [level for level, load in campaign.levels.items() if isinstance(load, CapacityLoad)]


def _closed(campaign: Campaign) -> list[str]:
    """Closed levels, the one with the most connections first."""
    found = [(load.connections, level) for level, load in campaign.levels.items() if isinstance(load, ClosedLoad)]
    return [level for _, level in sorted(found, key=lambda one: -one[0])]


def _has_figure(cell: CellResult) -> bool:
    """Whether a rate is of enough blocks; a search answers by itself, as it has several trials beyond each bound."""
    enough = cell.slo_search is not None or cell.pairs >= MIN_PAIRS
    return cell.compared and enough and _rate(cell) is not None


def _rate(cell: CellResult) -> float | None:
    return cell.slo_capacity_per_s if cell.is_capacity else cell.requests_per_s


def _figure(cell: CellResult) -> str:
    """A figure in the digits that the bounds of its searches, or its interval, deserve."""
    rate, search = _rate(cell), cell.slo_search
    if rate is None:
        return NONE
    if search is not None:
        bounds = search.range_text.removesuffix("/s")
        known = None not in (search.lower_per_s, search.upper_per_s)
        low, high = (search.lower_per_s or rate, search.upper_per_s or rate) if known else (rate, rate)
        return f"{count_per_s_text(rate, low, high)} (bounds {bounds})"
    low, high = cell.requests_per_s_low or rate, cell.requests_per_s_high or rate
    text = count_per_s_text(rate, low, high)
    ends = ", ".join(count_per_s_text(end, low, high) for end in (low, high))
    return text if is_one_value(low, high) else f"{text} [{ends}]"


def _few(campaign: Campaign, cells: Sequence[CellResult]) -> list[CellResult]:
    """All cells if they are few; else the highest, the lowest and the reference."""
    if len(cells) <= MOST_CARRIED:
        return list(cells)
    return [cell for cell in cells if cell in (cells[0], cells[-1]) or cell.datapath == campaign.reference_label]
