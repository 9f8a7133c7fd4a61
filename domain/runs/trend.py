"""Trends: the figures of one series of campaigns over time. REST, the page and ``showdown trend`` show these objects.

A series is the campaigns of one file on the same hosts. Their names, descriptions, seeds, margins and expectations may
differ, because they change nothing that is measured.
"""

from collections.abc import Sequence

from pydantic import Field

from domain.loads.metric import Metric
from domain.runs.comparison import newest_sides
from domain.values.frozen import Frozen
from domain.values.names import Label, Name

MOST_CAMPAIGNS = 100  # of one trend, the newest


class Series(Frozen):
    """Campaigns of one file on the same hosts."""

    id: str
    name: str = Field(description="Of its newest campaign.")
    hosts: str = Field(description="With ', ' between them.")
    campaigns: int = Field(description="How many have figures.")
    first_at: str = Field(description="When the first one was started, in UTC.")
    last_at: str


class FactChange(Frozen):
    """A fact of the hosts that is not as in the campaign before: the kernel, a version, a mitigation, a setting."""

    name: str
    before: str = Field(description="Empty if it was absent.")
    after: str


class SeriesCampaign(Frozen):
    """One campaign of a series, with what is new since the campaign before."""

    id: str
    name: str
    at: str = Field(description="When it was started, in UTC.")
    changed: tuple[FactChange, ...] = ()


class ChangePoint(Frozen):
    """Where a trend changed its level."""

    campaign: str = Field(description="The first campaign at the new level.")
    at: str
    before: float = Field(description="The geometric mean from the change before on.")
    after: float = Field(description="The geometric mean until the next change.")
    p: float = Field(description="Of the permutation test, for this trend alone.")
    better: bool | None = Field(description="Whether the new level is better; null for a ratio to the reference.")
    changed: tuple[FactChange, ...] = Field(
        default=(), description="What is new at this campaign or at a neighbour; it need not be the cause."
    )

    @property
    def ratio(self) -> float:
        """The new level ÷ the old one."""
        return self.after / self.before


class Trend(Frozen):
    """One figure of a datapath at one level, or its ratio to the reference within blocks, campaign by campaign."""

    datapath: Label
    workload: Name
    level: Name
    load: str
    metric: Metric
    reference: Label | None = Field(default=None, description="If the values are ratios to this datapath.")
    values: tuple[float | None, ...] = Field(description="By campaign; null if it has too few blocks with the figure.")
    changes: tuple[ChangePoint, ...] = ()
    caution: str = Field(default="", description="Why the values may not be comparable.")


class TrendReport(Frozen):
    """A series with all its trends."""

    series: Series
    campaigns: tuple[SeriesCampaign, ...] = Field(description="The oldest first; at most the newest 100.")
    trends: tuple[Trend, ...]
    false_share: float = Field(description="Of the trends with changes, at most this share has none in truth.")
    needed: int = Field(description="With fewer campaigns, no change can be found.")


def periods_of(campaigns: Sequence[SeriesCampaign]) -> list[tuple[str, ...]]:
    """The ids of the campaigns between changes of their hosts' facts, the oldest first, as sides of one comparison.

    These are the newest periods, and the newest campaigns of each, as many as a comparison takes. Without a change
    there are none.
    """
    periods: list[list[str]] = []
    for one in campaigns:
        if one.changed or not periods:
            periods.append([])
        periods[-1].append(one.id)
    return newest_sides(periods) if len(periods) > 1 else []
