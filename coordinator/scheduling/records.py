"""What the store gives to the analysis: plain values, so that the analysis stays pure."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from coordinator.scheduling.digests import BlockDigest
from domain.trials.trial import BlockResult


@dataclass(frozen=True)
class SearchStep:
    """The place of a block in its search, and the rate that it asked of each datapath.

    ``ended``: no other attempt of the step will follow, and it was not cancelled.
    """

    chain: int
    step: int
    rates_per_s: Mapping[str, int]
    ended: bool


@dataclass(frozen=True)
class AttemptRecord:
    """One attempt of one block, and its result.

    ``accepted`` marks the attempt of a block that is analysed: the first with a sound environment, else the last (see
    :func:`coordinator.scheduling.lifecycle.accepted_attempt`). ``state`` is a value of
    :class:`coordinator.scheduling.lifecycle.AttemptState`. ``reason`` says why it ended without a result, else it is
    empty. ``calibration`` attempts find the capacity and belong to no cell. An attempt with ``search`` is a step of a
    search for a capacity within an SLO; the figure is the search's, not the trial's.

    The analysis reads the ``digest`` and no ``result``; of an attempt with a result only, it makes the digest first.
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
    digest: BlockDigest | None = None

    @property
    def has_result(self) -> bool:
        """True if the attempt ended with a result."""
        return self.digest is not None or self.result is not None

    def with_digest(self, digest: BlockDigest) -> "AttemptRecord":
        """The attempt with the digest of its result."""
        return replace(self, digest=digest)
