"""Two parts of the simulated world that may fail: the broker, and a host with its worker."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from typing import Any, NamedTuple

from coordinator.scheduling.dispatch import DispatchError
from domain.loads.load import OpenLoad
from domain.service.jobs import BlockJob, BlockMessage, Report
from domain.service.messages import MAX_QUEUED
from domain.trials.trial import BlockResult
from tests.unit.coordinator.coordinator_app import result
from tests.unit.coordinator.scheduling.calibrations import open_report

_CARRIED = {"direct": 700, "tproxy": 400}  # requests/s that the simulated datapaths carry in the open loop


class Mood(StrEnum):
    """What a broker does with messages."""

    SOUND = "sound"
    AWAY = "away"
    LOSING = "losing"
    DOUBLING = "doubling"


@dataclass
class FaultyBroker:
    """A dispatcher with one queue per host; ``None`` in a queue is a ping."""

    mood: Mood = Mood.SOUND
    queues: dict[str, list[BlockMessage | None]] = field(default_factory=dict)

    def send(self, host: str, message: BlockMessage) -> None:
        """Queue a message, as the broker is in the mood for."""
        self._put(host, message)

    def ask_for_matrix(self, host: str, datapaths: Sequence[str] = ()) -> bool:
        """No simulated host tests datapaths."""
        return False

    def ping(self, host: str) -> None:
        """Queue a ping."""
        self._put(host, None)

    def _put(self, host: str, message: BlockMessage | None) -> None:
        if self.mood is Mood.AWAY:
            raise DispatchError("the broker cannot be reached")
        copies = {Mood.LOSING: 0, Mood.DOUBLING: 2}.get(self.mood, 1)
        queue = self.queues.setdefault(host, [])
        queue.extend([message] * copies)
        del queue[:-MAX_QUEUED]


class Written(NamedTuple):
    """A report in a worker's outbox."""

    block_id: str
    attempt: int
    report: Report


@dataclass
class Worker:
    """A host and its worker. What is on its disk survives a crash: the outbox."""

    name: str
    is_up: bool = True
    is_reachable: bool = True
    """False while its network does not reach the coordinator."""

    is_deaf: bool = False
    """True while it takes no messages, though it is online."""

    skew_s: float = 0.0
    heard_at_s: float | None = None
    registered_at_s: float = -math.inf
    job: BlockJob | None = None
    outbox: list[Written] = field(default_factory=list)

    @property
    def reaches(self) -> bool:
        """Whether its requests arrive."""
        return self.is_up and self.is_reachable

    def write(self, report: Report) -> None:
        """Put the report of the running block into the outbox; the block has ended."""
        if self.job is not None:
            self.outbox.append(Written(self.job.block_id, self.job.attempt, report))
            self.job = None

    def crash(self) -> None:
        """The process is killed; the next one reports the attempt that it had claimed."""
        if self.job is not None:
            lost = "the worker's process was killed"
            self.write(Report(lease=self.job.lease, failure=lost))
        self.is_up, self.heard_at_s, self.registered_at_s = False, None, -math.inf


def result_of(job: BlockJob, *, is_disturbed: bool, mark: int) -> BlockResult:
    """A measured block. ``mark`` is its wall time, by which a stored result is recognised."""
    block = job.block
    loads = tuple((label, block.rate_per_s(label)) for label in block.datapaths) if block.loads else ()
    slices = tuple(block.order.count(label) for label in block.datapaths)
    key = (block.host, block.datapaths, block.workload, block.level, loads, slices)
    found = _result(*key, is_open=isinstance(block.load, OpenLoad), is_disturbed=is_disturbed)
    return found.model_copy(update={"wall_s": float(mark)})


@cache
def _result(
    host: str,
    datapaths: tuple[str, ...],
    workload: str,
    level: str,
    loads: tuple[tuple[str, int | None], ...],
    slices: tuple[int, ...],
    *,
    is_open: bool,
    is_disturbed: bool,
) -> BlockResult:
    """The same for all blocks alike: to validate a result takes longer than to store it."""
    reasons = ("steal",) if is_disturbed else ()
    body: dict[str, Any]
    if loads:
        order = [label for label, count in zip(datapaths, slices, strict=True) for _ in range(count)]
        rates = {label: f"open({rate})" for label, rate in loads}
        block = {"datapaths": datapaths, "loads": rates, "order": order, "workload": workload, "host": host}
        body = open_report({"block": block}, _CARRIED, reasons)
        body["trials"] = [one | {"level": level} for one in body["trials"]]
    else:
        latency_ns = 100_000 if is_open else 0
        body = result(host, list(datapaths), workload=workload, level=level, reasons=reasons, latency_ns=latency_ns)
    return BlockResult.model_validate(body)
