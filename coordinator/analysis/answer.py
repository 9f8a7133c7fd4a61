"""The answer to a campaign's question: at most three sentences and a table. Pure.

A sentence quotes a finished report and computes nothing, so it cannot differ from the report's lists. Each has its
gate: a comparison is primary and has its simultaneous interval, a price and a figure are of five blocks or more.
"""

from collections.abc import Sequence

from coordinator.analysis.answer_table import figure_text, load_words, table_of
from coordinator.analysis.prices import us_text
from domain.answer import Answer, Scope, Statement, Topic
from domain.campaign import Campaign
from domain.load import ClosedLoad
from domain.metric import Metric
from domain.names import FUNCTIONS, LIMIT
from domain.report import MIN_PAIRS, CampaignReport, CellResult, Family, Price, Verdict, VerdictWord
from domain.texts import fit_text, number_text, ratio_text

MOST_CLAUSES = 4  # comparisons in one sentence
MOST_FUNCTIONS = 3  # priced in one sentence
MOST_CARRIED = 4  # datapaths in one sentence
_ORDER = (Metric.CPU_US_PER_REQUEST, Metric.LATENCY_P50_US, Metric.SLO_CAPACITY_PER_S, Metric.REQUESTS_PER_S)
_SUBJECTS = {
    Metric.CPU_US_PER_REQUEST: "CPU per request of the whole host",
    Metric.LATENCY_P50_US: "p50 latency",
    Metric.SLO_CAPACITY_PER_S: "capacity",
    Metric.REQUESTS_PER_S: "requests/s",
}
_CLAIMS = {  # better, worse
    Metric.CPU_US_PER_REQUEST: ("less", "more"),
    Metric.LATENCY_P50_US: ("a lower", "a higher"),
    Metric.SLO_CAPACITY_PER_S: ("more", "less"),
    Metric.REQUESTS_PER_S: ("more", "fewer"),
}
_PRICED = {Metric.CPU_US_PER_REQUEST: "CPU", Metric.LATENCY_P50_US: "p50 latency"}


def answer_of(campaign: Campaign, report: CampaignReport, scope: Scope) -> Answer:
    """The answer that ``report`` supports."""
    judged = _judged(report)
    quoted = _quoted(campaign, judged)
    prices = _example_prices(campaign, report)
    texts = {
        Topic.COMPARED: _compared(campaign, report, quoted),
        Topic.PRICE: _priced(campaign, report, prices),
        Topic.CARRIED: _carried(campaign, report),
    }
    statements = tuple(Statement(topic=topic, sentence=text) for topic, text in texts.items() if text)
    columns, rows, note = table_of(campaign, report, prices)
    return Answer(
        statements=statements,
        missing="" if statements else _missing(report),
        further=_further(len(judged) - len(quoted)),
        columns=columns,
        rows=rows,
        note=note,
        scope=scope,
    )


def _judged(report: CampaignReport) -> list[Verdict]:
    """The primary verdicts with an interval that holds for all of them together."""
    return [
        one
        for one in report.verdicts
        if one.family is Family.PRIMARY
        and one.has_enough_pairs
        and one.verdict is not VerdictWord.NONE
        and None not in (one.p, one.ratio, one.simultaneous_low, one.simultaneous_high)
    ]


def _quoted(campaign: Campaign, judged: Sequence[Verdict]) -> list[Verdict]:
    """Those with the campaign's reference, or with the first reference that has any, in the order of the metrics."""
    first = next((one for one in judged if campaign.reference_label == one.reference), None) or next(iter(judged), None)
    ours = [one for one in judged if first and (one.reference, one.workload) == (first.reference, first.workload)]
    ours.sort(key=lambda one: (campaign.labels.index(one.datapath), _ORDER.index(one.metric)))
    return ours[:MOST_CLAUSES]


def _compared(campaign: Campaign, report: CampaignReport, quoted: Sequence[Verdict]) -> str:
    if not quoted:
        return ""
    parts = []
    for label in dict.fromkeys(one.datapath for one in quoted):
        clauses = [_clause(campaign, report, one) for one in quoted if one.datapath == label]
        parts.append(f"{label} compared with {quoted[0].reference}: {'; '.join(clauses)}")
    return f"{'; '.join(parts)}{_of(campaign, quoted[0].workload)}."


def _clause(campaign: Campaign, report: CampaignReport, verdict: Verdict) -> str:
    low, high = verdict.simultaneous_low or 0.0, verdict.simultaneous_high or 0.0
    subject = _SUBJECTS[verdict.metric]
    where = _place(campaign, report, verdict.pooled_over or (verdict.level,))
    if verdict.verdict is VerdictWord.INCONCLUSIVE:
        return f"in {subject} {where} the data fit anything from {fit_text(low, high)}"
    value, _, bounds = ratio_text(verdict.ratio or 0.0, low, high).partition(" ")
    if verdict.verdict is VerdictWord.EQUIVALENT:
        margin = f"±{100 * campaign.equivalence_margin:g} %"
        return f"the same {subject} within {margin} {where}, {value} × {bounds}"
    claim = _CLAIMS[verdict.metric][verdict.verdict is VerdictWord.SLOWER]
    return f"{claim} {subject} {where}, {value} × {bounds}"


