"""How often Showdown has found a difference where there is none: campaigns that compare a datapath with itself (A/A).

REST, the page *Trust* and ``showdown trust`` show this object.
"""

from pydantic import Field

from domain.values.frozen import Frozen

EXPECTED = 0.05
"""Of such campaigns, at most this share has a false word, and of single 95 % intervals this share is wrong."""

SHOWN = 100
MOST_SENTENCES = 20


class SelfCounts(Frozen):
    """What one campaign said about copies of one datapath."""

    comparisons: int = Field(description="Primary comparisons of copies that have enough pairs.")
    different: int = Field(description='Of these: those with the word "better" or "worse", which is false.')
    intervals: int = Field(description="Comparisons of copies with a 95 % interval, the exploratory ones included.")
    excluding: int = Field(description='Of these: those whose interval excludes "no difference".')
    sentences: tuple[str, ...] = Field(default=(), description="The false verdicts.")


class SelfComparison(SelfCounts):
    """A campaign that compared a datapath with itself, with all that ended before it."""

    campaign: str
    name: str
    hosts: str
    at: str = Field(description="When it was started, in UTC.")
    campaigns_until: int = Field(description="Such campaigns up to this one.")
    false_until: int = Field(description="Of these: those with a false word.")


class FalseShare(Frozen):
    """A count of errors with its exact 95 % interval (Clopper and Pearson 1934)."""

    count: int
    total: int
    low: float = Field(description="As a share.")
    high: float

    @property
    def is_too_high(self) -> bool:
        """Whether chance alone does not explain the count."""
        return self.low > EXPECTED


class Trust(Frozen):
    """All campaigns that compared a datapath with itself."""

    campaigns: FalseShare = Field(description="With at least one false word. It is expected of 5 % at most.")
    comparisons: FalseShare = Field(description="Primary comparisons with a false word.")
    intervals: FalseShare = Field(
        description="Single 95 % intervals that exclude the truth. 5 % are expected. Those of one campaign share its "
        "trials, so the interval of this share is too narrow."
    )
    expected: float = EXPECTED
    sentence: str
    newest: tuple[SelfComparison, ...] = Field(description=f"At most {SHOWN}, the newest first.")
