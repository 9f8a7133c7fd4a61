"""What the store hands to the analysis: plain values, so that the analysis stays pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from domain.trial import BlockResult


@dataclass(frozen=True)
class SearchStep:
    """Which step of which search a block is, and the rate that it asked of each datapath.

    ``ended``: no other attempt of it will follow, and it was not cancelled.
    """

    chain: int
    step: int
    rates_per_s: Mapping[str, int]
    ended: bool


@dataclass(frozen=True)
class AttemptRecord:
    """One attempt of one block, and what came of it.

    ``accepted`` marks the one attempt per block whose result is analysed: the last one with a result.
    ``state`` is a value of :class:`coordinator.scheduling.lifecycle.AttemptState`; ``reason`` says why it ended without
    a result, and is empty otherwise. ``calibration`` attempts find the capacity and are no cell's; those with
    ``search`` are a step of a search for a capacity within an SLO, whose figure is the search's, not the trial's.
    """

    block_index: int
    block_id: str
    workload: str
    level: str
    attempt: int
    host: str
    state: str
    reason: str
    accepted: bool
    result: BlockResult | None
    calibration: bool = False
    search: SearchStep | None = None
