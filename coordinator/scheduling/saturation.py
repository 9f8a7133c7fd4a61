"""The search for the highest open rate at which a datapath still meets a goal: an SLO, or that it is not overloaded.

The search follows MLRsearch (draft-ietf-bmwg-mlrsearch), with several trials per rate. The capacity is where half of
them exceed the goal. Both ends are measured again before they become bounds. What contradicts re-opens the bracket. The
bounds are those that all its trials together allow (coordinator/scheduling/likelihood.py). Pure.

A search is a chain of steps. Each step is a block with a separate rate for every datapath, and a few trials at each.
The first steps halve what is left, the next ones measure on both sides of the middle, the last ones at the two ends. A
search ends when its bounds are as narrow as asked, or after its last step.

Every search begins with a range shifted by a random part of its width (seeded by the campaign). Without the shift, all
searches would try the same rates.
"""

import math
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from coordinator.scheduling import likelihood
from coordinator.scheduling.likelihood import RateTrials
from coordinator.scheduling.records import AttemptRecord
from coordinator.scheduling.step_result import Aim, StepResult, is_judged, step_result
from domain.campaigns.campaign import Campaign
from domain.loads.capacity import SEARCH_STEPS
from domain.loads.load import MAX_RATE_PER_S, CapacityLoad
from domain.loads.searched import COARSE_STEPS, SEARCH_REQUESTS, CapacityBounds
from domain.reports.calibration import Calibration
from domain.values.texts import rounded_text, share_text

REACH_DOWN = 16.0  # a search begins this many times below the closed-loop capacity …
REACH_UP = 1.2  # … and above it: the host may have drifted since the calibration
OPEN_REACH_DOWN = 8.0  # … and below the open-loop capacity, where calibration has found it
CONFIDENCE_OF_BOUNDS = 0.98  # that the capacity is between them
END_TRIALS = 3  # at or beyond an end, within the asked width, before it is a bound
MAX_WIDTH = 0.5  # wider bounds give no figure
HOPELESS = 0.95  # so probably outside its range, a capacity is not searched for any longer
NARROWEST = 1.03  # a range must be wider for a search
STEPS_BEFORE = 7  # of the searches of older versions, with one trial each


@dataclass(frozen=True)
class Goal:
    """What a search is for: its trials' aim, the width of its bounds, its steps, and how sure its bounds are.

    Bounds wider than ``max_width`` give no figure.
    """

    aim: Aim
    width: float
    steps: int = SEARCH_STEPS
    coarse_steps: int = COARSE_STEPS
    end_trials: int = END_TRIALS
    confidence: float = CONFIDENCE_OF_BOUNDS
    max_width: float = MAX_WIDTH


