"""The search for the highest open rate at which a datapath still meets an SLO, by bisection. Pure.

A search is a chain of steps. Each step is a block with a separate rate for every datapath. The search begins around the
closed-loop capacity from the campaign's calibration. Every step halves the logarithm of its bracket. A step's outcome
is ``met``, ``missed`` or ``unknown``. If a step stays unknown after all its attempts, the search ends without a figure.

Every search begins with a bracket shifted by a random part of its last, smallest step (seeded by the campaign). Without
the shift, all searches would try the same rates. Two equal datapaths would then differ by a whole step or not at all,
the same in every block: an interval without width around a wrong ratio.
"""

import math
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from coordinator.scheduling.records import AttemptRecord
from domain.campaign import SEARCH_REQUESTS, SEARCH_STEPS, Campaign
from domain.load import MAX_RATE_PER_S, USUAL_ERRORS, CapacityLoad
from domain.trial import TRANSIENT_REASONS, Reason, TrialResult

REACH_DOWN = 16.0  # a search begins this many times below the closed-loop capacity …
REACH_UP = 1.5  # … and above it: the host may have drifted since the calibration
TOLERANCE = 0.03  # a bracket this narrow ends the search
MAX_DEVIATION = 0.01  # of the offered rate from the requested rate …
ARRIVAL_ERRORS = 4.0  # … and so many standard deviations of a Poisson count
PERCENTILE = 99.0

_OVERLOAD_REASONS = frozenset({Reason.ERRORS, Reason.OVERLOADED})  # a rate above what the datapath carries
_RETRIED = _OVERLOAD_REASONS | TRANSIENT_REASONS | {Reason.GENERATOR_SATURATED}


class Outcome(StrEnum):
    """The outcome of a step for one rate."""

    MET = "met"
    MISSED = "missed"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class StepResult:
    """An outcome; ``why`` is set if it is unknown, and ``again`` if another attempt may decide it."""

    outcome: Outcome
    why: str = ""
    again: bool = False


@dataclass(frozen=True)
class Bracket:
    """The highest rate within the SLO lies between ``low_per_s`` and ``high_per_s``.

    ``met`` and ``missed`` say that a step has confirmed the lower and the upper end. Before that the ends are only the
    start of the search. ``lost`` says why the search ended without a figure.
    """

    low_per_s: float
    high_per_s: float
    met: bool = False
    missed: bool = False
    lost: str = ""

    @property
    def next_per_s(self) -> int | None:
        """The next rate to try, the geometric middle; ``None`` when the search has ended."""
        # Rates are whole numbers: at low rates, the middle is off by up to one.
        if self.lost or self.high_per_s <= self.low_per_s * (1 + TOLERANCE) + 1:
            return None
        middle = round(math.sqrt(self.low_per_s * self.high_per_s))
        return middle if self.low_per_s < middle < self.high_per_s else None

    @property
    def figure_per_s(self) -> float | None:
        """The highest rate that met the SLO, once the bracket is narrow and both ends are confirmed."""
        known = self.met and self.missed and not self.lost and self.next_per_s is None
        return self.low_per_s if known else None

    @property
    def why_none(self) -> str:
        """Why there is no figure; empty if there is one."""
        if self.lost or self.figure_per_s is not None:
            return self.lost
        if self.next_per_s is not None:
            return "its search was not finished"
        if not self.met:
            return f"the SLO was missed even at about {_about(self.high_per_s)}/s, the lowest rate tried"
        return f"the SLO was met even at about {_about(self.low_per_s)}/s, far above its closed-loop capacity"

    @property
    def sustainable_per_s(self) -> int:
        """A rate below the known limit, for a datapath whose search has ended while others continue."""
        return max(1, math.floor(self.low_per_s))


def _about(rate_per_s: float) -> str:
    # Two digits, so that searches with slightly shifted brackets give the same text.
    return f"{float(f'{rate_per_s:.2g}'):,.0f}"


def bisect(bracket: Bracket, rate_per_s: int, result: StepResult) -> Bracket:
    """The bracket after a step at ``rate_per_s``; an ended search keeps its bracket."""
    if bracket.next_per_s is None:
        return bracket
    if result.outcome is Outcome.MET:
        return replace(bracket, low_per_s=float(rate_per_s), met=True)
    if result.outcome is Outcome.MISSED:
        return replace(bracket, high_per_s=float(rate_per_s), missed=True)
    return replace(bracket, lost=result.why or "unknown")


def initial_bracket(capacity_per_s: float, lowest_per_s: float, shift: float) -> Bracket:
    """The first bracket for a closed-loop capacity; ``shift`` (0 to 1) is relative to the last step."""
    high = min(capacity_per_s * REACH_UP, float(MAX_RATE_PER_S))
    low = max(capacity_per_s / REACH_DOWN, lowest_per_s, 1.0)
    if high <= low * (1 + TOLERANCE):
        why = f"its trials are too short: a p99 needs {SEARCH_REQUESTS:,} requests; use more or longer slices"
        return Bracket(low, high, lost=why)
    steps = min(SEARCH_STEPS, math.ceil(math.log2(math.log(high / low) / math.log1p(TOLERANCE))))
    moved = math.exp(shift * math.log(high / low) / 2**steps)
    return Bracket(low * moved, min(high * moved, float(MAX_RATE_PER_S)))