def _place(campaign: Campaign, report: CampaignReport, levels: Sequence[str]) -> str:
    """Where a figure holds, in the words of the table's heading."""
    if len(levels) > 1:
        return f"over {', '.join(levels[:-1])} and {levels[-1]}"
    words = load_words(campaign, report, levels[0])
    return f"at {words}" if isinstance(campaign.levels[levels[0]], ClosedLoad) else f"at {levels[0]} ({words})"


def _of(campaign: Campaign, workload: str) -> str:
    return f", in {workload}" if len(campaign.workloads) > 1 else ""


def _example_prices(campaign: Campaign, report: CampaignReport) -> list[Price]:
    """The prices that a sentence quotes, all of one level: one datapath for each function.

    That is the reference, or the function's first datapath: a choice that no figure decides. The level is the middle
    one of those with the most priced metrics.
    """
    workload = next((one.workload for one in report.prices), "")
    ours = [one for one in report.prices if one.workload == workload]
    metrics = {level: {one.metric for one in ours if one.level == level} for level in campaign.levels}
    most = max(map(len, metrics.values()), default=0)
    levels = [level for level, found in metrics.items() if found and len(found) == most]
    if not levels:
        return []
    here = [one for one in ours if one.level == levels[len(levels) // 2]]
    functions = {cell.datapath: cell.function for cell in report.results}
    labels: dict[str, str] = {}
    for label in sorted({one.datapath for one in here}, key=lambda one: _rank(campaign, one)):
        labels.setdefault(functions.get(label, ""), label)
    chosen = list(labels.values())[:MOST_FUNCTIONS]
    return [one for label in chosen for one in here if one.datapath == label]


def _rank(campaign: Campaign, label: str) -> tuple[bool, int]:
    return label != campaign.reference_label, campaign.labels.index(label)


def _priced(campaign: Campaign, report: CampaignReport, prices: Sequence[Price]) -> str:
    if not prices:
        return ""
    first, functions = prices[0], {cell.datapath: cell.function for cell in report.results}
    limits = {cell.datapath for cell in report.results if cell.role == LIMIT}
    costs = []
    for label in dict.fromkeys(one.datapath for one in prices):
        each = " and ".join(_cost(one) for one in prices if one.datapath == label)
        function = functions.get(label, "")
        costs.append(f"{FUNCTIONS.get(function, function)} ({label}) costs {each}")
    path = f"the routed path ({first.over})" if first.over in limits else first.over
    text = "; ".join(costs)
    where = _place(campaign, report, (first.level,))
    return f"{text[:1].upper()}{text[1:]} per request over {path} {where}{_of(campaign, first.workload)}."


def _cost(price: Price) -> str:
    nothing = " (it may be nothing)" if price.low_us <= 0 <= price.high_us else ""
    return f"{us_text(price)} of {_PRICED[price.metric]}{nothing}"


def _carried(campaign: Campaign, report: CampaignReport) -> str:
    """What each carries: within the limit of a capacity level, or else with the most connections."""
    shapes = [(w, level) for w in campaign.workloads for level in (*_capacities(campaign), *_closed(campaign))]
    for workload, level in shapes:
        cells = [c for c in report.results if (c.workload, c.level) == (workload, level) and _has_figure(c)]
        if cells:
            cells.sort(key=lambda cell: -(_rate(cell) or 0.0))
            where = _place(campaign, report, (level,))
            figures = ", ".join(f"{cell.datapath} {_figure(cell)}" for cell in _few(campaign, cells))
            unit = " requests/s"
            return f"{where[:1].upper()}{where[1:]} in{unit}: {figures}{_of(campaign, workload)}."
    return ""


def _capacities(campaign: Campaign) -> list[str]:
    return [level for level, load in campaign.levels.items() if load.kind == "capacity"]


def _closed(campaign: Campaign) -> list[str]:
    """Closed levels, the one with the most connections first."""
    found = [(load.connections, level) for level, load in campaign.levels.items() if isinstance(load, ClosedLoad)]
    return [level for _, level in sorted(found, key=lambda one: -one[0])]


def _has_figure(cell: CellResult) -> bool:
    return cell.compared and cell.pairs >= MIN_PAIRS and _rate(cell) is not None


def _rate(cell: CellResult) -> float | None:
    return cell.slo_capacity_per_s if cell.is_capacity else cell.requests_per_s


def _figure(cell: CellResult) -> str:
    """A figure as the table has it, with its interval."""
    low, high = (
        (cell.slo_capacity_per_s_low, cell.slo_capacity_per_s_high)
        if cell.is_capacity
        else (cell.requests_per_s_low, cell.requests_per_s_high)
    )
    if low is None or high is None:
        return figure_text(cell)
    return f"{figure_text(cell)} [{number_text(low, low, high)}, {number_text(high, low, high)}]"


def _few(campaign: Campaign, cells: Sequence[CellResult]) -> list[CellResult]:
    """All cells if they are few; else the highest, the lowest and the reference."""
    if len(cells) <= MOST_CARRIED:
        return list(cells)
    return [cell for cell in cells if cell in (cells[0], cells[-1]) or cell.datapath == campaign.reference_label]


def _further(count: int) -> str:
    if count <= 0:
        return ""
    return f"{count} further primary {'comparison is' if count == 1 else 'comparisons are'} in the whole report."


def _missing(report: CampaignReport) -> str:
    """Why there is no sentence."""
    most = max((cell.pairs for cell in report.results), default=0)
    pairs = "no datapath has a valid one" if not most else f"the most that any figure has is {most}"
    return f"No answer yet: a sentence needs {MIN_PAIRS} valid blocks, and {pairs}."
