"""What the planner says before a campaign: the differences that its design can show, on the hosts that it has."""

from pydantic import Field

from domain.loads.metric import Metric
from domain.values.frozen import Frozen
from domain.values.names import Name

POWER = 0.8  # the probability with which a difference is found
MOST_BLOCKS = 1_000  # that the planner counts to
ASKED = (0.02, 0.03)  # differences for which the planner says how many blocks they need


class Showable(Frozen):
    """What the design shows by one metric, in each primary comparison by it."""

    workload: Name
    metric: Metric
    levels: tuple[Name, ...]
    comparisons: int = Field(ge=1, description="Pairs of datapaths that it holds for.")
    noise: dict[Name, float] = Field(
        description="By level: standard deviation of the log-ratio of one block, from earlier campaigns or a default."
    )
    campaigns: int = Field(ge=0, description="Earlier campaigns that the noise is from; 0 for the documented default.")
    pairs: int = Field(default=0, ge=0, description="Over its levels, at the last look; 0 from an older version.")
    blocks: int = Field(default=0, ge=0, description="Per level that blocks are added to, else per level.")
    focused: int = Field(default=0, ge=0, description="Of these: blocks of the campaign's focus only.")
    difference: float | None = Field(
        description="The difference found with 80 % power, as a ratio: 0.03 is 3 %; none with too few blocks."
    )
    blocks_for: dict[str, int | None] = Field(
        description="Blocks per level that a difference of 0.02 and 0.03 needs; none if they are more than 1,000."
    )


class Plan(Frozen):
    """The plan of a campaign: its blocks, its time, and what they can show."""

    blocks: int = Field(ge=1, description="Blocks per workload and level before the first look.")
    most_blocks: int = Field(
        ge=1,
        description="Blocks per workload and level (of a focus: per focused level) for which the budget is enough.",
    )
    looks: int = Field(ge=1, description="Looks at the data, at most.")
    duration_s: float = Field(ge=0, description="Estimated time, or the budget.")
    primary: int = Field(ge=0, description="Primary comparisons that share the error rate.")
    showable: tuple[Showable, ...] = ()
    sentences: tuple[str, ...] = Field(default=(), description="The same in words.")
