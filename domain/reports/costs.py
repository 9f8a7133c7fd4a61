"""What a report says in figures besides its verdicts: prices, costs of conditions, tolerated attacks. Pure.

Dashboards show them from one measurement, whatever the unit (domain/reports/campaign_points.py).
"""

from collections.abc import Iterator
from enum import StrEnum
from typing import Literal

from pydantic import Field

from domain.reports.report import CampaignReport
from domain.values.bounds import Figure, Paragraph
from domain.values.frozen import Frozen
from domain.values.names import Label, Name
from domain.values.texts import estimate_text

MAX_COSTS = 50_000  # of one campaign


class CostKind(StrEnum):
    """What the value of a cost is."""

    PRICE = "price"
    CONDITION = "condition"
    ATTACK = "attack"


class Cost(Frozen):
    """One of them, with its 95 % interval where it has one."""

    kind: CostKind
    datapath: Label
    over: Label | Literal[""] = Field(
        description="The datapath that a price is over, or the level that a condition is compared with."
    )
    workload: Name
    level: Name
    figure: Name = Field(description="The metric of a price or of a condition's cost; `tolerated` of an attack.")
    value: Figure = Field(description="µs of a price, a ratio of a condition's cost, packets/s of an attack.")
    low: Figure | None = None
    high: Figure | None = None
    sentence: Paragraph


def costs_of(report: CampaignReport) -> tuple[Cost, ...]:
    """All of them: at most :data:`MAX_COSTS`, prices first. A price that may be nothing has no value, and is absent."""
    return tuple([*_prices(report), *_conditions(report), *_attacks(report)][:MAX_COSTS])


def _prices(report: CampaignReport) -> Iterator[Cost]:
    for one in report.prices:
        if not one.may_be_nothing:
            yield Cost(
                kind=CostKind.PRICE, datapath=one.datapath, over=one.over, workload=one.workload, level=one.level,
                figure=str(one.metric), value=one.us, low=one.low_us, high=one.high_us, sentence=one.sentence,
            )  # fmt: skip


def _conditions(report: CampaignReport) -> Iterator[Cost]:
    for one in report.condition_costs:
        text = estimate_text(one.ratio, one.low, one.high)
        name = one.metric.value.replace("_", " ")
        sentence = f"{one.datapath} at {one.level} has {text} × its {name} at {one.plain}, {one.pairs} pairs."
        yield Cost(
            kind=CostKind.CONDITION, datapath=one.datapath, over=one.plain, workload=one.workload, level=one.level,
            figure=str(one.metric), value=one.ratio, low=one.low, high=one.high, sentence=sentence,
        )  # fmt: skip


def _attacks(report: CampaignReport) -> Iterator[Cost]:
    for one in report.tolerated_attacks:
        if one.per_s is not None:
            yield Cost(
                kind=CostKind.ATTACK, datapath=one.datapath, over="", workload=one.workload, level=one.level,
                figure="tolerated", value=one.per_s, low=one.low_per_s, high=one.high_per_s, sentence=one.sentence,
            )  # fmt: skip
