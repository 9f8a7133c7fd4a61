"""What one step of a search says of a datapath's rate: how many of its trials met the goal. Pure.

A trial of a search is a slice: the runner states for each whether it carried its load, and its p99. Results of older
versions state it for the whole trial only; these count as one.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from coordinator.scheduling.records import AttemptRecord
from domain.loads.capacity import USUAL_ERRORS
from domain.loads.load import Arrival, CapacityLoad
from domain.loads.searched import SEARCH_REQUESTS
from domain.trials.trial import TRANSIENT_REASONS, Reason, SliceResult, TrialResult

MAX_DEVIATION = 0.01  # of the offered rate from the requested rate …
ARRIVAL_ERRORS = 4.0  # … and so many standard deviations of a Poisson count
PERCENTILE = 99.0

_OVERLOAD_REASONS = frozenset({Reason.ERRORS, Reason.OVERLOADED})  # a rate above what the datapath carries
_RETRIED = _OVERLOAD_REASONS | TRANSIENT_REASONS


@dataclass(frozen=True)
class Aim:
    """What a trial must reach: an SLO, or without one that the load is carried."""

    slo: CapacityLoad | None
    arrival: Arrival = "poisson"

    @property
    def errors(self) -> float:
        """The share of requests that may fail."""
        return USUAL_ERRORS if self.slo is None else self.slo.errors


@dataclass(frozen=True)
class StepResult:
    """How many trials met the goal and how many missed it; ``why`` neither is known, ``again`` if a retry may help."""

    met: int = 0
    missed: int = 0
    why: str = ""
    again: bool = False

    @property
    def known(self) -> bool:
        """True if there are trials that count."""
        return self.met + self.missed > 0


def step_result(aim: Aim, label: str, attempts: Sequence[AttemptRecord], host: str) -> StepResult:
    """The result of one step on ``host`` for a datapath's rate: the first known one, else the last."""
    result = StepResult(why=f"no trial on {host}, where its search began" if host else "its block had no result")
    for attempt in sorted(attempts, key=lambda a: a.attempt):
        if not attempt.has_result or attempt.search is None or attempt.host != host:
            continue
        result = _judged(aim, label, attempt, attempt.search.rates_per_s[label]) or result
        if result.known:
            return result
    return result


def _judged(aim: Aim, label: str, attempt: AttemptRecord, rate_per_s: int) -> StepResult | None:
    """From the digest if there is one: it was judged when it was made."""
    if attempt.digest is not None:
        trial = attempt.digest.trials.get(label)
        return StepResult(*trial.judged[:4]) if trial is not None and trial.judged is not None else None
    trials = attempt.result.trials if attempt.result is not None else ()
    return next((judge(aim, rate_per_s, one) for one in trials if one.datapath == label), None)


def judge(aim: Aim, rate_per_s: int, trial: TrialResult) -> StepResult:
    """How the trials at ``rate_per_s`` ended. A failed request counts as never answered."""
    reasons, failed = set(trial.validity.reasons), sum(trial.errors.values())
    made, trials = trial.requests + failed, _parts(trial)
    all_missed = StepResult(missed=max(1, len(trials)))
    if reasons - _OVERLOAD_REASONS:
        finding = next(f for f in trial.validity.findings if f.reason not in _OVERLOAD_REASONS)
        return StepResult(why=f"{finding.reason}, {finding.detail}", again=reasons <= _RETRIED)
    share = failed / made if made else 0.0
    tolerated = USUAL_ERRORS < share <= aim.errors  # errors that this SLO allows although they make a trial invalid
    if share > aim.errors or (Reason.ERRORS in reasons and not tolerated):
        return all_missed
    overloaded = sum(one.carried is False for one in trials)
    if Reason.OVERLOADED in reasons and not overloaded:
        return all_missed  # its slices do not say which of them it was
    if made < SEARCH_REQUESTS and not overloaded:
        return StepResult(why=f"{made:,} requests, where a p99 needs {SEARCH_REQUESTS:,}", again=True)
    if wrong := _wrong_rate(aim, rate_per_s, trial, made):
        too_low = made < rate_per_s * trial.duration_s
        return all_missed if too_low and _missed_by_latency(aim, trial, made) else StepResult(why=wrong, again=True)
    if not trials:
        missed = _missed_by_latency(aim, trial, made)
        return StepResult(met=not missed, missed=int(missed))
    missed_slices = sum(_missed(aim, one) for one in trials)
    return StepResult(met=len(trials) - missed_slices, missed=missed_slices)


def is_judged(attempt: AttemptRecord) -> bool:
    """False for results of older versions, whose slices are not judged one by one."""
    if attempt.digest is not None:
        return any(one.judged is not None and one.judged.by_slice for one in attempt.digest.trials.values())
    return attempt.result is not None and any(map(is_judged_by_slice, attempt.result.trials))


def is_judged_by_slice(trial: TrialResult) -> bool:
    """Whether each counted slice of a trial says if it carried its load."""
    return bool(_parts(trial))


def _parts(trial: TrialResult) -> list[SliceResult]:
    """The slices of which each is a trial; none if the runner did not judge them one by one."""
    counted = [one for one in trial.slices if not one.probed and not one.profiled]
    return counted if all(one.carried is not None for one in counted) else []


def _missed(aim: Aim, one: SliceResult) -> bool:
    """True also if no latency is known, because then no request was answered."""
    if one.carried is False or aim.slo is None:
        return one.carried is False
    return one.latency_p99_ns is None or one.latency_p99_ns > aim.slo.p99_us * 1000


def _wrong_rate(aim: Aim, rate_per_s: int, trial: TrialResult, made: int) -> str:
    """Why the trial was not one at its rate; empty if it was."""
    offered = made if trial.due is None else trial.due
    made_per_s = offered / trial.duration_s if trial.duration_s else 0.0
    allowed = MAX_DEVIATION
    if trial.due is not None and aim.arrival == "poisson" and trial.duration_s:
        allowed += ARRIVAL_ERRORS / math.sqrt(rate_per_s * trial.duration_s)
    if rate_per_s * (1 - allowed) <= made_per_s <= rate_per_s * (1 + allowed):
        return ""
    return f"{made_per_s:,.0f}/s were made where {rate_per_s:,}/s were due"


def _missed_by_latency(aim: Aim, trial: TrialResult, made: int) -> bool:
    """The same for a whole trial.

    The latency of a trial has failed requests, too. In older results, which do not have ``due``, it has not; there they
    count as slower than all others.
    """
    if aim.slo is None:
        return Reason.OVERLOADED in trial.validity.reasons
    rank = PERCENTILE
    if trial.due is None:
        rank = PERCENTILE * made / trial.requests if trial.requests else math.inf
    p99_us = trial.latency_us(rank) if rank <= 100 else None
    return p99_us is None or p99_us > aim.slo.p99_us