@dataclass(frozen=True)
class Search:
    """The state of a search for one datapath: its trials so far, and what follows from them.

    ``lost`` says why it ended without a figure. ``unclear`` says why a step had no trial that counts.
    """

    low_per_s: float
    high_per_s: float
    goal: Goal
    trials: tuple[RateTrials, ...] = ()
    steps: int = 0
    lost: str = ""
    unclear: str = field(default="", compare=False)

    @property
    def next_per_s(self) -> int | None:
        """The next rate to try; ``None`` when the search has ended."""
        if self.lost or self.steps >= self.goal.steps or self._is_hopeless:
            return None
        lower, first, middle, third, upper = self.quantiles_per_s
        ends = [end for end in (lower, upper) if not self._is_measured(end)]
        narrow = upper <= lower * (1 + self.goal.width)
        if self.trials and narrow and not ends:
            return None
        at = middle
        if self.trials and ends and (narrow or self.steps >= self.goal.steps - 2 >= self.goal.coarse_steps):
            at = ends[0]
        elif self.steps >= self.goal.coarse_steps:
            at = third if (self.steps - self.goal.coarse_steps) % 2 else first
        return max(1, round(min(max(at, self.low_per_s), self.high_per_s, MAX_RATE_PER_S)))

    @property
    def bounds(self) -> CapacityBounds:
        """The bounds as they are; an end outside the range of the search is none, nor an upper one that none missed."""
        if not self.trials:
            return CapacityBounds()
        lower, _, middle, _, upper = self.quantiles_per_s
        # Without a trial that missed above the lower bound, only the range of the search ends what is possible.
        has_missed = any(one.missed and one.rate_per_s > lower * (1 + self.goal.width / 2) for one in self.trials)
        low = lower if lower >= self.low_per_s * 0.99 else None
        high = upper if upper <= self.high_per_s and has_missed else None
        below = [one for one in self.trials if low is not None and one.rate_per_s <= low * (1 + self.goal.width / 2)]
        above = [one for one in self.trials if high is not None and one.rate_per_s >= high / (1 + self.goal.width / 2)]
        return CapacityBounds(
            lower_per_s=low,
            per_s=middle if low is not None and high is not None else None,
            upper_per_s=high,
            met=sum(one.met for one in below),
            met_of=sum(one.count for one in below),
            missed=sum(one.missed for one in above),
            missed_of=sum(one.count for one in above),
        )

    @property
    def figure_per_s(self) -> float | None:
        """The best estimate of the capacity, once the search has ended with two bounds that are near enough."""
        return None if self.why_none else self.bounds.per_s

    @property
    def why_none(self) -> str:
        """Why there is no figure; empty if there is one."""
        if self.lost:
            return self.lost
        if self.next_per_s is not None:
            return "its search was not finished"
        bounds = self.bounds
        lowest, highest = self._ends_tried
        if bounds.lower_per_s is None and lowest and lowest.missed > lowest.met:
            return f"the goal was missed even at about {_about(lowest.rate_per_s)}/s, the lowest rate tried"
        if bounds.upper_per_s is None and highest and highest.met > highest.missed:
            return f"the goal was met even at about {_about(highest.rate_per_s)}/s, the highest rate tried"
        if bounds.width is None or bounds.width > self.goal.max_width:
            return self.unclear or f"its trials leave it open between {self._between}"
        return ""

    @property
    def shortfall(self) -> str:
        """Why the bounds are wider than asked; empty if they are not, or if there is no figure."""
        width = self.bounds.width
        if self.why_none or width is None or width <= self.goal.width * 1.05:
            return ""
        apart, asked = share_text(width), share_text(self.goal.width)
        return f"its bounds are {apart} apart, not {asked}, after all its {self.goal.steps} blocks"

    @property
    def sustainable_per_s(self) -> int:
        """A rate below the known limit, for a datapath whose search has ended while others continue."""
        lower = self.bounds.lower_per_s
        return max(1, math.floor(self.low_per_s if lower is None else min(lower, self.high_per_s)))

    def after(self, rate_per_s: int, result: StepResult) -> "Search":
        """The search after one more step at ``rate_per_s``; a step without a trial that counts may end it."""
        if not result.known:
            lost = "" if result.again else (self.lost or result.why)
            return replace(self, steps=self.steps + 1, lost=lost, unclear=result.why)
        known = {one.rate_per_s: one for one in self.trials}
        before = known.get(rate_per_s, RateTrials(rate_per_s, 0, 0))
        known[rate_per_s] = RateTrials(rate_per_s, before.met + result.met, before.missed + result.missed)
        return replace(self, steps=self.steps + 1, trials=tuple(known[rate] for rate in sorted(known)))

    @property
    def quantiles_per_s(self) -> tuple[float, ...]:
        """The lower bound, a quarter, the middle, three quarters, the upper bound."""
        if not self.trials:
            return (self.low_per_s, *[math.sqrt(self.low_per_s * self.high_per_s)] * 3, self.high_per_s)
        return self._every_quantile[1:-1]

    @property
    def _every_quantile(self) -> tuple[float, ...]:
        tail = (1 - self.goal.confidence) / 2
        levels = (1 - HOPELESS, tail, 0.25, 0.5, 0.75, 1 - tail, HOPELESS)
        return likelihood.quantiles_per_s(self.low_per_s, self.high_per_s, self.trials, levels)

    @property
    def _is_hopeless(self) -> bool:
        """True if the capacity is almost certainly outside the range."""
        if not self.trials:
            return False
        return self._every_quantile[-1] < self.low_per_s or self._every_quantile[0] > self.high_per_s

    def _is_measured(self, end_per_s: float) -> bool:
        """True if enough trials were made at this end: on its side of the middle, and within the asked width."""
        middle, near = self.quantiles_per_s[2], 1 + self.goal.width
        made = (
            one.count
            for one in self.trials
            if (one.rate_per_s < middle) == (end_per_s < middle) and 1 / near <= one.rate_per_s / end_per_s <= near
        )
        return sum(made) >= self.goal.end_trials

    @property
    def _ends_tried(self) -> tuple[RateTrials, RateTrials] | tuple[None, None]:
        """The trials at the lowest and at the highest rate; none without trials."""
        rates = sorted(self.trials, key=lambda one: one.rate_per_s)
        return (rates[0], rates[-1]) if rates else (None, None)

    @property
    def _between(self) -> str:
        lower, *_, upper = self.quantiles_per_s
        return f"{_about(lower)} and {_about(upper)}/s"


