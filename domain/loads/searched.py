"""Capacities that a search found: two bounds, the trials behind each, and what the search cost."""

from collections.abc import Mapping

from pydantic import Field

from domain.loads.load import AnyLoad, CapacityLoad, ShareLoad
from domain.values.frozen import Frozen
from domain.values.names import Label
from domain.values.texts import count_per_s_text

# One trial of a search is one slice. The first steps only find the region, so they have fewer trials.
COARSE_STEPS = 4
COARSE_TRIALS = 2  # per datapath and step
FINE_TRIALS = 3
SEARCH_REQUESTS = 1_000  # per trial of a search; fewer give no reliable p99
CALIBRATION_STEPS = 5  # blocks of one trial per datapath, which find the capacity that shares refer to
CHECK_STEPS = 2  # blocks at a campaign's end, which check that capacity …
CHECK_TRIALS = 2  # … with so many trials per datapath; all must agree that it moved
CHECK_CHANGE = 0.10  # by how much a capacity must have moved for the report to say so


def trials_of_step(step: int) -> int:
    """Trials per datapath in one step of a search."""
    return COARSE_TRIALS if step < COARSE_STEPS else FINE_TRIALS


def trials_of_search(steps: int) -> int:
    """Trials per datapath in a search of so many steps."""
    return sum(map(trials_of_step, range(steps)))


def shares_of(levels: Mapping[str, AnyLoad]) -> dict[str, ShareLoad]:
    """The levels that are shares of a capacity, by name."""
    return {name: load for name, load in levels.items() if isinstance(load, ShareLoad)}


def search_blocks_of(level: CapacityLoad, blocks: int) -> int:
    """How many blocks the searches of a campaign of so many blocks have, at most."""
    return searches_of(level, blocks) * level.steps


def searches_of(level: CapacityLoad, blocks: int) -> int:
    """How many searches a campaign of so many blocks makes."""
    return blocks if level.searches is None else min(blocks, level.searches)


class CapacityBounds(Frozen):
    """The bounds of one capacity, and the trials beyond each.

    ``met`` of ``met_of`` trials at rates up to the lower bound met the goal. ``missed`` of ``missed_of`` trials at
    rates from the upper bound on missed it.
    """

    lower_per_s: float | None = Field(default=None, description="None: it may be below the lowest rate tried.")
    per_s: float | None = Field(default=None, description="Best estimate; none without both bounds.")
    upper_per_s: float | None = Field(default=None, description="None: it may be above the highest rate tried.")
    met: int = Field(default=0, ge=0)
    met_of: int = Field(default=0, ge=0)
    missed: int = Field(default=0, ge=0)
    missed_of: int = Field(default=0, ge=0)

    @property
    def width(self) -> float | None:
        """The distance of the bounds relative to the lower one; ``None`` without both."""
        return self.upper_per_s / self.lower_per_s - 1 if self.lower_per_s and self.upper_per_s else None

    @property
    def range_text(self) -> str:
        """Both bounds, in the digits that their distance deserves: ``19,600 – 21,200/s``."""
        lower, upper = self.lower_per_s, self.upper_per_s
        known = [bound for bound in (lower, upper) if bound is not None]
        low, high = (known[0], known[-1]) if known else (0.0, 0.0)
        begin = "less" if lower is None else count_per_s_text(lower, low, high)
        return f"{begin} – more" if upper is None else f"{begin} – {count_per_s_text(upper, low, high)}/s"

    @property
    def evidence(self) -> str:
        """How many trials are beyond each bound, in words."""
        met = f"met in {self.met} of {self.met_of} trials up to the lower bound"
        return f"{met}, missed in {self.missed} of {self.missed_of} from the upper one on"


class SearchedCapacity(CapacityBounds):
    """The capacity of a cell over its searches: the lowest lower bound and the highest upper bound of them."""

    searches: int = Field(ge=0, description="That found a capacity.")
    blocks: int = Field(ge=0, description="That all its searches took, shared by the campaign's datapaths.")
    seconds: float = Field(ge=0, description="Of these blocks together, set-up included.")
    goal_width: float = Field(gt=0, description="The width of the bounds that each search aims at.")
    widest: float | None = Field(default=None, description="The widest bounds of a search, relative to its lower one.")

    @property
    def cost(self) -> str:
        """What the searches took, in words."""
        return f"{self.blocks} blocks, {self.seconds:,.0f} s"


class CapacityCheck(Frozen):
    """What a campaign's last blocks say about the capacity that its shares refer to."""

    fell: tuple[Label, ...] = Field(
        default=(), description="Datapaths that no longer carried 90 % of their lower bound."
    )
    rose: tuple[Label, ...] = Field(default=(), description="Datapaths that carried 110 % of their upper bound.")
    unknown: dict[Label, str] = Field(default={}, description="Datapaths that could not be checked, and why.")
    sentence: str


class OpenCapacities(Frozen):
    """The open-loop capacity of every datapath: the highest rate that it carries without being overloaded."""

    load: str = Field(description="The arrivals of the search, as the load of its blocks.")
    bounds: dict[Label, CapacityBounds] = Field(description="On its slowest host.")
    blocks: int = Field(ge=0)
    seconds: float = Field(ge=0, description="Of these blocks together, set-up included.")
    highest_per_s: dict[Label, float] = Field(
        default={}, description="Upper bounds on the fastest host, where searches begin. None in older results."
    )
    check: CapacityCheck | None = Field(default=None, description="None until the campaign's end.")

    @property
    def every(self) -> str:
        """The bounds of every datapath, in words."""
        return ", ".join(f"{label} {bounds.range_text}" for label, bounds in self.bounds.items())
