"""Which datapath carries an open level's load: in how many blocks, and how two datapaths differ in that.

An overloaded trial gives no figure for comparison, but that it is overloaded is a result. It is counted and shown here.
"""

from pydantic import Field

from domain.reports.verdict_words import CarryingWord
from domain.values.frozen import Frozen
from domain.values.names import Label, Name
from domain.values.texts import count_per_s_text


class CarriedBlocks(Frozen):
    """In how many blocks a datapath carried its load; without blocks that the environment or a proof took out."""

    blocks: int = Field(ge=0, description="Blocks in which it was carried.")
    of: int = Field(ge=1, description="Blocks in which it was carried, overloaded or failed.")
    low: float = Field(description="95 % interval of the share (Clopper–Pearson).")
    high: float


class OverloadedTrials(Frozen):
    """What a cell's trials were like that did not carry their load. Their figures take no part in any comparison."""

    trials: int = Field(ge=1)
    delivered_per_s: float | None = Field(default=None, description="Answered within the slices, per second.")
    due_per_s: float | None = Field(default=None, description="What the schedule asked for.")
    p50_us: float | None = Field(default=None, description="At least: unanswered requests count with a lower bound.")
    p99_us: float | None = Field(default=None, description="At least, as p50_us.")
    censored_share: float | None = Field(default=None, description="Share of the latencies that are lower bounds.")
    cpus_used: float | None = Field(default=None, description="CPUs of the host that were busy on average, of `cpus`.")
    cpus: int | None = Field(default=None, description="CPUs of the host.")


class CarriedRates(Frozen):
    """Where the rate changes: the highest one that was carried, in each block, with all lower ones."""

    blocks: int = Field(ge=1)
    median_per_s: float = Field(description="0 if the lowest rate was not carried.")
    lowest_per_s: float
    highest_per_s: float
    whole: int = Field(default=0, ge=0, description="Blocks in which all of it was carried, to its highest rate.")

    @property
    def text(self) -> str:
        """``26,100 (25,200 – 28,500 in 5 blocks, all of it in 2)``; what was carried to its end has no rate."""
        if self.whole == self.blocks:
            return f"all of it ({self.whole} of {self.blocks} blocks)"
        low, high = self.lowest_per_s, self.highest_per_s
        ends = " – ".join(count_per_s_text(end, low, high) for end in (low, high))
        whole = f", all of it in {self.whole}" if self.whole else ""
        return f"{count_per_s_text(self.median_per_s, low, high)} ({ends} in {self.blocks} blocks{whole})"


class Carrying(Frozen):
    """Two datapaths at one open level: which of them carries the load. Both are counted over the same blocks."""

    datapath: Label
    reference: Label
    workload: Name
    level: Name
    load: str = Field(description="A share of capacity is shown with its rate.")
    word: CarryingWord = Field(description="Of the datapath, compared with the reference.")
    carried: int = Field(ge=0, description="Blocks in which the datapath carried the load.")
    reference_carried: int = Field(ge=0)
    blocks: int = Field(ge=1, description="Blocks in which both have a trial that was carried or overloaded.")
    p: float | None = Field(
        default=None,
        description="Fisher's exact test, Holm-adjusted over the campaign's comparisons of this kind; none if the "
        "outcome was the same in all blocks.",
    )
    p_alone: float | None = Field(default=None, description="The same before the adjustment.")
    comparisons: int = Field(ge=0, description="How many comparisons of this kind were adjusted together.")
    sentence: str

    @property
    def title(self) -> str:
        """The word of the datapath that the sentence begins with, which is the one that does not carry the load."""
        nobody = self.carried == self.reference_carried == 0
        return str(self.word if self.word is CarryingWord.UNCLEAR and not nobody else CarryingWord.DOES_NOT_CARRY)

    @property
    def is_plain(self) -> bool:
        """True if both carried the load in every block: there is nothing to say."""
        return self.carried == self.reference_carried == self.blocks
