"""From calibration trials to the rate of a share of capacity. Pure.

Calibration has two parts. A block in a closed loop says where to search. With shares, a search in the open loop
follows: the highest rate that each datapath carries without being overloaded (coordinator/scheduling/open_capacity.py).
Calibration uses the plain condition, whatever the levels' own. A share is then the same rate under each condition,
which makes their latencies comparable.
"""

import math
from collections.abc import Iterable, Mapping, Sequence

from coordinator.scheduling.records import AttemptRecord
from coordinator.scheduling.saturation import Goal, Search, initial_search
from coordinator.scheduling.step_result import Aim
from domain.campaigns.campaign import Campaign
from domain.loads.condition import PLAIN
from domain.loads.load import MAX_RATE_PER_S, Load, OpenLoad, ShareLoad
from domain.loads.searched import CALIBRATION_STEPS, shares_of
from domain.reports.calibration import Calibration
from domain.trials.block import Block, PlannedBlock
from domain.trials.trial import TrialResult

CALIBRATION_WIDTH = 0.05  # of the bounds of the capacity that shares refer to
CALIBRATION_CONFIDENCE = 0.80


def calibrate(campaign: Campaign, workload: str, attempts: Sequence[AttemptRecord]) -> Calibration:
    """The closed-loop capacity of a workload, from its blocks in a closed loop, all of which have ended.

    Each block must have a valid trial of every label; if several attempts have one, the last counts.
    """
    load = str(campaign.calibration_load)
    found: list[tuple[float, str, str]] = []
    for block_index in sorted({attempt.block_index for attempt in attempts}):
        of_block = [attempt for attempt in attempts if attempt.block_index == block_index]
        rates = {trial.datapath: (rate, host) for host, trial in _trials(of_block) if (rate := _valid_rate(trial))}
        if missing := [label for label in campaign.labels if label not in rates]:
            return Calibration(load=load, failure=f"the calibration of {workload} {_why(of_block, missing)}")
        found += [(rates[label][0], label, rates[label][1]) for label in campaign.labels]
    if not found:
        return Calibration(load=load, failure=f"the calibration of {workload} did not start")
    capacity_per_s, datapath, host = min(found)
    return Calibration(
        load=load,
        requests_per_s=capacity_per_s,
        datapath=datapath,
        host=host,
        capacities_per_s={label: max(rate for rate, of, _ in found if of == label) for label in campaign.labels},
    )


def calibration_load(campaign: Campaign) -> ShareLoad:
    """The whole capacity, with the arrivals of the campaign's first share, in the plain condition."""
    first = next(iter(shares_of(campaign.levels).values()))
    return first.model_copy(update={"percent": 100, "condition": PLAIN})


def calibration_searches(campaign: Campaign, found: Calibration) -> dict[str, Search]:
    """The first state of every datapath in the search that shares refer to; ``found`` has closed-loop capacities."""
    goal = Goal(
        Aim(None, calibration_load(campaign).arrival),
        CALIBRATION_WIDTH,
        steps=CALIBRATION_STEPS,
        coarse_steps=CALIBRATION_STEPS,
        end_trials=1,
        confidence=CALIBRATION_CONFIDENCE,
    )
    return {label: initial_search(capacity, 1.0, goal) for label, capacity in found.capacities_per_s.items()}


def rate_of(share: ShareLoad, capacity_per_s: float) -> int:
    """The share as a rate of at most three significant digits, rounded down, so it never exceeds the share.

    It stays within the range of an open load.
    """
    rate_per_s = capacity_per_s * share.percent / 100
    digits = len(str(math.floor(rate_per_s)))
    step: int = 10 ** max(0, digits - 3)
    return min(max(1, math.floor(rate_per_s / step) * step), MAX_RATE_PER_S)


def ready_block(planned: PlannedBlock, load: Load, host: str, rates_per_s: Mapping[str, int] | None = None) -> Block:
    """The block that a worker on ``host`` gets; ``rates_per_s`` gives each datapath its own rate.

    Rates were found in the plain condition; the block applies them under its own condition.
    """
    load = load.model_copy(update={"condition": planned.load.condition})
    loads = {}
    if isinstance(load, OpenLoad):
        bare = load.model_copy(update={"condition": PLAIN})
        loads = {label: bare.at(rate) for label, rate in (rates_per_s or {}).items()}
    return Block.model_validate(planned.model_dump() | {"load": load, "loads": loads, "host": host})


def _trials(attempts: Iterable[AttemptRecord]) -> list[tuple[str, TrialResult]]:
    """(host, trial) of one block's attempts; the last attempt comes last."""
    ordered = sorted(attempts, key=lambda attempt: attempt.attempt)
    return [(a.host, trial) for a in ordered if a.result is not None for trial in a.result.trials]


def _valid_rate(trial: TrialResult) -> float | None:
    return trial.requests_per_s if trial.validity.valid else None


def _why(attempts: Sequence[AttemptRecord], missing: Sequence[str]) -> str:
    """What failed in one calibration block."""
    last = max(attempts, key=lambda attempt: attempt.attempt)
    where = f"(block {last.block_index} on {last.host})"
    trials = _trials(attempts)
    if not trials:
        return f"failed {where}: {last.reason or 'it did not start'}"
    findings = [f for _, trial in trials if trial.datapath == missing[0] for f in trial.validity.findings]
    detail = f"{findings[-1].reason}, {findings[-1].detail}" if findings else "no requests"
    return f"has no valid trial of {', '.join(missing)} {where}: {detail}"
