"""How many blocked packets per second a filter takes until the goodput beside them has fallen by a tenth."""

from pydantic import Field

from domain.values.bounds import Figure, Paragraph
from domain.values.frozen import Frozen
from domain.values.names import Label, Name

FALL = 0.10
"""Of the requests/s without an attack."""


class ToleratedAttack(Frozen):
    """One filter at levels that differ in nothing but the rate of the attack."""

    datapath: Label
    workload: Name
    level: Name = Field(default="without", description="The level without an attack; `without` in older reports.")
    load: str = Field(description="The load and condition of these levels, without the attack.")
    per_s: Figure | None = Field(
        description="Blocked packets per second, interpolated; null if goodput fell less at every rate."
    )
    low_per_s: Figure | None = Field(description="Where the 95 % interval of the ratio begins to lie below 0.9.")
    high_per_s: Figure | None = Field(description="Where all of that interval lies below it.")
    highest_per_s: Figure = Field(description="The highest rate that was blocked.")
    ratio_at_highest: Figure = Field(description="Requests/s there, over those without an attack.")
    ratio_low: Figure | None = Field(default=None, description="95 % interval of that ratio, of this figure alone.")
    ratio_high: Figure | None = None
    pairs: int = Field(ge=2, description="The fewest pairs of turns behind a rate.")
    sentence: Paragraph
