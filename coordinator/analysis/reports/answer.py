"""The answer to a campaign's question: at most three sentences and a table. Pure.

A sentence quotes a finished report and computes nothing, so it cannot differ from the report's lists. Each has its
gate: a comparison is primary and has its simultaneous interval, a price and a figure are of five blocks or more.
"""

from collections import Counter
from collections.abc import Sequence

from coordinator.analysis.inference.weights import weight_words
from coordinator.analysis.inference.word_interval import ratio_and_interval, word_interval
from coordinator.analysis.reports.answer_carried import carried_sentence
from coordinator.analysis.reports.answer_table import place_words, table_of, workload_words
from coordinator.analysis.reports.prices import cost_words
from domain.campaigns.campaign import Campaign
from domain.campaigns.margins import margin_of, margin_text
from domain.loads.metric import Metric
from domain.reports.answer import Answer, Scope, Statement, Topic
from domain.reports.report import MIN_PAIRS, CampaignReport, Family, Price, Verdict
from domain.reports.verdict_words import VerdictWord
from domain.trials.failures import counts_of
from domain.trials.trial import Reason
from domain.values.names import FUNCTIONS, LIMIT
from domain.values.texts import capitalised, fit_text

MOST_CLAUSES = 4  # comparisons in one sentence
MOST_FUNCTIONS = 3  # priced in one sentence
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
        Topic.CARRIED: carried_sentence(campaign, report),
    }
    statements = tuple(Statement(topic=topic, sentence=text) for topic, text in texts.items() if text)
    columns, rows, note = table_of(campaign, report, prices)
    return Answer(
        statements=statements,
        missing="" if statements else _missing(report),
        further=" ".join(
            filter(None, (_further(report, sum(map(_is_answered, report.verdicts)) - len(quoted)), _focused(quoted)))
        ),
        columns=columns,
        rows=rows,
        note=note,
        scope=scope,
    )


def _is_answered(one: Verdict) -> bool:
    """Whether a verdict is primary and has its word."""
    return (
        one.family is Family.PRIMARY
        and one.has_enough_pairs
        and one.verdict is not VerdictWord.NONE
        and one.p is not None
    )


def _judged(report: CampaignReport) -> list[Verdict]:
    """The primary ratios with an interval that holds for all primary comparisons together."""
    return [
        one
        for one in filter(_is_answered, report.verdicts)
        if None not in (one.ratio, one.simultaneous_low, one.simultaneous_high)
    ]


def _quoted(campaign: Campaign, judged: Sequence[Verdict]) -> list[Verdict]:
    """Those with the campaign's reference, or with the first reference that has any, in the order of the metrics."""
    worded = [one for one in judged if one.metric in _SUBJECTS]
    first = next((one for one in worded if campaign.reference_label == one.reference), None) or next(iter(worded), None)
    ours = [one for one in worded if first and (one.reference, one.workload) == (first.reference, first.workload)]
    ours.sort(key=lambda one: (campaign.labels.index(one.datapath), _ORDER.index(one.metric)))
    return ours[:MOST_CLAUSES]


def _compared(campaign: Campaign, report: CampaignReport, quoted: Sequence[Verdict]) -> str:
    if not quoted:
        return ""
    parts = []
    for label in dict.fromkeys(one.datapath for one in quoted):
        ours = [one for one in quoted if one.datapath == label]
        clauses = [_claim(campaign, report, one) for one in ours if one.verdict is not VerdictWord.UNCLEAR]
        fits = [_fit(campaign, report, one) for one in ours if one.verdict is VerdictWord.UNCLEAR]
        clauses += [f"the data fit anything from {', '.join(fits)}"] if fits else []
        parts.append(f"{label} compared with {quoted[0].reference}: {'; '.join(clauses)}")
    return f"{'; '.join(parts)}{workload_words(campaign, quoted[0].workload)}."


def _claim(campaign: Campaign, report: CampaignReport, verdict: Verdict) -> str:
    """What a verdict with a word says: ``more requests/s at 64 connections (1.09 × [1.05, 1.14])``."""
    subject, where = _subject(campaign, report, verdict)
    value, bounds = ratio_and_interval(verdict)
    if verdict.verdict is VerdictWord.SAME:
        margin = margin_text(verdict.metric, margin_of(verdict.metric, campaign.margins, campaign.equivalence_margin))
        return f"the same {subject} within ±{margin} {where} ({value} × {bounds}{_weight(verdict, '; ')})"
    claim = _CLAIMS[verdict.metric][verdict.verdict is VerdictWord.WORSE]
    return f"{claim} {subject} {where} ({value} × {bounds}{_weight(verdict, '; ')})"


