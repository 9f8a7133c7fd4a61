"""The looks at a campaign's data: words are given at a look only, and each look spends a part of the error rate."""

from pydantic import Field

from domain.loads.metric import Metric
from domain.values.frozen import Frozen
from domain.values.names import Label, Name

MAX_LOOKS = 5  # more looks cost more than they save (Pocock 1982)


class Look(Frozen):
    """One look: the blocks that it is at, and how much of the planned information they are."""

    blocks: int = Field(ge=1, description="Blocks per workload and level, planned up to the look.")
    until: int = Field(ge=1, description="The index of the first block after the look.")
    share: float = Field(gt=0, le=1, description="Of the information that the budget allows for; 1 at the last look.")
    narrow: bool = Field(default=False, description="True if every interval was narrow enough, so it is the last look.")


class Looks(Frozen):
    """The looks of a campaign that adds blocks: those taken, and the next one; without a next one it has ended."""

    taken: tuple[Look, ...] = ()
    next: Look | None = None


class Width(Frozen):
    """How exact one comparison is by now."""

    datapath: Label
    reference: Label
    workload: Name
    level: str = Field(description="A level; or several, joined by +.")
    metric: Metric
    pairs: int
    half_width: float | None = Field(description="Of its 95 % interval, as a ratio: 0.02 is ±2 %; none with few pairs.")


class Exactness(Frozen):
    """How exact a campaign is by now, and whether words may be given."""

    looks: Looks = Looks()
    no_word: str = Field(default="", description="Why no comparison has a word now; empty if they may have one.")
    goal: float | None = Field(default=None, description="The campaign's precision.")
    widths: tuple[Width, ...] = Field(default=(), description="Of each primary ratio of cost, the widest first.")

    @property
    def widest(self) -> Width | None:
        """The least exact comparison that has an interval."""
        return next((width for width in self.widths if width.half_width is not None), None)
