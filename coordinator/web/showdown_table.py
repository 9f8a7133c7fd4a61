"""The report arranged for a page: one table per workload, a row per level, a column per datapath. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from domain.campaigns.campaign import Campaign
from domain.loads.load import CapacityLoad, OpenLoad, ShareLoad
from domain.loads.metric import Metric
from domain.reports.carrying import Carrying
from domain.reports.condition_cost import ConditionCost
from domain.reports.report import CampaignReport, CellResult, Family, Price, Verdict, too_few
from domain.reports.verdict_words import CarryingWord


@dataclass(frozen=True)
class Square:
    """One cell as shown: its figures, and how it compares with the reference (absent for the reference)."""

    label: str
    result: CellResult | None
    verdicts: Mapping[Metric, Verdict] = field(default_factory=dict)
    is_reference: bool = False

    def verdict(self, metric: str) -> Verdict | None:
        """The verdict for a metric, by its name."""
        return self.verdicts.get(Metric(metric))


@dataclass(frozen=True)
class Row:
    """One load level."""

    level: str
    load: str
    squares: tuple[Square, ...]
    open_loop: bool = False
    is_capacity: bool = False

    @property
    def lines(self) -> tuple[str, ...]:
        """The load, and one line per term of its condition."""
        bare, under, terms = self.load.partition(" under ")
        return (bare, *(f"under {term}" for term in terms.split(", "))) if under else (bare,)

    @property
    def connections(self) -> str:
        """Whether the level's connections were tracked; empty if that differs by datapath, or is unknown."""
        known = {s.result.tracked for s in self.squares if s.result and s.result.tracked is not None}
        if len(known) != 1:
            return ""
        return "connections tracked" if known == {True} else "connections not tracked"


@dataclass(frozen=True)
class Table:
    """The results of one workload."""

    workload: str
    labels: tuple[str, ...]
    functions: tuple[str, ...]
    rows: tuple[Row, ...]
    parameters: tuple[str, ...] = ()  # the used values: "body_bytes 1,048,576"


@dataclass(frozen=True)
class CostRow:
    """The cost of one condition for one datapath, by metric."""

    workload: str
    level: str
    plain: str
    label: str
    costs: Mapping[str, ConditionCost]


@dataclass(frozen=True)
class Statement:
    """The exploratory comparisons of one level as sentences: findings, unclear ones, and what lacks pairs."""

    workload: str
    level: str
    load: str
    decided: tuple[Verdict, ...]
    unclear: tuple[Verdict, ...]
    too_few: str


@dataclass(frozen=True)
class PriceRow:
    """What one datapath costs over another of a different function at one level, by metric."""

    workload: str
    level: str
    label: str
    over: str
    prices: Mapping[str, Price]


def tables(campaign: Campaign, report: CampaignReport) -> tuple[Table, ...]:
    """The results table of every workload."""
    results = {(r.workload, r.level, r.datapath): r for r in report.results}
    verdicts = {
        (v.workload, v.level, v.datapath, v.metric): v
        for v in report.verdicts
        if v.reference == campaign.reference_label
    }
    loads = _loads(report)

    def square(workload: str, level: str, label: str) -> Square:
        return Square(
            label=label,
            result=results.get((workload, level, label)),
            verdicts={m: v for m in Metric if (v := verdicts.get((workload, level, label, m)))},
            is_reference=label == campaign.reference_label,
        )

    functions = {r.datapath: r.function for r in report.results}
    return tuple(
        Table(
            workload=workload,
            labels=campaign.labels,
            functions=tuple(functions.get(label, "") for label in campaign.labels),
            rows=tuple(
                Row(
                    level,
                    loads.get((workload, level), str(load)),
                    tuple(square(workload, level, label) for label in campaign.labels),
                    open_loop=isinstance(load, (OpenLoad, ShareLoad)),
                    is_capacity=isinstance(load, CapacityLoad),
                )
                for level, load in campaign.levels.items()
            ),
            parameters=tuple(f"{name} {value:,}" for name, value in campaign.parameters.get(workload, {}).items()),
        )
        for workload in campaign.workloads
    )


def _loads(report: CampaignReport) -> dict[tuple[str, str], str]:
    """Each level as shown to users, a share with its rate."""
    return {(r.workload, r.level): r.load for r in report.results}


def primary_waiting(report: CampaignReport) -> str:
    """One sentence on the primary comparisons that lack pairs."""
    return too_few([v for v in report.verdicts if v.family is Family.PRIMARY])


def statements(campaign: Campaign, report: CampaignReport) -> tuple[Statement, ...]:
    """Exploratory comparisons by workload and level, in the campaign's order; levels without any are left out."""
    loads = _loads(report)
    explored = [v for v in report.verdicts if v.family is Family.EXPLORATORY]
    found = []
    for workload in campaign.workloads:
        for level, load in campaign.levels.items():
            here = [v for v in explored if (v.workload, v.level) == (workload, level)]
            decidable = [v for v in here if v.has_enough_pairs]
            if here:
                found.append(
                    Statement(
                        workload,
                        level,
                        loads.get((workload, level), str(load)),
                        decided=tuple(v for v in decidable if v.decided),
                        unclear=tuple(v for v in decidable if not v.decided),
                        too_few=too_few(here),
                    )
                )
    return tuple(found)


def carrying_rows(report: CampaignReport) -> tuple[Carrying, ...]:
    """Statements on who carries a load, those with a word first; none where both carried it in every block."""
    found = [one for one in report.carrying if not one.is_plain]
    return tuple(sorted(found, key=lambda one: one.word is CarryingWord.UNCLEAR))


def price_rows(report: CampaignReport) -> tuple[PriceRow, ...]:
    """The prices across functions, one row per level and datapath."""
    rows: dict[tuple[str, str, str, str], dict[str, Price]] = {}
    for one in report.prices:
        rows.setdefault((one.workload, one.level, one.datapath, one.over), {})[one.metric.value] = one
    return tuple(PriceRow(*key, prices) for key, prices in rows.items())


def cost_rows(report: CampaignReport) -> tuple[CostRow, ...]:
    """The costs of conditions, one row per level and datapath."""
    rows: dict[tuple[str, str, str, str], dict[str, ConditionCost]] = {}
    for one in report.condition_costs:
        rows.setdefault((one.workload, one.level, one.plain, one.datapath), {})[one.metric.value] = one
    return tuple(CostRow(*key, costs) for key, costs in rows.items())
