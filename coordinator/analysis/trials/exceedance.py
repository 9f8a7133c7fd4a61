"""Shares of slow requests: their means in a cell, and the words of their comparisons. Pure."""

from typing import Any

from coordinator.analysis.inference.statistics import interval
from coordinator.analysis.inference.word_interval import word_interval
from coordinator.analysis.trials.campaign_results import CampaignResults
from domain.campaigns.campaign import Cell
from domain.loads.metric import share_metrics_of
from domain.reports.report import MIN_PAIRS, Verdict
from domain.reports.verdict_words import VerdictWord
from domain.trials.exceedance import MeanShare
from domain.values.texts import decimals_of, is_one_value, plain_text, significant_text


def mean_shares(data: CampaignResults, cell: Cell) -> dict[str, Any]:
    """The shares of slow requests of a cell; fields of :class:`domain.reports.report.CellResult`."""
    load = data.campaign.levels[cell.level]
    return {metric.value: _mean(data.figures(cell, metric)) for metric in share_metrics_of(load)}


def _mean(percents: list[float]) -> MeanShare | None:
    estimate = interval(percents)
    if estimate is None or estimate.count < MIN_PAIRS or min(percents) == max(percents):
        return MeanShare(value=sum(percents) / len(percents)) if percents else None
    return MeanShare(value=estimate.mean, low=max(0.0, estimate.low), high=min(100.0, estimate.high))


def share_claim(verdict: Verdict, where: str, margin: float) -> str:
    """The statement, with the datapath's share and the difference in percentage points with its interval."""
    if verdict.figure is None:  # pooled over levels: a mean of their shares says nothing
        begin = f"requests of {verdict.datapath} that take over {verdict.metric.over_ms} ms {where}: "
    else:
        share = f"{_percent(verdict.figure)} of the requests of {verdict.datapath}"
        begin = f"{share} take over {verdict.metric.over_ms} ms {where}, "
    if verdict.verdict is VerdictWord.SAME:
        return f"{begin}as of {verdict.reference} within ±{margin:g} percentage points: {points_text(verdict)}"
    if verdict.verdict is VerdictWord.UNCLEAR:
        of = "" if verdict.reference_figure is None else f" with {_percent(verdict.reference_figure)}"
        return f"{begin}unclear against {verdict.reference}{of}: {points_text(verdict)}"
    more = "more" if verdict.verdict is VerdictWord.WORSE else "fewer"
    return f"{begin}{points_text(verdict, signed=False)} {more} than of {verdict.reference}"


def points_text(verdict: Verdict, *, signed: bool = True) -> str:
    """The difference with the interval that belongs to the word: ``+0.20 percentage points [0.10, 0.30]``."""
    found = verdict.difference
    if found is None:
        return ""
    low, high = word_interval(verdict)
    value = found.value
    if not signed and value < 0:
        value, low, high = -value, -high, -low
    places = max(0, decimals_of(low, high))
    points = f"{'+' if signed and value > 0 else ''}{plain_text(value, places)} percentage points"
    if is_one_value(low, high):  # usually both are zero: nothing says how rare such requests are
        return f"{points} in every block"
    begin, end = plain_text(low, places), plain_text(high, places)
    if verdict.verdict in (VerdictWord.BETTER, VerdictWord.WORSE):  # Holm's steps prove a sign: zero is not in it
        begin, end = "above 0" if low == 0 else begin, "below 0" if high == 0 else end
    return f"{points} [{begin}, {end}]"


def _percent(percent: float) -> str:
    return f"{significant_text(percent, 2)} %" if percent < 99.5 else f"{percent:.1f} %"
