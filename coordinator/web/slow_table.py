"""Shares of slow requests arranged for a page: a row per open level and datapath. Pure."""

from dataclasses import dataclass

from domain.loads.metric import SHARE_METRICS
from domain.reports.report import CampaignReport, CellResult
from domain.trials.exceedance import MeanShare
from domain.values.texts import number_text, significant_text


@dataclass(frozen=True)
class SlowRow:
    """One cell; per time the share and its interval as texts, in percent."""

    workload: str
    level: str
    load: str
    label: str
    shares: tuple[tuple[str, str], ...]


def slow_rows(report: CampaignReport) -> tuple[SlowRow, ...]:
    """The cells that have shares, in the report's order."""
    rows = ((cell, [getattr(cell, metric.value) for metric in SHARE_METRICS]) for cell in report.results)
    return tuple(_row(cell, shares) for cell, shares in rows if any(share is not None for share in shares))


def _row(cell: CellResult, shares: list[MeanShare | None]) -> SlowRow:
    return SlowRow(cell.workload, cell.level, cell.load, cell.datapath, tuple(map(_text, shares)))


def _text(share: MeanShare | None) -> tuple[str, str]:
    if share is None:
        return "–", ""
    if share.low is None or share.high is None:
        return f"{significant_text(share.value, 2)} %", ""
    value, low, high = (number_text(one, share.low, share.high) for one in (share.value, share.low, share.high))
    return f"{value} %", f"[{low}, {high}]"