def initial_brackets(
    campaign: Campaign, capacities_per_s: Mapping[str, float], seed: int, workload: str, level: str, chain: int
) -> dict[str, Bracket]:
    """The first bracket of every datapath in one search."""
    return {
        label: initial_bracket(
            capacities_per_s[label],
            campaign.lowest_searched_per_s,
            random.Random(f"{seed}/{workload}/{level}/{chain}/{label}").random(),  # noqa: S311 (repeatable)
        )
        for label in campaign.labels
    }


def replay_steps(
    slo: CapacityLoad, initial: Mapping[str, Bracket], attempts: Iterable[AttemptRecord]
) -> dict[str, Bracket]:
    """The brackets after all ended steps of one search, which stays on the host of its first step."""
    by_step: dict[int, list[AttemptRecord]] = {}
    for attempt in attempts:
        if attempt.search is not None and attempt.search.ended:
            by_step.setdefault(attempt.search.step, []).append(attempt)
    brackets, host = dict(initial), ""
    for _, of_step in sorted(by_step.items()):
        host = host or next((a.host for a in of_step if a.result is not None), "")
        for label, bracket in brackets.items():
            if bracket.next_per_s is not None and (rate := _rate(of_step, label)) is not None:
                brackets[label] = bisect(bracket, rate, step_result(slo, label, of_step, host))
    return brackets


def step_result(slo: CapacityLoad, label: str, attempts: Sequence[AttemptRecord], host: str) -> StepResult:
    """The result of one step on ``host`` for a datapath's rate: the first known one, else the last."""
    why = f"no trial on {host}, where its search began" if host else "its block had no result"
    result = StepResult(Outcome.UNKNOWN, why)
    for attempt in sorted(attempts, key=lambda a: a.attempt):
        if attempt.result is None or attempt.search is None or attempt.host != host:
            continue
        for trial in attempt.result.trials:
            if trial.datapath == label:
                result = judge(slo, attempt.search.rates_per_s[label], trial)
        if result.outcome is not Outcome.UNKNOWN:
            return result
    return result


def next_rates(brackets: Mapping[str, Bracket]) -> dict[str, int] | None:
    """The rate of every datapath in the next step; ``None`` when all searches have ended.

    A finished datapath stays in the block at a rate that it carries, so that the other slices keep their neighbours.
    """
    if all(bracket.next_per_s is None for bracket in brackets.values()):
        return None
    return {label: bracket.next_per_s or bracket.sustainable_per_s for label, bracket in brackets.items()}


def judge(slo: CapacityLoad, rate_per_s: int, trial: TrialResult) -> StepResult:
    """Whether a trial at ``rate_per_s`` met the SLO. A failed request counts as never answered."""
    reasons, failed = set(trial.validity.reasons), sum(trial.errors.values())
    made = trial.requests + failed
    if reasons - _OVERLOAD_REASONS:
        finding = next(f for f in trial.validity.findings if f.reason not in _OVERLOAD_REASONS)
        return StepResult(Outcome.UNKNOWN, f"{finding.reason}, {finding.detail}", again=reasons <= _RETRIED)
    share = failed / made if made else 0.0
    tolerated = USUAL_ERRORS < share <= slo.errors  # errors that this SLO allows although they make a trial invalid
    if Reason.OVERLOADED in reasons or share > slo.errors or (Reason.ERRORS in reasons and not tolerated):
        return StepResult(Outcome.MISSED)
    if made < SEARCH_REQUESTS:
        return StepResult(Outcome.UNKNOWN, f"{made:,} requests, where a p99 needs {SEARCH_REQUESTS:,}", again=True)
    offered = made if trial.due is None else trial.due
    made_per_s = offered / trial.duration_s if trial.duration_s else 0.0
    allowed = MAX_DEVIATION
    if trial.due is not None and slo.arrival == "poisson" and trial.duration_s:
        allowed += ARRIVAL_ERRORS / math.sqrt(rate_per_s * trial.duration_s)
    wrong_rate = StepResult(
        Outcome.UNKNOWN, f"{made_per_s:,.0f}/s were made where {rate_per_s:,}/s were due", again=True
    )
    if made_per_s > rate_per_s * (1 + allowed):
        return wrong_rate
    if _missed_by_latency(slo, trial, made):
        return StepResult(Outcome.MISSED)
    return wrong_rate if made_per_s < rate_per_s * (1 - allowed) else StepResult(Outcome.MET)


def _missed_by_latency(slo: CapacityLoad, trial: TrialResult, made: int) -> bool:
    """True also if no latency is known, because then no request was answered.

    The latency of a trial has failed requests, too. In older results, which do not have ``due``, it has not; there they
    count as slower than all others.
    """
    rank = PERCENTILE
    if trial.due is None:
        rank = PERCENTILE * made / trial.requests if trial.requests else math.inf
    p99_us = trial.latency_us(rank) if rank <= 100 else None
    return p99_us is None or p99_us > slo.p99_us


def _rate(attempts: Sequence[AttemptRecord], label: str) -> int | None:
    return next((a.search.rates_per_s.get(label) for a in attempts if a.search is not None), None)
