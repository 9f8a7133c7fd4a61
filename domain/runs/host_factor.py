"""A campaign on several hosts, host by host: what each measured, and how much the hosts differ.

REST, the page and ``showdown compare CAMPAIGN`` show this object.
"""

from pydantic import Field

from domain.loads.metric import Metric
from domain.reports.report import Interval
from domain.values.frozen import Frozen
from domain.values.names import Label, Name


class HostPart(Frozen):
    """The blocks of one host that are compared: those with the fingerprint of most of its blocks."""

    host: str
    kernel: str = Field(default="", description="Empty if unknown.")
    blocks: int = Field(description="Accepted blocks with that fingerprint.")
    left_out: int = Field(default=0, description="Accepted blocks of the host with another fingerprint.")


class HostFigure(Frozen):
    """One host's geometric mean; without an interval if it has too few blocks."""

    host: str
    value: float | None = None
    low: float | None = Field(default=None, description="95 % interval over the host's blocks.")
    high: float | None = None
    count: int = Field(default=0, description="Blocks.")


class Heterogeneity(Frozen):
    """How much the hosts differ: a random-effects meta-analysis on the log scale (DerSimonian-Laird, Hartung-Knapp)."""

    hosts: int = Field(description="Hosts with enough blocks.")
    q: float = Field(description="Cochran's Q, with one degree of freedom fewer than hosts.")
    p: float = Field(description="Of 'all hosts have one value' (Welch), adjusted for all rows (Benjamini-Hochberg).")
    i2: float = Field(description="I²: the share of the hosts' scatter that their blocks' noise does not explain.")
    tau2: float = Field(description="tau²: the variance between hosts, of logarithms.")
    between: float = Field(description="exp(tau) - 1: by how much a host typically is off the mean of hosts.")
    mean: Interval | None = Field(
        default=None, description="Over hosts, for hosts like these; none with fewer than three."
    )
    differs: bool = Field(description="True if the adjusted p is below 0.05.")


class HostCell(Frozen):
    """One figure of a datapath at a level, or its ratio to the reference, on each host."""

    datapath: Label
    workload: Name
    level: Name
    load: str
    metric: Metric
    reference: Label | None = Field(default=None, description="If the figures are ratios to this datapath.")
    hosts: tuple[HostFigure, ...]
    heterogeneity: Heterogeneity | None = Field(default=None, description="None with fewer than two hosts.")


class HostFact(Frozen):
    """A fact that is not the same on all hosts."""

    name: str = Field(description="Such as kernel or cpu_model.")
    values: tuple[str, ...] = Field(description="In the order of `hosts`; empty where it is absent.")


class HostFactor(Frozen):
    """All hosts of a campaign, side by side."""

    id: str
    name: str
    hosts: tuple[HostPart, ...]
    facts: tuple[HostFact, ...] = Field(description="What is not the same on all hosts.")
    figures: tuple[HostCell, ...]
    ratios: tuple[HostCell, ...] = Field(
        description="Each datapath ÷ the reference, within blocks: a host's speed cancels in them."
    )
    caution: str = Field(description="What these figures do not say.")
