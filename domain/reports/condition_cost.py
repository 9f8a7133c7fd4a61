"""What a condition costs a datapath, relative to itself without it."""

from pydantic import Field

from domain.loads.metric import Metric
from domain.values.frozen import Frozen
from domain.values.names import Label, Name


class ConditionCost(Frozen):
    """A datapath under a condition relative to itself in the plain one, at the same load; it gets no verdict."""

    datapath: Label
    workload: Name
    level: Name
    plain: Name = Field(description="The level in the plain condition.")
    metric: Metric
    pairs: int = Field(ge=2, description="Pairs of blocks that had the same turn on their host.")
    ratio: float
    low: float
    high: float
