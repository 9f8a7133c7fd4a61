"""The report arranged for a page: one table per workload, levels down, datapaths across. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from domain.campaign import Campaign
from domain.report import CampaignReport, CellResult, Metric, Verdict


@dataclass(frozen=True)
class Square:
    """One cell as shown: its figures, and how it compares with the reference (absent for the reference itself)."""

    label: str
    result: CellResult | None
    rate: Verdict | None
    cpu: Verdict | None
    is_reference: bool


@dataclass(frozen=True)
class Row:
    """One load level."""

    level: str
    load: str
    squares: tuple[Square, ...]


@dataclass(frozen=True)
class Table:
    """One workload's showdown."""

    workload: str
    labels: tuple[str, ...]
    functions: tuple[str, ...]
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Statement:
    """The verdicts of one level, in sentences."""

    workload: str
    level: str
    load: str
    verdicts: tuple[Verdict, ...]


def tables(campaign: Campaign, report: CampaignReport) -> tuple[Table, ...]:
    """The showdown table of every workload."""
    results = {(r.workload, r.level, r.datapath): r for r in report.results}
    verdicts = {
        (v.workload, v.level, v.datapath, v.metric): v
        for v in report.verdicts
        if v.reference == campaign.reference_label
    }

    def square(workload: str, level: str, label: str) -> Square:
        return Square(
            label=label,
            result=results.get((workload, level, label)),
            rate=verdicts.get((workload, level, label, Metric.REQUESTS_PER_S)),
            cpu=verdicts.get((workload, level, label, Metric.CPU_US_PER_REQUEST)),
            is_reference=label == campaign.reference_label,
        )

    functions = {r.datapath: r.function for r in report.results}
    return tuple(
        Table(
            workload=workload,
            labels=campaign.labels,
            functions=tuple(functions.get(label, "") for label in campaign.labels),
            rows=tuple(
                Row(level, str(load), tuple(square(workload, level, label) for label in campaign.labels))
                for level, load in campaign.levels.items()
            ),
        )
        for workload in campaign.workloads
    )


def statements(campaign: Campaign, verdicts: Sequence[Verdict]) -> tuple[Statement, ...]:
    """Verdicts by workload and level, in the campaign's order; levels without one are left out."""
    groups = [
        Statement(
            workload,
            level,
            str(load),
            tuple(v for v in verdicts if (v.workload, v.level) == (workload, level)),
        )
        for workload in campaign.workloads
        for level, load in campaign.levels.items()
    ]
    return tuple(group for group in groups if group.verdicts)
