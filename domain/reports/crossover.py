"""What a ladder of rates shows: where another datapath begins to win, and where a datapath begins to fail."""

from pydantic import Field

from domain.loads.metric import Metric
from domain.values.frozen import Frozen
from domain.values.names import Label, Name


class Crossover(Frozen):
    """The rate at which the better of two datapaths changes, by one metric."""

    below: Label = Field(description="The better one at lower rates.")
    above: Label = Field(description="The better one at higher rates.")
    workload: Name
    condition: str = ""
    metric: Metric
    per_s: float = Field(description="Where the interpolated difference is zero.")
    low_per_s: float = Field(description="95 % interval.")
    high_per_s: float
    last_below: Name = Field(description="The highest level at which the first one is better.")
    first_above: Name = Field(description="The lowest level at which the other one is better.")
    sentence: str


class OverloadOnset(Frozen):
    """The rates between which a datapath begins to be overloaded."""

    datapath: Label
    workload: Name
    condition: str = ""
    carried_per_s: int | None = Field(
        default=None, description="The highest rate it carries; null: none of the ladder."
    )
    carried: tuple[int, int] | None = Field(default=None, description="In how many of how many blocks it carried that.")
    overloaded_per_s: int = Field(description="The lowest rate that overloads it.")
    overloaded: tuple[int, int] = Field(description="In how many of how many blocks that overloaded it.")
    sentence: str
