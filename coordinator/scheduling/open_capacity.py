"""From the search in an open loop to the rates of shares, and the check of both at a campaign's end. Pure.

A share is a share of what the slowest compared datapath carries: the lower bound of its capacity, on the slowest host.
So one rate applies to every block of a level, and each datapath is asked for less than it can carry.

The check has two blocks. In the first, each datapath gets 10 % less than its lower bound, and must carry it. In the
second, each gets 10 % more than its upper bound, and must not.
"""

from collections.abc import Mapping, Sequence

from coordinator.scheduling.calibration import calibration_load, calibration_searches, rate_of
from coordinator.scheduling.records import AttemptRecord
from coordinator.scheduling.saturation import Search, replay_steps
from coordinator.scheduling.step_result import Aim, StepResult, step_result
from domain.campaigns.campaign import Campaign
from domain.loads.load import MAX_RATE_PER_S
from domain.loads.searched import (
    CALIBRATION_STEPS,
    CHECK_CHANGE,
    CapacityBounds,
    CapacityCheck,
    OpenCapacities,
    shares_of,
)
from domain.reports.calibration import Calibration
from domain.values.texts import share_text


def with_open_capacity(
    campaign: Campaign, workload: str, found: Calibration, attempts: Sequence[AttemptRecord]
) -> Calibration:
    """``found`` with the open-loop capacities and the shares' rates; ``attempts`` are the steps of all its searches.

    It has a failure instead if the capacity of a datapath has no lower bound on a host.
    """
    every = [attempt for attempt in attempts if attempt.search is not None]
    on_hosts: dict[str, list[tuple[CapacityBounds, str]]] = {}
    for chain in sorted({attempt.search.chain for attempt in every if attempt.search}):
        ours = [attempt for attempt in every if attempt.search and attempt.search.chain == chain]
        host = next((attempt.host for attempt in ours if attempt.result is not None), ours[0].host)
        for label, search in replay_steps(calibration_searches(campaign, found), ours).items():
            if search.bounds.lower_per_s is None:
                why = f"the open-loop capacity of {label} on {host} was not found: {_why(search)}"
                return found.model_copy(update={"failure": f"the calibration of {workload} has no rate: {why}"})
            on_hosts.setdefault(label, []).append((search.bounds, host))
    if not on_hosts:
        return found.model_copy(update={"failure": f"the calibration of {workload} did not search in an open loop"})
    slowest = {label: min(found_on, key=_lower) for label, found_on in on_hosts.items()}
    lowest = min(slowest, key=lambda label: _lower(slowest[label]))
    capacity_per_s = _lower(slowest[lowest])
    results = [attempt.result for attempt in every if attempt.result is not None]
    return found.model_copy(
        update={
            "requests_per_s": capacity_per_s,
            "datapath": lowest,
            "host": slowest[lowest][1],
            "rates_per_s": {name: rate_of(share, capacity_per_s) for name, share in shares_of(campaign.levels).items()},
            "open_loop": OpenCapacities(
                load=str(calibration_load(campaign)),
                bounds={label: bounds for label, (bounds, _) in slowest.items()},
                blocks=len({attempt.block_index for attempt in every}),
                seconds=round(sum(result.wall_s for result in results), 1),
                highest_per_s=_highest(on_hosts),
            ),
        }
    )


def _lower(found: tuple[CapacityBounds, str]) -> float:
    return found[0].lower_per_s or 0.0


def _highest(on_hosts: Mapping[str, Sequence[tuple[CapacityBounds, str]]]) -> dict[str, float]:
    """The highest upper bound over the hosts, of the datapaths that have one on each."""
    uppers = {label: [bounds.upper_per_s for bounds, _ in found] for label, found in on_hosts.items()}
    return {label: max(filter(None, every)) for label, every in uppers.items() if all(every)}


def check_rates(found: OpenCapacities, step: int) -> dict[str, int]:
    """The rates of a check block: below the lower bounds, or above the upper ones."""
    rates = {}
    for label, bounds in found.bounds.items():
        lower = bounds.lower_per_s or 1.0
        below = step == CALIBRATION_STEPS
        at = lower * (1 - CHECK_CHANGE) if below else (bounds.upper_per_s or lower) * (1 + CHECK_CHANGE)
        rates[label] = min(max(1, round(at)), MAX_RATE_PER_S)
    return rates


def checked(campaign: Campaign, found: Calibration, attempts: Sequence[AttemptRecord]) -> Calibration:
    """``found`` with what the check blocks say; ``attempts`` are theirs, and all have ended."""
    if found.open_loop is None:
        return found
    results = _results(campaign, attempts)
    fell, rose, unknown = [], [], {}
    for label, bounds in found.open_loop.bounds.items():
        below, above = results[CALIBRATION_STEPS].get(label, []), results[CALIBRATION_STEPS + 1].get(label, [])
        if any(one.missed > one.met for one in below):
            fell.append(label)
        elif bounds.upper_per_s is not None and above and all(one.met > one.missed for one in above):
            rose.append(label)
        elif unclear := next((one.why for one in [*below, *above] if not one.known), "" if below else "not measured"):
            unknown[label] = unclear
    sentence = _sentence(found, fell, rose, unknown)
    check = CapacityCheck(fell=tuple(fell), rose=tuple(rose), unknown=unknown, sentence=sentence)
    return found.model_copy(update={"open_loop": found.open_loop.model_copy(update={"check": check})})


def _results(campaign: Campaign, attempts: Sequence[AttemptRecord]) -> dict[int, dict[str, list[StepResult]]]:
    """By step and datapath, one result per host."""
    aim = Aim(None, calibration_load(campaign).arrival)
    found: dict[int, dict[str, list[StepResult]]] = {CALIBRATION_STEPS: {}, CALIBRATION_STEPS + 1: {}}
    for step, by_label in found.items():
        ours = [attempt for attempt in attempts if attempt.search is not None and attempt.search.step == step]
        for index in sorted({attempt.block_index for attempt in ours}):
            of_block = [attempt for attempt in ours if attempt.block_index == index]
            host = next((attempt.host for attempt in of_block if attempt.result is not None), "")
            for label in campaign.labels:
                by_label.setdefault(label, []).append(step_result(aim, label, of_block, host))
    return found


def _sentence(found: Calibration, fell: Sequence[str], rose: Sequence[str], unknown: Mapping[str, str]) -> str:
    percent = share_text(CHECK_CHANGE, 0)
    parts = []
    if fell:
        parts.append(f"the capacity of {', '.join(fell)} had fallen by more than {percent} at the campaign's end")
    if rose:
        parts.append(f"the capacity of {', '.join(rose)} had risen by more than {percent} at the campaign's end")
    if unknown:
        whys = "; ".join(f"{label}: {why}" for label, why in unknown.items())
        parts.append(f"not checked at the campaign's end: {whys}")
    if found.datapath in (*fell, *rose):
        parts.append("so its shares were others by then")
    return "; ".join(parts) or f"no capacity was seen more than {percent} beyond its bounds at the campaign's end"


def _why(search: Search) -> str:
    return search.why_none or "its trials leave it open"
