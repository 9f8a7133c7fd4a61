"""How long a campaign's slices and its traffic are, and durations as text. Pure arithmetic on a campaign's fields.

:class:`~domain.campaigns.campaign.Campaign` limits its own duration, so this module must not import it: :class:`Timed`
names the fields that count.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Protocol

from domain.loads.load import AnyLoad, CapacityLoad, ClosedLoad
from domain.loads.probed import watched_levels
from domain.loads.searched import (
    CALIBRATION_STEPS,
    CHECK_STEPS,
    CHECK_TRIALS,
    searches_of,
    shares_of,
    trials_of_search,
)

# The default follows from `make bench-slices`. Shorter slices give a more exact ratio from the same traffic, because
# both sides meet the same host noise. On a busy two-core host the standard error, relative to 1 s slices, was 0.65 with
# 0.1 s, 0.79 with 0.2 s, 0.93 with 0.5 s and 2.3 with 3 s. The default is not 0.1 s because a slice must hold several
# whole answers of the slowest workload (`stream`: 80 ms).
DEFAULT_SLICE_S = 0.2
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
    def probes(self) -> tuple[str, ...]: ...
    @property
    def probe_levels(self) -> tuple[str, ...]: ...
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


def block_traffic_s(campaign: Timed, level: str) -> float:
    """Seconds of traffic of one datapath in one block (or search), including warm-up and uncounted slices."""
    load = campaign.levels[level]
    slice_s = slice_s_at(campaign, load)
    if isinstance(load, CapacityLoad):
        return trials_of_search(load.steps) * slice_s + load.steps * campaign.warm_up_s
    block_s = campaign.slices * slice_s + campaign.warm_up_s
    if level in watched_levels(campaign):
        block_s += max(slice_s, WATCHED_SLICE_S) + min(campaign.warm_up_s, WATCHED_WARM_UP_S)
    return block_s + slice_s * campaign.flame_graphs


def traffic_s(campaign: Timed) -> float:
    """Seconds of traffic in the whole campaign, including warm-up and one host's calibration."""
    total_s = sum(
        _blocks_of(campaign, load) * block_traffic_s(campaign, level) for level, load in campaign.levels.items()
    )
    return len(campaign.labels) * (len(campaign.workloads) * total_s + calibration_s(campaign))


def _blocks_of(campaign: Timed, load: AnyLoad) -> int:
    """Blocks per workload at a level, or searches."""
    return searches_of(load, campaign.blocks) if isinstance(load, CapacityLoad) else campaign.blocks


_UNITS = {"s": 1, "min": 60, "h": 3600}
_DURATION = re.compile(r"\s*(\d{1,6}(?:\.\d{1,3})?)\s*(s|min|h)\s*")


def read_duration(text: str) -> float:
    """Seconds of ``90 s``, ``10 min`` or ``1.5 h``. Raises :class:`ValueError` with a message for the user."""
    found = _DURATION.fullmatch(text)
    if not found:
        raise ValueError(f"{text[:40]!r} is no duration: write a number and a unit, as '90 s', '10 min' or '1.5 h'")
    return float(found[1]) * _UNITS[found[2]]


def duration_text(seconds: float) -> str:
    """Seconds in words: ``45 s``, ``10 min``, ``1 h 30 min``."""
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        parts = [(minutes, "min"), (rest if minutes < 10 else 0, "s")]
    else:
        parts = [(minutes // 60, "h"), (minutes % 60, "min")]
    return " ".join(f"{value} {unit}" for value, unit in parts if value) or "0 s"
