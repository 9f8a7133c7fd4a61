"""Pure: the search for the highest open rate at which a datapath still meets an SLO, by bisection.

A search is a chain of steps, each a block that asks every datapath for a rate of its own. It begins around the
datapath's closed-loop capacity, which the campaign's calibration found, and halves the logarithm of its bracket
with every step. What a step says of a rate is ``met``, ``missed`` or ``unknown``; a search that meets an unknown, after
all its attempts, ends without a figure: no guess becomes a number.

Every search begins from a bracket shifted by a random part of its last, smallest step (seeded by the campaign). Without
that, all searches would try the same rates, and two datapaths that differ by nothing would differ by a whole
step, or not at all, in every block alike: an interval of no width around a wrong ratio.
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
REACH_UP = 1.5  # … and above it: it was found minutes ago, on a machine that drifts
TOLERANCE = 0.03  # a bracket as narrow as this is an answer
MAX_DEVIATION = 0.01  # of the rate that was made from the rate that was asked for
PERCENTILE = 99.0

_TELLING = frozenset({Reason.ERRORS, Reason.OVERLOADED})  # of a datapath that is asked for too much
_RETRIED = _TELLING | TRANSIENT_REASONS | {Reason.GENERATOR_SATURATED}


class Outcome(StrEnum):
    """What a step says of one rate."""

    MET = "met"
    MISSED = "missed"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Answer:
    """An outcome; ``why`` is set for an unknown one, and ``again`` when another attempt may know."""

    outcome: Outcome
    why: str = ""
    again: bool = False


@dataclass(frozen=True)
class Bracket:
    """Between ``low_per_s`` and ``high_per_s`` lies the highest rate within the SLO.

    ``met`` and ``missed`` say whether a step has shown so of the lower and of the upper end; before that they are only
    where the search begins. ``lost`` says why the search ended without an answer.
    """

    low_per_s: float
    high_per_s: float
    met: bool = False
    missed: bool = False
    lost: str = ""

    @property
    def next_per_s(self) -> int | None:
        """The rate to try next, the geometric middle; ``None`` when the search has ended."""
        # Rates are whole numbers: where they are low, halving misses the middle by up to one.
        if self.lost or self.high_per_s <= self.low_per_s * (1 + TOLERANCE) + 1:
            return None
        middle = round(math.sqrt(self.low_per_s * self.high_per_s))
        return middle if self.low_per_s < middle < self.high_per_s else None

    @property
    def figure_per_s(self) -> float | None:
        """The highest rate seen to meet the SLO, once the bracket is narrow and both its ends were seen."""
        known = self.met and self.missed and not self.lost and self.next_per_s is None
        return self.low_per_s if known else None

    @property
    def why_none(self) -> str:
        """Why there is no figure; empty when there is one."""
        if self.lost or self.figure_per_s is not None:
            return self.lost
        if self.next_per_s is not None:
            return "its search was not finished"
        if not self.met:
            return f"the SLO was missed even at about {_about(self.high_per_s)}/s, the lowest rate tried"
        return f"the SLO was met even at about {_about(self.low_per_s)}/s, far above its closed-loop capacity"

    @property
    def resting_per_s(self) -> int:
        """What a datapath whose search has ended is asked for while others go on: nothing that would overload it."""
        return max(1, math.floor(self.low_per_s))


def _about(rate_per_s: float) -> str:
    # Two digits: searches begin apart by less, and those that ended alike should read alike.
    return f"{float(f'{rate_per_s:.2g}'):,.0f}"


def bisect(bracket: Bracket, rate_per_s: int, answer: Answer) -> Bracket:
    """The bracket after a step at ``rate_per_s``; a search that has ended stays as it is."""
    if bracket.next_per_s is None:
        return bracket
    if answer.outcome is Outcome.MET:
        return replace(bracket, low_per_s=float(rate_per_s), met=True)
    if answer.outcome is Outcome.MISSED:
        return replace(bracket, high_per_s=float(rate_per_s), missed=True)
    return replace(bracket, lost=answer.why or "unknown")


def begin(capacity_per_s: float, lowest_per_s: float, shift: float) -> Bracket:
    """Where the search for a datapath of a closed-loop capacity begins; ``shift`` (0 to 1) is of its last step."""
    high = min(capacity_per_s * REACH_UP, float(MAX_RATE_PER_S))
    low = max(capacity_per_s / REACH_DOWN, lowest_per_s, 1.0)
    if high <= low * (1 + TOLERANCE):
        why = f"its trials are too short: a p99 needs {SEARCH_REQUESTS:,} requests; use more or longer slices"
        return Bracket(low, high, lost=why)
    steps = min(SEARCH_STEPS, math.ceil(math.log2(math.log(high / low) / math.log1p(TOLERANCE))))
    moved = math.exp(shift * math.log(high / low) / 2**steps)
    return Bracket(low * moved, min(high * moved, float(MAX_RATE_PER_S)))


def beginnings(
    campaign: Campaign, capacities_per_s: Mapping[str, float], seed: int, workload: str, level: str, chain: int
) -> dict[str, Bracket]:
    """The bracket of every datapath at the beginning of one search."""
    return {
        label: begin(
            capacities_per_s[label],
            campaign.lowest_searched_per_s,
            random.Random(f"{seed}/{workload}/{level}/{chain}/{label}").random(),  # noqa: S311 (repeatable)
        )
        for label in campaign.labels
    }


def searched(slo: CapacityLoad, begun: Mapping[str, Bracket], attempts: Iterable[AttemptRecord]) -> dict[str, Bracket]:
    """The brackets after all ended steps of one search. It stays on the host of its first step."""
    by_step: dict[int, list[AttemptRecord]] = {}
    for attempt in attempts:
        if attempt.search is not None and attempt.search.ended:
            by_step.setdefault(attempt.search.step, []).append(attempt)
    brackets, host = dict(begun), ""
    for _, of_step in sorted(by_step.items()):
        host = host or next((a.host for a in of_step if a.result is not None), "")
        for label, bracket in brackets.items():
            if bracket.next_per_s is not None and (rate := _rate(of_step, label)) is not None:
                brackets[label] = bisect(bracket, rate, answer_of(slo, label, of_step, host))
    return brackets


def answer_of(slo: CapacityLoad, label: str, attempts: Sequence[AttemptRecord], host: str) -> Answer:
    """What the attempts of one step, on ``host``, say of a datapath's rate: the first that knows it, else the last."""
    why = f"no trial on {host}, where its search began" if host else "its block had no result"
    answer = Answer(Outcome.UNKNOWN, why)
    for attempt in sorted(attempts, key=lambda a: a.attempt):
        if attempt.result is None or attempt.search is None or attempt.host != host:
            continue
        for trial in attempt.result.trials:
            if trial.datapath == label:
                answer = judged(slo, attempt.search.rates_per_s[label], trial)
        if answer.outcome is not Outcome.UNKNOWN:
            return answer
    return answer