def _about(rate_per_s: float) -> str:
    # Two digits, so that searches with slightly shifted ranges give the same text.
    return rounded_text(rate_per_s, 2)


def goal_of(slo: CapacityLoad) -> Goal:
    """The goal of a capacity level."""
    return Goal(Aim(slo, slo.arrival), slo.width, steps=slo.steps)


def initial_search(
    capacity_per_s: float, lowest_per_s: float, goal: Goal, shift: float = 0.0, reach_down: float = REACH_DOWN
) -> Search:
    """The first state for a capacity that is known roughly; ``shift`` (0 to 1) is relative to the asked width."""
    high = min(capacity_per_s * REACH_UP, float(MAX_RATE_PER_S))
    low = max(capacity_per_s / reach_down, lowest_per_s, 1.0)
    if high <= low * NARROWEST:
        why = f"its trials are too short: a p99 needs {SEARCH_REQUESTS:,} requests; use a longer open_slice_s"
        return Search(low, max(high, low), goal, lost=why)
    moved = (1 + goal.width) ** shift
    return Search(low * moved, min(high * moved, float(MAX_RATE_PER_S)), goal)


def initial_searches(
    campaign: Campaign, found: Calibration, seed: int, workload: str, level: str, chain: int
) -> dict[str, Search]:
    """The first state of every datapath in one search of a capacity level.

    It begins at the open-loop capacity where calibration has found it, and else at that of a closed loop.
    """
    slo, starts = campaign.levels[level], found.search_starts
    if not isinstance(slo, CapacityLoad):
        raise TypeError(f"{level} is searched, but {slo} is not a capacity level")
    return {
        label: initial_search(
            starts[label].per_s,
            campaign.lowest_searched_per_s,
            goal_of(slo),
            random.Random(f"{seed}/{workload}/{level}/{chain}/{label}").random(),  # noqa: S311 (repeatable)
            OPEN_REACH_DOWN if starts[label].in_open_loop else REACH_DOWN,
        )
        for label in campaign.labels
    }


def replay_steps(initial: Mapping[str, Search], attempts: Iterable[AttemptRecord]) -> dict[str, Search]:
    """The state after all ended steps of one search, which stays on the host of its first step."""
    by_step: dict[int, list[AttemptRecord]] = {}
    for attempt in attempts:
        if attempt.search is not None and attempt.search.ended:
            by_step.setdefault(attempt.search.step, []).append(attempt)
    searches, host = dict(initial), ""
    results = [one for of_step in by_step.values() for one in of_step if one.has_result]
    if results and not any(map(is_judged, results)):
        before = {label: replace(one.goal, steps=STEPS_BEFORE, max_width=math.inf) for label, one in initial.items()}
        searches = {label: replace(one, goal=before[label]) for label, one in initial.items()}
    for _, of_step in sorted(by_step.items()):
        host = host or next((a.host for a in of_step if a.has_result), "")
        for label, search in searches.items():
            if not search.lost and (rate := _rate(of_step, label)) is not None:
                searches[label] = search.after(rate, step_result(search.goal.aim, label, of_step, host))
    return searches


def next_rates(searches: Mapping[str, Search]) -> dict[str, int] | None:
    """The rate of every datapath in the next step; ``None`` when all searches have ended.

    A finished datapath stays in the block at a rate that it carries, so that the other slices keep their neighbours.
    """
    rates = {label: search.next_per_s for label, search in searches.items()}
    if all(rate is None for rate in rates.values()):
        return None
    return {label: rate or searches[label].sustainable_per_s for label, rate in rates.items()}


def _rate(attempts: Sequence[AttemptRecord], label: str) -> int | None:
    return next((a.search.rates_per_s.get(label) for a in attempts if a.search is not None), None)