def _fit(campaign: Campaign, report: CampaignReport, verdict: Verdict) -> str:
    subject, where = _subject(campaign, report, verdict)
    return f"{fit_text(*word_interval(verdict))} in {subject} {where}{_weight(verdict, ', where ')}"


def _weight(verdict: Verdict, before: str) -> str:
    """That one level decides a pooled estimate, after ``before``; empty if none does."""
    most = weight_words(verdict.pooled_over, verdict.weights)
    return f"{before}{most}" if most else ""


def _subject(campaign: Campaign, report: CampaignReport, verdict: Verdict) -> tuple[str, str]:
    return _SUBJECTS[verdict.metric], place_words(campaign, report, verdict.pooled_over or (verdict.level,))


def _example_prices(campaign: Campaign, report: CampaignReport) -> list[Price]:
    """The prices that a sentence quotes, all of one level: one datapath for each function.

    That is the reference, or the function's first datapath: a choice that no figure decides. The level is the middle
    one of those with the most priced metrics.
    """
    workload = next((one.workload for one in report.prices if one.metric in _PRICED), "")
    ours = [one for one in report.prices if one.workload == workload and one.metric in _PRICED]
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
    overs = {one.datapath: one.over for one in reversed(here)}  # the first of each: one sentence has one
    base = overs[chosen[0]]
    return [one for label in chosen for one in here if (one.datapath, one.over) == (label, base)]


def _rank(campaign: Campaign, label: str) -> tuple[bool, int]:
    return label != campaign.reference_label, campaign.labels.index(label)


def _priced(campaign: Campaign, report: CampaignReport, prices: Sequence[Price]) -> str:
    if not prices:
        return ""
    first, functions = prices[0], {cell.datapath: cell.function for cell in report.results}
    limits = {cell.datapath for cell in report.results if cell.role == LIMIT}
    costs = []
    for label in dict.fromkeys(one.datapath for one in prices):
        each = _costs([one for one in prices if one.datapath == label])
        function = functions.get(label, "")
        costs.append(f"{FUNCTIONS.get(function, function)} ({label}) {each}")
    path = f"the routed path ({first.over})" if first.over in limits else first.over
    text = "; ".join(costs)
    where = place_words(campaign, report, (first.level,))
    return f"{capitalised(text)} per request over {path} {where}{workload_words(campaign, first.workload)}."


def _costs(prices: Sequence[Price]) -> str:
    parts, said = [], ""
    for one in prices:
        verb, cost = cost_words(one, _PRICED[one.metric])
        nothing = " (it may be nothing)" if one.may_be_nothing else ""
        parts.append(f"{cost}{nothing}" if verb == said else f"{verb} {cost}{nothing}")
        said = verb
    return " and ".join(parts)


def _further(report: CampaignReport, count: int) -> str:
    """What no sentence has: comparisons without room, or all of them before a look at the data."""
    if report.exactness.no_word:
        return f"There is {report.exactness.no_word}."
    if count <= 0:
        return ""
    return f"{count} further primary {'verdict is' if count == 1 else 'verdicts are'} in the whole report."


def _focused(quoted: Sequence[Verdict]) -> str:
    """That a ratio is of more blocks than the figures of the table; empty without a focus."""
    one = next((one for one in quoted if one.focused_pairs), None)
    if one is None:
        return ""
    pairs = f"{one.pairs} pairs, {one.focused_pairs} of them in blocks of the focus alone"
    return f"{one.datapath} and {one.reference} have {pairs}; figures in the table are of the other blocks."


def _missing(report: CampaignReport) -> str:
    """Why there is no sentence: too few blocks, and what most often took them out."""
    most = max((cell.pairs for cell in report.results), default=0)
    if most >= MIN_PAIRS:
        if report.exactness.no_word:  # `further` says when there is one
            return ""
        return "None of the figures is of a kind that a sentence quotes; the whole report has them."
    pairs = "no datapath has a valid one" if not most else f"the most that any figure has is {most}"
    reasons: Counter[Reason] = Counter()
    for one in counts_of(report):
        reasons.update(dict.fromkeys(one.reasons, one.trials))
    why = f"; the most common reason is {max(reasons, key=reasons.__getitem__).value}" if reasons else ""
    return f"A sentence needs {MIN_PAIRS} valid blocks, and {pairs}{why}."
