"""What a scenario found: a kept report, docs/scenarios/NAME.json, as tables and sentences."""

from collections.abc import Callable, Iterator
from pathlib import Path

from docs.generator.tables import table
from domain.loads.metric import PRICED, Metric
from domain.reports.figure_tables import figure_tables
from domain.reports.report import CampaignReport, CellResult, Family, Price
from domain.values.texts import counted, estimate_text, optional_text

_PLACE = Path(__file__).resolve().parent.parent / "scenarios"


def found_by(scenario: str) -> str:
    """The tables of a scenario's kept report, and where and when it ran; one sentence without a report."""
    path = _PLACE / f"{scenario}.json"
    if not path.exists():
        return "No report is kept yet."
    report = CampaignReport.model_validate_json(path.read_text(encoding="utf-8"))
    scope = f"Scope: {report.answer.scope.text}." if report.answer else ""
    tolerated = "\n".join(f"- {one.sentence}" for one in report.tolerated_attacks)
    parts = (scope, *_figures(report), tolerated, *_conditions(report), *_prices(report), _verdicts(report))
    return "\n\n".join(filter(None, parts))


def _figures(report: CampaignReport) -> Iterator[str]:
    """Each level's own figures, then those that its workload and datapaths declare."""
    declared = {(one.workload, one.level): one for one in figure_tables(report.figures)}
    for workload, level in dict.fromkeys((cell.workload, cell.level) for cell in report.results):
        cells = [cell for cell in report.results if (cell.workload, cell.level) == (workload, level)]
        yield f"**{workload}, {level}: `{cells[0].load}`**"
        shown = [(head, of) for head, of in _COLUMNS.items() if any(of(cell) for cell in cells)]
        rows = [(f"`{cell.datapath}`", *(of(cell) for _, of in shown)) for cell in cells]
        yield table(("datapath", *(head for head, _ in shown)), rows)
        if one := declared.get((workload, level)):
            texts = [(f"`{row.label}`", *("; ".join(filter(None, text)) for text in row.figures)) for row in one.rows]
            yield table(("datapath", *one.heads), texts)


def _conditions(report: CampaignReport) -> Iterator[str]:
    """What each condition costs a datapath, relative to itself without it: a row for both, a column for each metric."""
    metrics = tuple(dict.fromkeys(one.metric for one in report.condition_costs))
    rows: dict[tuple[str, ...], dict[Metric, str]] = {}
    for one in report.condition_costs:
        key = f"`{one.datapath}`", one.workload, f"{one.level} ÷ {one.plain}", f"{one.pairs}"
        rows.setdefault(key, {})[one.metric] = estimate_text(one.ratio, one.low, one.high)
    if rows:
        heads = (
            "datapath",
            "workload",
            "levels",
            "pairs",
            *(f"{one.value.replace('_', ' ')}, ratio" for one in metrics),
        )
        yield table(heads, [(*key, *(found.get(one, "–") for one in metrics)) for key, found in rows.items()])


def _prices(report: CampaignReport) -> Iterator[str]:
    heads = ("datapath", "over", "workload, level", "what it costs", "µs [95 % interval]", "pairs")
    if report.prices:
        yield table(heads, map(_price_row, report.prices))


def _price_row(price: Price) -> tuple[str, ...]:
    where = f"{price.workload}, {price.level}"
    cost = estimate_text(price.us, price.low_us, price.high_us)
    return f"`{price.datapath}`", f"`{price.over}`", where, PRICED[price.metric], cost, f"{price.pairs}"


def _verdicts(report: CampaignReport) -> str:
    """Findings of the primary family, and how many of its comparisons are unclear."""
    primary = [one for one in report.verdicts if one.family is Family.PRIMARY]
    findings = [f"- {one.sentence}" for one in primary if one.decided]
    unclear = sum(not one.decided for one in primary)
    rest = f"- {counted(unclear, 'primary comparison')} of {len(primary)} found nothing: unclear, or too few pairs."
    return "\n".join([*findings, *([rest] if unclear else [])])


def _with_interval(value: float | None, low: float | None, high: float | None) -> str:
    if low is None or high is None:
        return optional_text(value) if value else ""
    return estimate_text(value or 0.0, low, high)


def _invalid(cell: CellResult) -> str:
    why = f" (`{cell.invalid_for}`)" if cell.invalid_for else ""
    return f"{cell.valid_trials} of {cell.valid_trials + cell.invalid_trials}{why}"


_COLUMNS: dict[str, Callable[[CellResult], str]] = {
    "requests/s": lambda of: _with_interval(of.requests_per_s, of.requests_per_s_low, of.requests_per_s_high),
    "CPU µs/request": lambda of: optional_text(of.cpu_us_per_request, 1) if of.cpu_us_per_request else "",
    "p50 µs": lambda of: _with_interval(of.latency_p50_us, of.latency_p50_us_low, of.latency_p50_us_high),
    "p99 µs": lambda of: optional_text(of.latency_p99_us) if of.latency_p99_us else "",
    "valid trials": _invalid,
}