def next_rates(brackets: Mapping[str, Bracket]) -> dict[str, int] | None:
    """What the next step asks of every datapath; ``None`` when all searches have ended.

    A datapath that is done stays in the block, at a rate that it carries: so the others' slices keep their neighbours.
    """
    if all(bracket.next_per_s is None for bracket in brackets.values()):
        return None
    return {label: bracket.next_per_s or bracket.resting_per_s for label, bracket in brackets.items()}


def judged(slo: CapacityLoad, rate_per_s: int, trial: TrialResult) -> Answer:
    """Whether a trial at ``rate_per_s`` met the SLO. A failed request counts as one that is answered never."""
    reasons, failed = set(trial.validity.reasons), sum(trial.errors.values())
    made = trial.requests + failed
    if reasons - _TELLING:
        finding = next(f for f in trial.validity.findings if f.reason not in _TELLING)
        return Answer(Outcome.UNKNOWN, f"{finding.reason}, {finding.detail}", again=reasons <= _RETRIED)
    share = failed / made if made else 0.0
    tolerated = USUAL_ERRORS < share <= slo.errors  # what makes other trials invalid, this SLO may allow
    if Reason.OVERLOADED in reasons or share > slo.errors or (Reason.ERRORS in reasons and not tolerated):
        return Answer(Outcome.MISSED)
    if made < SEARCH_REQUESTS:
        return Answer(Outcome.UNKNOWN, f"{made:,} requests, where a p99 needs {SEARCH_REQUESTS:,}", again=True)
    made_per_s = made / trial.duration_s if trial.duration_s else 0.0
    wrong_rate = Answer(Outcome.UNKNOWN, f"{made_per_s:,.0f}/s were made where {rate_per_s:,}/s were due", again=True)
    if made_per_s > rate_per_s * (1 + MAX_DEVIATION):
        return wrong_rate
    if _missed_by_latency(slo, trial, made):
        return Answer(Outcome.MISSED)
    return wrong_rate if made_per_s < rate_per_s * (1 - MAX_DEVIATION) else Answer(Outcome.MET)


def _missed_by_latency(slo: CapacityLoad, trial: TrialResult, made: int) -> bool:
    """True as well where no latency is known: then nothing was answered."""
    rank = PERCENTILE * made / trial.requests if trial.requests else math.inf
    p99_us = trial.latency_us(rank) if rank <= 100 else None
    return p99_us is None or p99_us > slo.p99_us


def _rate(attempts: Sequence[AttemptRecord], label: str) -> int | None:
    return next((a.search.rates_per_s.get(label) for a in attempts if a.search is not None), None)
