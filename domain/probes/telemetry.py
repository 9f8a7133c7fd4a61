"""The account of telemetry points that every block closes, and the causes of loss."""

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field

from domain.values.bounds import MAX_COUNT, PRINTABLE, Count, text
from domain.values.frozen import Frozen


class LossCause(StrEnum):
    """Where and why a telemetry point was lost, from the kernel to the database."""

    RING_BUFFER = "ring_buffer"
    QUEUE_FULL = "queue_full"
    CLOSED = "closed"
    KILLED = "killed"
    SPOOL_FULL = "spool_full"
    DISK = "disk"
    TORN = "torn"
    REJECTED = "rejected"
    FAILED = "failed"
    AWAY = "away"
    OFF = "off"
    DISCARDED = "discarded"


CAUSES: Mapping[LossCause, str] = {
    LossCause.RING_BUFFER: "the kernel's ring buffer was full",
    LossCause.QUEUE_FULL: "the queue in memory was full",
    LossCause.CLOSED: "produced after the stream was closed",
    LossCause.KILLED: "in the memory of a worker that was killed, so some may have arrived",
    LossCause.SPOOL_FULL: "the spool was full, so the oldest were dropped",
    LossCause.DISK: "the spool's disk failed or was full",
    LossCause.TORN: "damaged in the spool, or removed from it",
    LossCause.REJECTED: "refused by InfluxDB",
    LossCause.FAILED: "could not be sent at all",
    LossCause.AWAY: "neither InfluxDB nor a spool took them",
    LossCause.OFF: "no InfluxDB is configured",
    LossCause.DISCARDED: "removed with the directory of a run, before InfluxDB took them",
}
"""Each cause in words."""


class TelemetryAccount(Frozen):
    """The telemetry points of one block: produced = delivered + spooled + queued + lost, at every moment.

    ``spooled`` points are on the host's disk, for delivery when InfluxDB returns. The account says where they were when
    it was taken. ``losses`` divides ``lost`` by cause; accounts of earlier versions lack it.
    """

    produced: Count = 0
    delivered: Count = 0
    spooled: Count = Field(default=0, description="On the host's disk, for delivery when InfluxDB returns.")
    queued: Count = Field(default=0, description="In the worker's memory, not sent yet.")
    lost: Count = 0
    losses: dict[LossCause, Count] = Field(
        default_factory=dict, max_length=len(LossCause), description="The lost points by cause."
    )
    missing: Annotated[str, text(500), PRINTABLE] = Field(
        default="", description="Why telemetry is missing; empty when none is."
    )

    @property
    def rejected(self) -> int:
        """Lost because InfluxDB refused them."""
        return self.losses.get(LossCause.REJECTED, 0)

    @property
    def dropped(self) -> int:
        """Lost because memory or disk was full."""
        return sum(self.losses.get(cause, 0) for cause in (LossCause.QUEUE_FULL, LossCause.SPOOL_FULL, LossCause.DISK))

    @property
    def causes(self) -> str:
        """The losses in words: ``12 refused by InfluxDB; 3 …``; empty without known causes."""
        return "; ".join(f"{points:,} {CAUSES[cause]}" for cause, points in self.losses.items() if points)

    @classmethod
    def total(cls, accounts: Sequence[Self]) -> "TelemetryAccount":
        """The sum over blocks; it has the first reason."""
        return TelemetryAccount(
            produced=_sum(one.produced for one in accounts),
            delivered=_sum(one.delivered for one in accounts),
            spooled=_sum(one.spooled for one in accounts),
            queued=_sum(one.queued for one in accounts),
            lost=_sum(one.lost for one in accounts),
            losses={
                cause: _sum(one.losses.get(cause, 0) for one in accounts)
                for cause in LossCause
                if any(cause in one.losses for one in accounts)
            },
            missing=next((one.missing for one in accounts if one.missing), ""),
        )


def _sum(counts: Iterable[int]) -> int:
    return min(MAX_COUNT, sum(counts))
