"""What the store hands to the analysis: plain values, so that the analysis stays pure."""

from dataclasses import dataclass

from domain.trial import BlockResult


@dataclass(frozen=True)
class AttemptRecord:
    """One attempt of one block, and what came of it.

    ``accepted`` marks the one attempt per block whose result is analysed: the last one with a result.
    ``state`` is a value of :class:`coordinator.lifecycle.AttemptState`; ``reason`` says why it ended without
    a result, and is empty otherwise. ``calibration`` attempts find the capacity and are no cell's.
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
