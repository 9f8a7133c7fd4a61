"""A dispatcher that records messages instead of sending them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from coordinator.scheduling.dispatch import DispatchError
from domain.service.jobs import BlockMessage


@dataclass
class RecordingDispatcher:
    """Records every message; ``down`` makes it fail like an unreachable broker."""

    down: bool = False
    sent: list[tuple[str, BlockMessage]] = field(default_factory=list)
    asked: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    pinged: list[str] = field(default_factory=list)
    testing: set[str] = field(default_factory=set)
    """Hosts that have not finished the tests that were requested."""

    def send(self, host: str, message: BlockMessage) -> None:
        self._record(self.sent, (host, message))

    def ask_for_matrix(self, host: str, datapaths: Sequence[str] = ()) -> bool:
        if host in self.testing:
            return False
        self._record(self.asked, (host, tuple(datapaths)))
        self.testing.add(host)
        return True

    def ping(self, host: str) -> None:
        self._record(self.pinged, host)

    def _record(self, into: list[Any], what: Any) -> None:
        if self.down:
            raise DispatchError("the broker cannot be reached: the test says so")
        into.append(what)
