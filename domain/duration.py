"""How long a campaign's slices and its traffic are. Pure arithmetic on a campaign's fields.

:class:`~domain.campaign.Campaign` limits its own duration, so this module must not import it: :class:`Timed` names
the fields that count.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

from domain.load import AnyLoad, CapacityLoad, ClosedLoad
from domain.searched import (
    CALIBRATION_STEPS,
    CHECK_STEPS,
    CHECK_TRIALS,
    SEARCH_STEPS,
    SEARCH_TRIALS,
    searches_of,
    shares_of,
)

# In a slice of an open level requests must have the time to queue: what a short slice sends above the capacity is
# answered after it. A second is ten times the drain.
MIN_OPEN_SLICE_S = 1.0
SLICE_LIMITS = 20  # a slice of a search lasts at least so many times the limit of the latency
# Longest warm-up before a watched slice: its generator is new and must open its connections first.
# Shortest watched slice: one window of the probes costs about 3 % of 0.2 s on two saturated CPUs.
WATCHED_WARM_UP_S = 0.05
WATCHED_SLICE_S = 0.3


class Timed(Protocol):
    """The fields of a campaign that its duration depends on."""

    @property
    def labels(self) -> Sequence[str]: ...
    @property
    def workloads(self) -> Sequence[str]: ...
    @property
    def levels(self) -> Mapping[str, AnyLoad]: ...
    @property
    def probes(self) -> Sequence[str]: ...
    @property
    def flame_graphs(self) -> bool: ...
    @property
    def blocks(self) -> int: ...
    @property
    def slices(self) -> int: ...
    @property
    def slice_s(self) -> float: ...
    @property
    def open_slice_s(self) -> float: ...
    @property
    def warm_up_s(self) -> float: ...
    @property
    def calibration_blocks(self) -> int: ...
    @property
    def calibration_slices(self) -> int: ...


def slice_s_at(campaign: Timed, load: AnyLoad) -> float:
    """Seconds of one slice at a level."""
    if isinstance(load, ClosedLoad):
        return campaign.slice_s
    searched_s = SLICE_LIMITS * load.p99_us / 1e6 if isinstance(load, CapacityLoad) else 0.0
    return max(campaign.slice_s, campaign.open_slice_s, searched_s)


def calibration_s(campaign: Timed) -> float:
    """Seconds of traffic per datapath in one host's calibration, for all workloads."""
    if not campaign.calibration_blocks:
        return 0.0
    closed_s = campaign.calibration_slices * campaign.slice_s + campaign.warm_up_s
    slices_s = [slice_s_at(campaign, load) for load in shares_of(campaign.levels).values()]
    trials, blocks = CALIBRATION_STEPS + CHECK_STEPS * CHECK_TRIALS, CALIBRATION_STEPS + CHECK_STEPS
    open_s = trials * max(slices_s) + blocks * campaign.warm_up_s if slices_s else 0.0
    return len(campaign.workloads) * (closed_s + open_s)


def traffic_s(campaign: Timed) -> float:
    """Seconds of traffic in the whole campaign, including warm-up and one host's calibration."""
    total_s = calibration_s(campaign)
    watched_warm_up_s = min(campaign.warm_up_s, WATCHED_WARM_UP_S)
    for load in campaign.levels.values():
        slice_s = slice_s_at(campaign, load)
        block_s = campaign.slices * slice_s + campaign.warm_up_s
        blocks = len(campaign.workloads) * campaign.blocks
        if isinstance(load, CapacityLoad):
            block_s = SEARCH_TRIALS * slice_s + SEARCH_STEPS * campaign.warm_up_s
            blocks = len(campaign.workloads) * searches_of(load, campaign.blocks)
        else:
            block_s += (max(slice_s, WATCHED_SLICE_S) + watched_warm_up_s) * bool(campaign.probes)
            block_s += slice_s * campaign.flame_graphs
        total_s += blocks * block_s
    return len(campaign.labels) * total_s
